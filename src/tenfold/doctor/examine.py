"""From a watched training to its record: the heavy measures, on copies, after the training."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.diagnosis import Diagnosis, diagnosis_of
from tenfold.doctor.judge.of_trials import promising, reached
from tenfold.doctor.measure.baselines import baselines
from tenfold.doctor.measure.gradients import against_recorded, check, noise
from tenfold.doctor.measure.gradients import curvature as top_curvature
from tenfold.doctor.measure.moments import moments
from tenfold.doctor.measure.pipeline import Pipeline, name_of, pipeline_of
from tenfold.doctor.measure.propagation import probe
from tenfold.doctor.measure.record import (
    Baseline,
    Facts,
    Moments,
    Operation,
    OptimizerFacts,
    ParameterFacts,
    Probe,
    Record,
    Theory,
    Trial,
)
from tenfold.doctor.measure.rows import Rows, distinct, join, rows_of, splittable
from tenfold.doctor.measure.theory import theory
from tenfold.doctor.measure.trace import operations as trace_operations
from tenfold.doctor.measure.watched import Watched
from tenfold.doctor.prove.change import CHANGES, REFERENCES
from tenfold.doctor.prove.paired import prove as make_proofs
from tenfold.doctor.prove.plan import applicable, references
from tenfold.doctor.prove.surgery import reinitialize
from tenfold.doctor.prove.trial import MOST_UPDATES, Setup, _standardized_inputs

LEAST_UPDATES, RUNS = 20, 20  # of a short training; trainings that the time is meant for
COUPLED = 0.05  # share of the loss that the halves of a batch may miss it by
SNAPSHOTS = 6  # states between start and end that are probed
Tries = Callable[[Sequence[str], Sequence[int]], list[Trial]]


def examine(
    watched: Watched,
    *,
    trials: Tries | None = None,
    prove: bool = True,
    budget: float = 2.0,
    curvature: bool = False,
    gradient_check: bool = False,
) -> Diagnosis:
    """Measure, judge and prescribe; with `prove` pair the first remedies with the unchanged training over seeds.

    budget: seconds for the short trainings (about; the proof takes as much again). trials: for a recipe, called with
    names of changes and seeds, makes the trainings in packs; by default they are made on copies of the module.
    curvature: also the largest eigenvalue of the Hessian at the end, against 2 / learning rate; gradient_check: also
    the gradient against finite differences (for modules with a backward pass of their own).
    """
    record, attempt = measure(watched, trials=trials, budget=budget, curvature=curvature, gradient_check=gradient_check)
    diagnosis = diagnosis_of(record)
    if diagnosis.healthy or not prove or attempt is None:
        return diagnosis
    proofs = make_proofs(record, [f.change for f in diagnosis.findings[:2]], attempt)
    return diagnosis_of(replace(record, proofs=proofs))


def measure(
    watched: Watched,
    *,
    trials: Tries | None = None,
    budget: float = 2.0,
    try_changes: bool = True,
    simple: bool = True,
    curvature: bool = False,
    gradient_check: bool = False,
) -> tuple[Record, Tries | None]:
    """The record of a watched training, and what makes further short trainings of it (None where none can be made).

    simple: whether models without gradients are tried on the kept rows; for the others see `examine`.
    """
    study = _study(watched)
    inputs, targets, evaluated = _moments(study)
    facts = _facts(study)
    curves = replace(watched.curves, evaluation_inputs=evaluated, validation_skill=_validation_skill(study))
    probes, landmarks = _probes(study)
    record = Record(
        facts, inputs, targets, curves, probes, landmarks, notes=study.notes,
        baselines=_baselines(study) if simple else [], extra=_extra(study, curvature, gradient_check),
    )  # fmt: skip
    if not try_changes or not study.operations or (trials is None and study.pipeline is None):
        return record, None
    attempt = trials if trials is not None else _Attempts(setup_of(study, facts), facts, budget)
    record = replace(record, trials=attempt(references(record), (0,)))
    if promising(record):
        record = replace(record, trials=[*record.trials, *attempt(applicable(record), (0,))])
    return record, attempt


@dataclass
class _Study:
    """What the measures of one training share."""

    watched: Watched
    model: nn.Module
    parts: list[Rows]
    joined: bool
    pipeline: Pipeline | None
    operations: list[Operation]
    notes: list[str]


def _study(watched: Watched) -> _Study:
    notes = list(watched.notes)
    model = copy.deepcopy(watched.model)
    model.load_state_dict(watched.start, strict=False)
    parts = [rows for rows in map(rows_of, watched.batches) if rows is not None]
    parts = [p for p in parts if p.count > 0]
    joined = bool(parts) and splittable(parts)
    if joined:
        parts = _dealt(distinct(join(parts)), max(p.count for p in parts))
    pipeline = pipeline_of(watched.criterion, watched.batches)
    if pipeline is None:
        notes.append("no loss was seen with its output and target: call doctor.observe(output, target, loss)")
    elif pipeline.after == "unknown":
        notes.append(
            "what the criterion gets could not be told from the model's output: no gradient, no short trainings"
        )
        pipeline = None
    found: list[Operation] = []
    if parts:
        try:
            found = trace_operations(model, parts[0].inputs, parts[0].keywords)
        except (RuntimeError, TypeError, ValueError) as error:
            notes.append(f"the forward pass of a copy failed: {error}")
    else:
        notes.append("no batch was seen")
    return _Study(watched, model, parts, joined, pipeline, found, notes)


def _dealt(rows: Rows, size: int) -> list[Rows]:
    """Rows in batches of about `size`, none much smaller."""
    count = max(1, round(rows.count / max(1, size)))
    return [rows.take(index) for index in torch.arange(rows.count, device=rows.target.device).chunk(count)]


def _moments(study: _Study) -> tuple[Moments | None, Moments | None, Moments | None]:
    if not study.parts:
        return None, None, None
    firsts = [f for p in study.parts if (f := p.first()) is not None]
    inputs = moments(torch.cat(firsts)) if firsts and len({f.shape[1:] for f in firsts}) == 1 else None
    classes = study.pipeline.classes if study.pipeline is not None else 0
    wanted = torch.cat([p.target for p in study.parts])
    if study.pipeline is not None and study.pipeline.task != "numbers":
        wanted = study.pipeline.wanted(wanted)
    targets = moments(wanted, classes=classes)
    seen = [rows for rows in map(rows_of, study.watched.evaluation) if rows is not None]
    others = [f for p in seen if (f := p.first()) is not None]
    same = others and firsts and all(f.shape[1:] == firsts[0].shape[1:] for f in others)
    return inputs, targets, moments(torch.cat(others)) if same else None


def _validation_skill(study: _Study) -> float | None:
    whole = [b for b in study.watched.evaluation if b.output is not None and b.target is not None]
    if study.pipeline is None or not whole:
        return None
    last = [b for b in whole if b.step == whole[-1].step]
    try:
        return study.pipeline.skill(torch.cat([b.output for b in last if b.output is not None]),
                                    torch.cat([b.target for b in last if b.target is not None]))  # fmt: skip
    except RuntimeError:
        return None


# ---- facts -----------------------------------------------------------------------------------------------------------


def _facts(study: _Study) -> Facts:
    watched, pipeline = study.watched, study.pipeline
    first = next((b for b in watched.batches if b.scored is not None), None)
    target = study.parts[0].target if study.parts else None
    criterion = watched.criterion
    return Facts(
        task=pipeline.task if pipeline is not None else "numbers",
        classes=pipeline.classes if pipeline is not None else 0,
        operations=study.operations,
        parameters=_parameters(watched),
        optimizers=_optimizers(watched),
        criterion=name_of(criterion) if criterion is not None else "",
        reduction=_reduction(study),
        after=pipeline.after if pipeline is not None else "unknown",
        output_shape=list(first.scored.shape) if first is not None and first.scored is not None else [],
        target_shape=list(first.target.shape) if first is not None and first.target is not None else
        (list(target.shape) if target is not None else []),
        batch_rows=int(median(b.target.shape[0] for b in watched.batches if b.target is not None and b.target.dim()))
        if study.parts else 0,
        rows_kept=sum(p.count for p in study.parts),
        steps=watched.steps,
        training_mode=watched.training_mode,
        accumulated=watched.accumulated,
        compiled=watched.compiled,
        still=watched.still,
    )  # fmt: skip


def _reduction(study: _Study) -> str:
    """From the criterion's word, or from the losses of a batch and of its halves: "sum" where the halves' losses add
    up, "mean" where they average, "coupled" where neither, so that a row's loss depends on the other rows."""
    batch = next((b for b in study.watched.batches if b.output is not None and b.target is not None), None)
    word = str(getattr(study.watched.criterion, "reduction", ""))
    if study.pipeline is None or batch is None or batch.output is None or batch.target is None:
        return word
    half = batch.target.shape[0] // 2
    if half < 2 or batch.output.shape[0] != batch.target.shape[0]:
        return word
    loss, output, target = study.pipeline.loss, batch.output, batch.target
    with torch.no_grad():
        try:
            whole = float(loss(output, target))
            one, two = (
                float(loss(output[:half], target[:half])),
                float(loss(output[half : 2 * half], target[half : 2 * half])),
            )
        except (RuntimeError, ValueError, IndexError):
            return word
    scale = abs(whole) + abs(one) + abs(two)
    if word or not scale > 0:
        return word
    if abs(whole - one - two) < 0.02 * scale + abs(one + two) / max(half, 1):
        return "sum"
    return "mean" if abs(whole - (one + two) / 2) < COUPLED * scale else "coupled"


