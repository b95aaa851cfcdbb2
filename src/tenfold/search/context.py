"""Where and how a search runs: device, workers, and what persists its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.errors import BadInput
from tenfold.search.racing import Rung

if TYPE_CHECKING:
    import torch

    from tenfold.search.job import Message, Saved


DEVICES = "cpu, cuda or auto"


def may_have_gpu() -> bool:
    """Whether a device may be there beside the CPU, as far as it can be known without loading torch."""
    return any(Path("/dev").glob("nvidia*"))


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


class Journal:
    """What keeps a search, so that it can go on after a stop. This one keeps nothing; a run's journal commits all."""

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The value that was decided under that name, or else the one made now, kept before it is used."""
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

    def drop_paused(self, packs: Sequence[str]) -> None:
        """The lanes of these packs have gone on: their paused states are not needed any more."""

    def receive(self, message: Message) -> None:
        """Gets every message of the packs, in the calling thread."""

    def progress(self, share: float, best: float | None) -> None:
        """Share of the training done in [0, 1], and the best mean score so far, at every message."""

    def decided(self, rung: Rung) -> None:
        """The race has decided."""

    def named(self, prefix: str) -> Journal:
        """A journal of another search beside this one, whose names begin with the prefix."""
        return self


@dataclass(frozen=True)
class SearchContext:
    """How packs are run: device, dtype, workers, and who keeps what they say.

    idle: called about ten times a second; limit: seconds of training, None for no limit.
    """

    device: Any
    dtype: Any
    workers: int
    journal: Journal = field(default_factory=Journal)
    idle: Callable[[], None] = lambda: None
    limit: float | None = None
    every: float = 15.0

    def named(self, prefix: str) -> SearchContext:
        """The same context for another search beside this one."""
        return replace(self, journal=self.journal.named(prefix))

    @staticmethod
    def local(device: str = "auto", dtype: Any = None, **options: Any) -> SearchContext:
        """A worker for every core on the CPU, one on another device."""
        import torch

        from tenfold.executors.choose import available_workers

        place = device_named(device)
        workers = available_workers() if place.type == "cpu" else 1
        return SearchContext(place, dtype or torch.float32, workers, **options)
