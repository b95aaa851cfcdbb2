"""What a run keeps of a search: decisions, checkpoints while packs train, records when they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tenfold.search.context import Journal
from tenfold.search.job import Message, Saved
from tenfold.search.racing import Rung
from tenfold.store.run import Run

if TYPE_CHECKING:
    from tenfold.run.fit import Listener

CHECKPOINT, RECORDS, REST = "checkpoint", "pack", "rest"  # kinds of stored arrays


class RunJournal(Journal):
    """Commits what is decided and what packs say, so that a run can go on from there, and tells the listener."""

    def __init__(self, run: Run, listener: Listener, prefix: str = "") -> None:
        self.run, self.listener, self.prefix = run, listener, prefix

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The value that was committed under that name, or else the one made and committed now."""
        name = self.prefix + name
        if not self.run.has(name):
            self.run.put(name, make())
        return self.run.get(name)

    def _stored(self, kind: str, pack: str) -> Saved | None:
        key = self.prefix + pack
        return self.run.get_arrays(kind, key) if key in self.run.keys(kind) else None

    def checkpoint(self, pack: str) -> Saved | None:
        """The last checkpoint of a pack under way."""
        return self._stored(CHECKPOINT, pack)

    def finished(self, pack: str) -> Saved | None:
        """The records of a pack that has ended."""
        return self._stored(RECORDS, pack)

    def paused(self, pack: str) -> Saved | None:
        """The state of the lanes of a pack that has ended."""
        return self._stored(REST, pack)

    def drop_paused(self, packs: Sequence[str]) -> None:
        """Delete the states of lanes that have gone on."""
        with self.run.transaction():
            for pack in packs:
                self.run.drop(REST, self.prefix + pack)

    def receive(self, message: Message) -> None:
        """Commit a checkpoint, or the records of a pack that has ended and the state of its lanes."""
        key = self.prefix + message.pack
        if message.kind == "checkpoint":
            self.run.put_arrays(CHECKPOINT, key, message.arrays, message.meta)
        elif message.kind == "done":
            with self.run.transaction():
                self.run.put_arrays(RECORDS, key, message.arrays, message.meta)
                if message.paused is not None:
                    self.run.put_arrays(REST, key, *message.paused)
                self.run.drop(CHECKPOINT, key)

    def progress(self, share: float, best: float | None) -> None:
        """Tell the listener how far the training is."""
        self.listener.progress(share, best)

    def decided(self, rung: Rung) -> None:
        """Tell the listener who goes on."""
        self.listener.decided(rung)

    def named(self, prefix: str) -> RunJournal:
        """A journal of another search in the same run."""
        return RunJournal(self.run, self.listener, self.prefix + prefix)
