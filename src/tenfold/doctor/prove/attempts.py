"""Short trainings of copies of a watched module: how each begins, and for how many updates."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import torch

from tenfold.doctor.changes.all_changes import CHANGES, REFERENCES
from tenfold.doctor.changes.batches import MOST_UPDATES
from tenfold.doctor.measure.numbers.study import Study
from tenfold.doctor.measure.watching.watched import Watched
from tenfold.doctor.prove.cost import seconds_per_update
from tenfold.doctor.prove.trial import Setup
from tenfold.doctor.record import Facts, Trial

LEAST_UPDATES, RUNS = 20, 20  # of a short training; trainings that the time is meant for
SETTLED = 200  # updates before any training: with 32 a third of sound networks look ill, with 200 one in fifty
FEWEST, PATIENCE = 60, 3.0  # updates before any training of a network whose 200 updates take longer than these seconds
SMALL = 4e-3  # seconds of an update that is not worth a second thread
LATE = 2.5  # times the budget: then no further change is tried
TrialMaker = Callable[[Sequence[str], Sequence[int]], list[Trial]]


def setup_of(study: Study, facts: Facts) -> Setup:
    """What the short trainings of this study share."""
    watched = study.watched
    assert study.pipeline is not None
    names = {id(p): n for n, p in watched.model.named_parameters()}
    groups = []
    for number, rule in enumerate(watched.optimizers):
        members = [[names[id(p)] for p in g["params"] if id(p) in names] for g in rule.param_groups]
        options = watched.options[number] + watched.options[number][-1:] * (len(members) - len(watched.options[number]))
        groups.append((type(rule), list(zip(members, options, strict=False))))
    return Setup(
        study.model, watched.start, study.operations, study.pipeline, study.parts, study.joined, facts.batch_rows,
        groups, watched.training_mode >= 0.5, watched.still, facts.reduction == "sum", _limit(watched), _rates(watched),
    )  # fmt: skip


def _limit(watched: Watched) -> float | None:
    """The norm that gradients were clipped to, where many sampled ones have the same largest norm."""
    norms = [p.value for p in watched.curves.gradient_norm]
    if len(norms) < 6 or not max(norms) > 0:
        return None
    top = max(norms)
    same = sum(abs(n - top) < 1e-3 * top for n in norms)
    return top if (same >= 0.3 * len(norms) and same >= 4 and min(norms) < top * 0.999) or same == len(norms) else None


def _rates(watched: Watched) -> list[float]:
    """The learning rate over its first value, update by update."""
    points = watched.curves.lr
    if len(points) < 2 or not points[0].value:
        return []
    found, place = [], 0
    for step in range(points[-1].step + 1):
        while place + 1 < len(points) and points[place + 1].step <= step:
            place += 1
        found.append(points[place].value / points[0].value)
    return found


class Attempts:
    """Short trainings on copies. The first call settles for how many updates: 20 to 300 and at most as many as the user
    made, as the budget allows; before any training 200, of a large network fewer. What an update costs is counted, so
    that neither the machine nor other work on it changes the diagnosis; a small network is trained on one thread."""

    def __init__(self, setup: Setup, facts: Facts, budget: float) -> None:
        self.setup, self.facts, self.budget, self.steps, self.cost = setup, facts, budget, 0, 0.0

    def __call__(self, names: Sequence[str], seeds: Sequence[int]) -> list[Trial]:
        """The trials of these changes, from each of these seeds, as far as the budget goes."""
        if not self.steps:
            self.cost = seconds_per_update(lambda updates: self.setup.trial(CHANGES["as_is"], (0,), updates))
            unseen = max(FEWEST, min(SETTLED, int(PATIENCE / self.cost)))
            least, most = (LEAST_UPDATES, min(MOST_UPDATES, self.facts.steps)) if self.facts.steps else (unseen, unseen)
            self.steps = int(max(least, min(self.budget / RUNS / self.cost, most)))
        found: list[Trial] = []
        with _threads(1 if self.cost < SMALL else torch.get_num_threads()):
            for name in names:
                spent = self.cost * sum(trial.steps * len(trial.skill) for trial in found)
                late = spent > LATE * self.budget and name not in ("as_is", *REFERENCES)
                if not late and not _hopeless(name, found):
                    found.append(self.setup.trial(CHANGES[name], seeds, self.steps))
        return found


@contextmanager
def _threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _hopeless(name: str, tried: Sequence[Trial]) -> bool:
    """A thousandfold rate where ten- and a hundredfold gave nothing."""
    if name not in ("lr_x1000", "lr_d1000"):
        return False
    milder = [t for t in tried if t.change in (name[:-2], name[:-1])]
    return len(milder) == 2 and all((t.reached or 0.0) < 0.03 for t in milder)
