"""Where and how a search runs: device, workers, what persists its state, and who is told of its progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

from tenfold.engine.engines import Engine, best_engine, engine_of
from tenfold.errors import BadInput, clipped
from tenfold.search.racing import Rung
from tenfold.search.so_far import SoFar, TrialEpoch

if TYPE_CHECKING:
    import torch

    from tenfold.executors.protocol import Cluster
    from tenfold.problem.problem import Problem
    from tenfold.recipe.recipe import Recipe
    from tenfold.search.job import Message, Saved


DEVICES = "cpu, cuda or auto"
UNWATCHED: dict[str, Any] = {"look": lambda so_far: None, "on_epochs": None}  # fields of a context
PARTS_EACH = 4  # packs of compiled lanes for each worker of a cluster: the last ones end at about the same time
CHECKPOINTED = 50  # workers whose checkpoints come as often as they would here; of more of them each comes less often


def device_named(name: str) -> torch.device:
    """The torch device of that name; "auto" is the first CUDA device, else the CPU. Raises `BadInput`."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadInput(f"there is no device {name!r}", expected=DEVICES) from None
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {name!r}: {str(error).splitlines()[0]}", expected=DEVICES) from None
    return device


def as_it_is(value: Any) -> Any:
    """A value that is JSON already."""
    return value


class Journal:
    """What a search commits as it goes, and answers from after a stop. This one keeps nothing."""

    def once(
        self,
        name: str,
        make: Callable[[], Any],
        *,
        write: Callable[[Any], Any] = as_it_is,
        read: Callable[[Any], Any] = as_it_is,
    ) -> Any:
        """The value that was decided under that name; else `make()`, committed before it is used.

        write, read: to JSON and back; a value that was just made is returned as it is.
        """
        return make()

    def checkpoint(self, pack: str) -> Saved | None:
        """The last checkpoint of a pack under way."""
        return None

    def finished(self, pack: str) -> Saved | None:
        """The records of a pack that has ended."""
        return None

    def paused(self, pack: str) -> Saved | None:
        """The state of the lanes of a pack that has ended, from which the next stage goes on."""
        return None

    def drop_paused(self, packs: Iterable[str]) -> None:
        """The lanes of these packs have gone on: their paused states are not needed any more."""

    def receive(self, message: Message) -> None:
        """Gets every message of the packs, in the calling thread."""

    def machines(self) -> list[dict[str, str]]:
        """The facts of the machines that trained what it holds, where it notes them."""
        return []

    def named(self, prefix: str) -> Journal:
        """A journal of another search in the same run, whose names begin with the prefix."""
        return self


@dataclass(frozen=True)
class SearchContext:
    """Where and how packs are trained, what persists it, and who is told.

    journal: commits what the search decides and what packs emit. progress: called with the share of the training that
    is done, in [0, 1], and the best mean score so far; decided: called with each decision of the race; look: called as
    each stage begins with a view of the search that stays current; on_epochs: called with what every epoch of a pack's
    trials came to; all of them in the calling thread. idle: called about ten times a second; late: whether what the
    doctor has under way is to end. limit: seconds of one training, None for no limit. every: seconds between
    checkpoints. engine: what trains the recipes that it knows. modules: the functions of users' modules, of which the
    journal holds the names. cluster: where packs are trained, None for here.
    """

    device: Any
    dtype: Any
    workers: int
    journal: Journal = field(default_factory=Journal)
    progress: Callable[[float, float | None], None] = lambda share, best: None
    decided: Callable[[Rung], None] = lambda rung: None
    look: Callable[[SoFar], None] = lambda so_far: None
    on_epochs: Callable[[Sequence[TrialEpoch]], None] | None = None
    idle: Callable[[], None] = lambda: None
    late: Callable[[], bool] = lambda: False
    limit: float | None = None
    every: float = 15.0
    engine: Engine = "packs"
    modules: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        number = isinstance(self.limit, Real) and not isinstance(self.limit, bool)
        if self.limit is not None and (not number or math.isnan(self.limit)):
            raise BadInput(f"the time limit {clipped(repr(self.limit))}", expected="seconds", do="time_limit=60")

    def compiled(self, problem: Problem) -> Callable[[Recipe], bool]:
        """Whether compiled code trains a recipe's lanes here."""
        how: Any = {"classification": bool(problem.classes), "engine": self.engine, "device": self.device.type}
        return lambda recipe: engine_of(recipe, problem.size, **how) == "compiled"

    @property
    def parts(self) -> int | None:
        """Into how many packs compiled lanes are cut, where a cluster trains them."""
        return None if self.cluster is None else PARTS_EACH * self.workers

    @property
    def between_checkpoints(self) -> float:
        """Seconds between the checkpoints of a pack: all of them are committed here."""
        return self.every if self.cluster is None else self.every * max(1.0, self.workers / CHECKPOINTED)

    def named(self, prefix: str) -> SearchContext:
        """The same for another search in the same run, which nobody watches epoch by epoch."""
        return replace(self, journal=self.journal.named(prefix), **UNWATCHED)

    @staticmethod
    def local(device: str = "auto", dtype: Any = None, **options: Any) -> SearchContext:
        """A worker for every core on the CPU, one on another device; with a cluster one for every core of it."""
        import torch

        from tenfold.engine.native.threads import usable_cores

        cluster: Cluster | None = options.get("cluster")
        if cluster is not None and device not in ("auto", "cpu"):
            raise BadInput(f"device {clipped(device)} with Ray, whose workers have a core each", do="cpu, or no Ray")
        chosen = device_named("cpu" if cluster is not None else device)
        workers = cluster.workers if cluster is not None else usable_cores() if chosen.type == "cpu" else 1
        options = {"engine": best_engine(), **options}
        return SearchContext(chosen, dtype or torch.float32, workers, **options)