def _parameters(watched: Watched) -> list[ParameterFacts]:
    names = {id(p): n for n, p in watched.model.named_parameters()}
    optimized = {
        names[id(p)] for o in watched.optimizers if isinstance(o, torch.optim.Optimizer)
        for g in o.param_groups for p in g["params"] if id(p) in names
    }  # fmt: skip
    recipe = any(isinstance(o, OptimizerFacts) for o in watched.optimizers)
    end = watched.snapshots[-1][1] if watched.snapshots else {}
    found = []
    for name, p in watched.model.named_parameters():
        before, after = watched.start.get(name), end.get(name)
        moved = None if before is None or after is None else not torch.equal(before, after)
        rows = 0.0
        if before is not None and before.dim() > 1 and before.shape[0] > 1:
            flat = before.reshape(before.shape[0], -1)
            rows = 1.0 - (
                len(torch.unique(flat, dim=0)) - (1 if len(torch.unique(flat, dim=0)) < len(flat) else 0)
            ) / len(flat)
        found.append(ParameterFacts(
            name, list(p.shape), p.requires_grad, recipe or name in optimized, moved, rows,
            _rms(before), _rms(after),
        ))  # fmt: skip
    return found


def _rms(tensor: Tensor | None) -> float:
    return 0.0 if tensor is None or not tensor.numel() else float(tensor.double().square().mean().sqrt())


