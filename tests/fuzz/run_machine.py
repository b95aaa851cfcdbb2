"""Random sequences of commands, kills, damage and moves of one run directory, each followed by what must hold.

    python tests/fuzz/run_machine.py [--runs N] [--steps N] [--random]

`make fuzz` runs many. Every command is a child of a process that has everything loaded. After each of them:

- it ended with 0, 1 or 2, in words of its own, or it was killed as intended;
- predictions are those of a run that was never stopped, or there are none;
- a search that ends without an error has ended with the bits of a run that was never stopped;
- what was acknowledged is there, the openings of the lockbox above all, and there are no more than were asked for;
- after damage a command refuses, or does what it would have done without.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from tiny_runs import KILL, TinyRuns, begun_nothing, behind_shim, fingerprint, forked, wrong_words

from tenfold.errors import TenfoldError
from tenfold.store import check
from tenfold.store.database import Database
from tenfold.store.lockbox_ledger import openings


class World(TinyRuns):
    """What all sequences share: the table, the results of a run that was never stopped, the calls of each command."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write_data()
        self.sequences = self.steps = 0
        golden = folder / "golden"
        assert self.tenfold(*self.fit(golden)) == 0
        self.golden = fingerprint(golden)
        assert self.tenfold("predict", golden, self.data, "-o", folder / "golden.csv") == 0
        self.predictions = (folder / "golden.csv").read_bytes()
        self.calls = {
            "fit": self.count(*self.fit(folder / "again")),
            "test": self.count("test", folder / "again"),
            "predict": self.count("predict", folder / "again", self.data, "-o", folder / "again" / "p.csv"),
        }
        self.calls["resume"] = self.calls["fit"]
        shutil.rmtree(folder / "again")

    def count(self, *arguments: object) -> int:
        """How many calls a command makes that change files below the folder "again"."""
        kinds = self.folder / "kinds"
        work = self.counted(lambda: self.tenfold(*arguments), self.folder / "again", kinds)
        said = self.folder / "said"
        assert forked(work, said) == 0, said.read_text()
        return len(kinds.read_text())


WORLD: World | None = None
kills = st.none() | st.floats(0, 1)


