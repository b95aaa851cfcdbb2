"""What a run commits of a search: decisions, checkpoints while packs train, records when they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tenfold.run.machine import machines_of
from tenfold.search.context import Journal, as_it_is
from tenfold.search.job import Message, Saved
from tenfold.store.run_directory import Run

CHECKPOINT, RECORDS, PAUSED = "checkpoint", "pack", "rest"  # kinds of stored arrays; files of format 1 have these names


class RunJournal(Journal):
    """Commits what is decided and what packs emit, so that a run can go on from there.

    known: values by name that are committed already and that the caller has at hand: they are not read again.
    """

    def __init__(self, run: Run, known: Mapping[str, Any], prefix: str = "") -> None:
        self.run, self.known, self.prefix = run, known, prefix

    def once(
        self, name: str, make: Callable[[], Any], *, write: Callable[[Any], Any] = as_it_is,
        read: Callable[[Any], Any] = as_it_is,
    ) -> Any:  # fmt: skip
        name = self.prefix + name
        if name in self.known:
            return self.known[name]
        if self.run.has(name):
            return read(self.run.get(name))
        value = make()
        self.run.put(name, write(value))
        return value

    def _stored(self, kind: str, pack: str) -> Saved | None:
        key = self.prefix + pack
        return self.run.get_arrays(kind, key) if key in self.run.keys(kind) else None

    def checkpoint(self, pack: str) -> Saved | None:
        return self._stored(CHECKPOINT, pack)

    def finished(self, pack: str) -> Saved | None:
        return self._stored(RECORDS, pack)

    def paused(self, pack: str) -> Saved | None:
        return self._stored(PAUSED, pack)

    def drop_paused(self, packs: Iterable[str]) -> None:
        with self.run.transaction():
            for pack in packs:
                self.run.drop(PAUSED, self.prefix + pack)

    def receive(self, message: Message) -> None:
        key = self.prefix + message.pack
        if message.kind == "checkpoint":
            self.run.put_arrays(CHECKPOINT, key, message.arrays, message.meta)
        elif message.kind == "done":
            # In one transaction: after a kill the pack has either ended, or goes on from its checkpoint.
            with self.run.transaction():
                self.run.put_arrays(RECORDS, key, message.arrays, message.meta)
                if message.paused is not None:
                    self.run.put_arrays(PAUSED, key, *message.paused)
                self.run.drop(CHECKPOINT, key)

    def machines(self) -> list[dict[str, str]]:
        return machines_of(self.run)

    def named(self, prefix: str) -> RunJournal:
        return RunJournal(self.run, self.known, self.prefix + prefix)