def _optimizers(watched: Watched) -> list[OptimizerFacts]:
    found = []
    for number, rule in enumerate(watched.optimizers):
        if isinstance(rule, OptimizerFacts):
            found.append(rule)
            continue
        for place, options in enumerate(watched.options[number]):
            count = sum(p.numel() for p in rule.param_groups[place]["params"]) if place < len(rule.param_groups) else 0
            found.append(OptimizerFacts(
                type(rule).__name__.lower(), float(options.get("lr", 0.0)), float(options.get("momentum", 0.0) or 0.0),
                float(options.get("weight_decay", 0.0) or 0.0),
                float(options["eps"]) if isinstance(options.get("eps"), float | int) else None, count,
                bool(options.get("decoupled_weight_decay", False)) or type(rule).__name__ == "AdamW",
            ))  # fmt: skip
    return found


# ---- probes ----------------------------------------------------------------------------------------------------------


def _probes(study: _Study) -> tuple[list[Probe], Theory]:
    if not study.parts or not study.operations:
        return [], Theory()
    found: list[Probe] = []
    landmarks = Theory()
    model, watched = study.model, study.watched

    def look(state: Any, step: int, parts: Sequence[Rows], pipeline: Pipeline | None) -> None:
        try:
            found.append(probe(model, parts, pipeline, state, step, joined=study.joined))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            study.notes.append(f"the network at update {step} could not be probed: {error}")

    look("start", 0, study.parts, study.pipeline)
    if study.pipeline is not None:
        pairs = [(b.output, b.target) for b in watched.batches if b.output is not None and b.target is not None]
        pairs = [(o, t) for o, t in pairs if o.shape[0] == t.shape[0] and o.shape[1:] == pairs[0][0].shape[1:]]
        if pairs and study.joined:
            landmarks = theory(study.pipeline, torch.cat([o for o, _ in pairs]), torch.cat([t for _, t in pairs]))
        elif pairs:
            landmarks = theory(study.pipeline, *pairs[0])
    places = _spread(len(watched.snapshots))
    for place in places:
        step, state = watched.snapshots[place]
        model.load_state_dict(state, strict=False)
        look("end" if place == places[-1] else "during", step, study.parts, study.pipeline)
    model.load_state_dict(watched.start, strict=False)
    reinitialize(model, study.operations)
    standard, _ = _standardized_inputs(study.parts, None)
    look("reference", 0, standard, study.pipeline)
    model.load_state_dict(watched.start, strict=False)
    return found, landmarks