class RunDirectory(RuleBasedStateMachine):
    """One run directory. begun: `fit` was started; finished: it or `resume` has ended without an error; damaged: files
    that were damaged since; whole: the content before, while no command can have written there; lasting: some damage
    can not be undone any more."""

    def __init__(self) -> None:
        super().__init__()
        assert WORLD is not None
        self.world = WORLD
        WORLD.sequences += 1
        self.place = WORLD.folder / f"place{WORLD.sequences}"
        self.place.mkdir()
        self.begun = self.finished = False
        self.damaged: list[str] = []
        self.lasting = False
        self.whole: dict[Path, bytes] = {}
        self.asked = 0
        self.opened: list[tuple[int, str]] = []
        self.moves = 0

    @property
    def run_directory(self) -> Path:
        return self.place / "run"

    def command(self, kill: float | None, *arguments: object) -> tuple[int, str]:
        """Do a command, killed at some call or not; its exit code and what it said."""
        self.world.steps += 1
        verb = str(arguments[0])

        def work() -> int:
            return self.world.tenfold(*arguments)

        if kill is not None:
            call = 1 + int(kill * (self.world.calls[verb] - 1))
            work = self.world.struck(work, self.place, call, KILL)
        said = self.world.folder / "said"
        code = forked(work, said)
        words = said.read_text(errors="replace")
        if code == -signal.SIGKILL and kill is not None:
            return code, words
        # What `check` finds is its output, and no error of its own.
        found = verb == "check" and code == 1 and "tenfold: " not in words
        assert wrong_words(0 if found else code, words) == [], arguments
        return code, words

    def look(self) -> None:
        """What must hold whatever happened."""
        try:
            database = Database.read(self.run_directory)
            try:
                now = [(opening.id, opening.model_sha) for opening in openings(database)]
            finally:
                database.close()
        except TenfoldError:
            # A run of which nothing was acknowledged is none yet.
            assert self.damaged or not self.finished
            return
        assert now[: len(self.opened)] == self.opened, "an opening of the lockbox is lost"
        assert len(now) <= 1 + self.asked, "the lockbox was opened more often than asked for"
        self.opened = now

    def written(self) -> None:
        """The files may be others from here on."""
        self.lasting |= bool(self.whole)
        self.whole.clear()

    def mended(self) -> None:
        """Nothing is damaged any more."""
        self.damaged.clear()
        self.lasting = False

    def ended(self) -> None:
        """What must hold after a search that has ended without an error."""
        found = fingerprint(self.run_directory)
        assert {name: found.get(name) for name in self.world.golden} == self.world.golden
        assert check(self.run_directory) == []
        self.finished = True
        self.mended()

    @precondition(lambda self: not self.begun)
    @rule(kill=kills)
    def fit(self, kill: float | None) -> None:
        self.begun = True
        code, words = self.command(kill, *self.world.fit(self.run_directory))
        assert kill is not None or code == 0, words
        if code == 0:
            self.ended()
        self.look()

    @precondition(lambda self: self.begun)
    @rule(kill=kills)
    def resume(self, kill: float | None) -> None:
        self.written()
        code, words = self.command(kill, "resume", self.run_directory)
        if code == 0:
            self.ended()
        elif code != -signal.SIGKILL and not self.damaged:
            assert begun_nothing(words), words
            assert not self.finished
            shutil.rmtree(self.run_directory, ignore_errors=True)
            self.begun = False
            return
        self.look()

    @precondition(lambda self: self.begun)
    @rule(kill=kills)
    def predict(self, kill: float | None) -> None:
        path = self.place / "p.csv"
        path.unlink(missing_ok=True)
        code, words = self.command(kill, "predict", self.run_directory, self.world.data, "-o", path)
        if path.exists() or code == 0:
            assert path.read_bytes() == self.world.predictions
        if self.finished and not self.damaged and kill is None:
            assert code == 0, words
        self.look()

    @precondition(lambda self: self.begun)
    @rule(kill=kills)
    def test(self, kill: float | None) -> None:
        self.written()
        self.asked += 1
        code, words = self.command(kill, "test", self.run_directory)
        if self.finished and not self.damaged and kill is None:
            assert code == 0, words
        self.look()

    @precondition(lambda self: self.begun)
    @rule()
    def check(self) -> None:
        code, words = self.command(None, "check", self.run_directory)
        if self.finished and not self.damaged:
            assert code == 0, words
        self.look()

    @precondition(lambda self: self.begun and self.run_directory.exists())
    @rule(number=st.integers(0, 99), how=st.sampled_from(["flip", "cut", "delete"]), where=st.floats(0, 1))
    def damage(self, number: int, how: str, where: float) -> None:
        paths = sorted(path for path in self.run_directory.rglob("*") if path.is_file() and path.stat().st_size)
        if not paths:
            return
        path = paths[number % len(paths)]
        data = path.read_bytes()
        place = int(where * (len(data) - 1))
        self.whole.setdefault(path, data)
        self.damaged.append(f"{path.name}: {how}")
        if how == "delete":
            path.unlink()
        else:
            rest = b"" if how == "cut" else bytes([data[place] ^ 1 << number % 8]) + data[place + 1 :]
            path.write_bytes(data[:place] + rest)

    @precondition(lambda self: self.whole)
    @rule()
    def put_back(self) -> None:
        """The files as they were, where no command can have written since."""
        for path, data in self.whole.items():
            path.write_bytes(data)
        self.whole.clear()
        if not self.lasting:
            self.mended()

    @precondition(lambda self: self.begun and self.run_directory.exists())
    @rule()
    def move(self) -> None:
        self.moves += 1
        old, self.place = self.place, self.place.with_name(f"{self.place.name.split('-')[0]}-{self.moves}")
        old.rename(self.place)
        self.whole = {self.place / path.relative_to(old): data for path, data in self.whole.items()}

    @precondition(lambda self: self.damaged and not self.whole)
    @rule()
    def begin_again(self) -> None:
        """What the messages advise where too much is damaged."""
        shutil.rmtree(self.run_directory, ignore_errors=True)
        self.begun = self.finished = False
        self.mended()
        self.opened, self.asked = [], 0

    def teardown(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


def try_sequences(folder: Path, options: argparse.Namespace) -> int:
    """Make the world, and run the sequences in it; the exit code."""
    global WORLD
    # What commands say in this process is of no interest; those of the sequences are children.
    streams = os.dup(1), os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        WORLD = World(folder)
    finally:
        sys.stdout.flush()
        os.dup2(streams[0], 1)
        os.dup2(streams[1], 2)
    phases = [Phase.generate, Phase.shrink] if options.shrink else [Phase.generate]
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]
        RunDirectory,
        settings=settings(
            max_examples=options.runs, stateful_step_count=options.steps, derandomize=not options.random, deadline=None,
            database=None, phases=phases, suppress_health_check=list(HealthCheck), print_blob=True,
        ),
    )  # fmt: skip
    print(f"{WORLD.sequences} sequences, {WORLD.steps} commands, no failure")
    return 0


def main() -> int:
    """Run the sequences that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--random", action="store_true", help="other sequences each time")
    parser.add_argument("--shrink", action="store_true", help="look for a shorter sequence after a failure, for long")
    options = parser.parse_args()
    return behind_shim("random sequences", lambda folder: try_sequences(folder, options))


if __name__ == "__main__":
    sys.exit(main())