def _extra(study: _Study, curvature: bool, gradient_check: bool) -> dict[str, float]:
    """Gradients taken again: against the recorded ones, between batches; on request curvature and a gradient check."""
    if study.pipeline is None or not study.parts or not study.watched.steps:
        return {}
    model, watched, pipeline = study.model, study.watched, study.pipeline
    found: dict[str, float] = {}

    def take(name: str, compute: Callable[[], float | None]) -> None:
        try:
            value = compute()
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            study.notes.append(f"{name.replace('_', ' ')} could not be measured: {error}")
            return
        if value is not None:
            found[name] = value

    try:
        found |= against_recorded(model, watched, pipeline)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        study.notes.append(f"recorded gradients could not be taken again: {error}")
    if watched.snapshots:
        model.load_state_dict(watched.snapshots[-1][1], strict=False)
    model.eval()
    take("gradient_noise", lambda: noise(model, study.parts, pipeline))
    if curvature:
        take("curvature", lambda: top_curvature(model, study.parts[0], pipeline))
    if gradient_check:
        take("gradient_check", lambda: check(model, study.parts[0], pipeline))
    model.load_state_dict(watched.start, strict=False)
    return found


def _spread(count: int) -> list[int]:
    """Places of at most SNAPSHOTS + 1 snapshots, the last among them."""
    if count <= SNAPSHOTS + 1:
        return list(range(count))
    return sorted({round(i * (count - 1) / SNAPSHOTS) for i in range(SNAPSHOTS + 1)})


def _baselines(study: _Study) -> list[Baseline]:
    if not study.joined or study.pipeline is None:
        return []
    rows = join(study.parts)
    first = rows.first()
    if first is None or rows.target.shape[0] != first.shape[0]:
        return []
    wanted = study.pipeline.wanted(rows.target)
    if wanted.shape[0] != first.shape[0]:
        return []
    return baselines(first, wanted, study.pipeline.task)


# ---- short trainings -------------------------------------------------------------------------------------------------


def setup_of(study: _Study, facts: Facts) -> Setup:
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


class _Attempts:
    """Short trainings on copies. The first call settles for how many updates: 20 to 400, at most as many as the user
    made, as the time of this thread allows (so that other work on the machine changes nothing)."""

    def __init__(self, setup: Setup, facts: Facts, budget: float) -> None:
        self.setup, self.facts, self.budget, self.steps = setup, facts, budget, 0

    def __call__(self, names: Sequence[str], seeds: Sequence[int]) -> list[Trial]:
        since = time.thread_time()
        if not self.steps:
            few, more = (self.setup.trial(CHANGES["as_is"], (0,), steps).seconds for steps in (2, 14))
            each = max((more - few) / 12, 1e-4)
            made = self.facts.steps or MOST_UPDATES
            self.steps = int(max(LEAST_UPDATES, min(MOST_UPDATES, self.budget / RUNS / each, made)))
        found: list[Trial] = []
        for name in names:
            late = time.thread_time() - since > 2.5 * self.budget and name not in ("as_is", *REFERENCES)
            if not late and not _hopeless(name, found):
                found.append(self.setup.trial(CHANGES[name], seeds, self.steps))
        return found


def _hopeless(name: str, tried: Sequence[Trial]) -> bool:
    """A thousandfold rate where ten- and a hundredfold gave nothing."""
    if name not in ("lr_x1000", "lr_d1000"):
        return False
    milder = [t for t in tried if t.change in (name[:-2], name[:-1])]
    return len(milder) == 2 and all((reached(t) or 0.0) < 0.03 for t in milder)
