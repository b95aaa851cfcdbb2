"""Every point at which a command can die or be refused by the disk: what is there afterwards, and does it go on?

    python tests/faults/crash_points.py [--every N] [--verbs fit,test] [--workers N]

`make crash-points` tries all of them. A parent that has everything loaded forks a child for each point. In it a small
library (`shim.c`, compiled here) stands in front of the C library: before call number N that changes a file of the run,
the child is killed, or it is killed with half of the call's bytes written, or the call fails with one of four errors,
in turn. Calls are opening for writing, write, fsync, rename, unlink, mkdir, truncation and close; commits of SQLite
consist of them.
Then another child looks at what is left:

- the run opens, `check` finds nothing, nothing half written stands under its final name;
- the command again, or `resume`, ends with the bits of a run that was never stopped;
- the lockbox was opened once;
- after an error: exit code 1 (or 2), a few lines, no traceback, no temporary file.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tiny_runs import HALF, KILL, TinyRuns, begun_nothing, behind_shim, fingerprint, forked, wrong_words

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)
KINDS = {"o": "open", "w": "write", "s": "fsync", "r": "rename", "u": "unlink", "m": "mkdir", "t": "truncate",
         "c": "close"}  # fmt: skip


TO_FILE = ("predict-csv", "predict-parquet", "export")  # what writes a file outside of the run


@dataclass(frozen=True)
class Point:
    """One call at which something happens: action is KILL, HALF or an errno."""

    verb: str
    call: int
    kind: str
    action: int

    def __str__(self) -> str:
        what = {KILL: "killed", HALF: "killed at half"}.get(self.action) or errno.errorcode[self.action]
        return f"{self.verb} {what} at call {self.call} ({KINDS[self.kind]})"


class Harness(TinyRuns):
    """The commands, each from what it starts from."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.base = folder / "base"  # what each verb starts from
        self.golden: dict[str, str] = {}
        self.output: dict[str, bytes] = {}

    def prepare(self) -> None:
        """Write the table, load everything, and make the runs that the verbs start from."""
        self.write_data()
        self.base.mkdir()
        said = self.folder / "said"
        assert self.tenfold(*self.fit(self.base / "finished")) == 0
        assert self.tenfold("predict", self.base / "finished", self.data, "-o", self.folder / "p.parquet") == 0
        assert forked(lambda: self.tenfold(*self.fit(self.base / "sealed"), "--no-test"), said) == 0
        self.golden = fingerprint(self.base / "finished")
        (self.folder / "golden").mkdir()
        for verb in TO_FILE:
            path, arguments = self.to_file(verb, self.base / "finished", self.folder / "golden")
            assert self.tenfold(*arguments) == 0
            self.output[verb] = path.read_bytes()
        assert self.save(self.base / "finished", self.base / "model") == 0
        calls = self.count("fit")
        # A run that was killed in the middle of its search.
        half = next(i for i, kind in enumerate(calls, 1) if kind == "r" and calls[:i].count("r") == 3)
        self.act(Point("fit", half, "r", KILL), self.base / "place")
        os.rename(self.base / "place" / "run", self.base / "stopped")
        shutil.rmtree(self.base / "place")

    def command(self, verb: str, place: Path) -> Callable[[], int]:
        """What a verb does in `place`; where it starts from is copied there first."""
        run = place / "run"
        if verb == "fit":
            return lambda: self.tenfold(*self.fit(run))
        start = {"resume": "stopped", "test": "sealed"}.get(verb, "finished")
        shutil.copytree(self.base / start, run)
        if verb == "save":
            return lambda: self.save(run, place / "saved")
        if verb in TO_FILE:
            return lambda: self.tenfold(*self.to_file(verb, run, place)[1])
        return lambda: self.tenfold(verb, run)

    def to_file(self, verb: str, run: Path, place: Path) -> tuple[Path, list[object]]:
        """The file that a verb writes outside of the run, and the arguments of the program."""
        if verb == "export":
            return place / "p.onnx", ["export", run, place / "p.onnx"]
        path = place / f"p.{verb.removeprefix('predict-')}"
        return path, ["predict", run, self.data, "-o", path]

    def count(self, verb: str) -> str:
        """The kinds of all calls of a verb."""
        place, kinds = self.base / "place", self.folder / "kinds"
        place.mkdir()
        work = self.command(verb, place)

        said = self.folder / "said"
        code = forked(self.counted(work, place, kinds), said)
        assert code == 0, (verb, code, said.read_text())
        shutil.rmtree(place)
        return kinds.read_text()

    def act(self, point: Point, place: Path) -> tuple[int, str]:
        """Do what happens at a point; gives the exit code and what was said."""
        place.mkdir()
        work = self.command(point.verb, place)

        # A full disk stays full for what needs room; the other errors come once.
        acted = self.struck(work, place, point.call, point.action, lasting=point.action == errno.ENOSPC)
        said = place.with_name(place.name + ".said")
        code = forked(acted, said)
        return code, said.read_text(errors="replace")

    def try_point(self, point: Point, place: Path) -> list[str]:
        """What is wrong after a point; nothing, if all is well."""
        code, said = self.act(point, place)
        wrong: list[str] = []
        if point.action in (KILL, HALF):
            if code != -signal.SIGKILL and code != 0:
                wrong.append(f"exit code {code} instead of a kill: {said[-300:]}")
        else:
            wrong += wrong_words(code, said)
            temporary = [str(path.relative_to(place)) for path in place.rglob(".tenfold-*")]
            if temporary and point.kind != "u" and point.verb != "resume":  # which begins with what a kill has left
                wrong.append(f"left {temporary}")
        result = place.with_name(place.name + ".wrong")

        def look() -> int:
            result.write_text(json.dumps(self.look(point, place, code)))
            return 0

        seen = place.with_name(place.name + ".seen")
        if forked(look, seen) != 0:
            wrong.append("looking at it failed: " + seen.read_text(errors="replace")[-3000:])
        else:
            wrong += json.loads(result.read_text())
        shutil.rmtree(place, ignore_errors=True)
        for path in (result, seen, place.with_name(place.name + ".said")):
            path.unlink(missing_ok=True)
        return wrong

    def look(self, point: Point, place: Path, code: int) -> list[str]:
        """In a child: what is wrong with what is left, and with the command again."""
        from tenfold.errors import TenfoldError
        from tenfold.store import check, read_bundle

        run, wrong = place / "run", list[str]()
        if point.verb == "save":
            saved = place / "saved"
            if saved.exists() and read_bundle(saved).sha != read_bundle(self.base / "model").sha:
                wrong.append("another model under the final name")
            if code == 0 and not saved.exists():
                wrong.append("nothing was saved")
            return wrong + ([] if self.save(run, saved) == 0 else ["cannot be saved again"])
        if point.verb in TO_FILE:
            path, arguments = self.to_file(point.verb, run, place)
            if (path.exists() or code == 0) and path.read_bytes() != self.output[point.verb]:
                wrong.append("half an output under the final name")
            if fingerprint(run) != self.golden or check(run):
                wrong.append("the run has changed")
            again = self.tenfold(*arguments)
            same = again == 0 and path.read_bytes() == self.output[point.verb]
            return wrong + ([] if same else ["another output the second time"])
        try:
            damages = check(run)
        except TenfoldError as error:
            damages = []
            if point.verb != "fit" or not begun_nothing(str(error)):
                wrong.append(f"is no run any more: {error}")
        wrong += [f"check: {damage}" for damage in damages]
        if point.verb in ("fit", "resume"):
            wrong += self.resumed(point, run, code)
        elif self.tenfold(point.verb, run) != 0:
            wrong.append("the command does not work again")
        if not run.exists():
            return [*wrong, "there is no run"]
        wrong += [f"check afterwards: {damage}" for damage in check(run)]
        found = fingerprint(run)
        wrong += [f"other bits: {name}" for name in self.golden if found.get(name) != self.golden[name]]
        wrong += [f"left {path.name}" for path in run.rglob(".tenfold-*")]
        wrong += self.openings(point, run)
        return wrong

    def resumed(self, point: Point, run: Path, code: int) -> list[str]:
        """Go on with a run; where nothing was acknowledged, start again as the message says."""
        import contextlib
        import io

        if code == 0 and fingerprint(run) != self.golden:
            return ["exit code 0 without all results"]
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            again = self.tenfold("resume", run)
        if again == 0:
            return []
        if point.verb != "fit" or not (begun_nothing(told.getvalue()) or not run.exists()):
            return [f"resume: {told.getvalue()}"]
        shutil.rmtree(run, ignore_errors=True)
        return [] if self.tenfold(*self.fit(run)) == 0 else ["cannot be begun again"]

    def openings(self, point: Point, run: Path) -> list[str]:
        """The lockbox: once by `fit`; by `test` again as often as it was asked for."""
        opened = json.loads((run / "summary.json").read_text())["test"]
        if opened["score"] is None:
            return ["the test rows have no score"]
        allowed = (1, 2) if point.verb == "test" else (1,)
        return [] if opened["opened"] in allowed else [f"opened {opened['opened']} times"]


VERBS = ("fit", "resume", "test", "report", *TO_FILE, "save")


def all_points(verb: str, kinds: str) -> list[Point]:
    """Every call of a verb: killed before it, refused with one of the errors in turn, a write also killed at half."""
    found: list[Point] = []
    for call, kind in enumerate(kinds, 1):
        found += [Point(verb, call, kind, KILL), Point(verb, call, kind, ERRORS[call % len(ERRORS)])]
        found += [Point(verb, call, kind, HALF)] if kind == "w" else []
    return found


def work_on(harness: Harness, points: list[Point], results: Path, until: float) -> None:
    """Try the points, and append a line of JSON for each."""
    with results.open("a") as file:
        for number, point in enumerate(points):
            begun = time.monotonic()
            if begun > until:
                return
            wrong = harness.try_point(point, harness.folder / f"{os.getpid()}-{number}")
            line = [point.verb, point.call, point.kind, point.action, time.monotonic() - begun, wrong]
            file.write(json.dumps(line) + "\n")
            file.flush()


def main() -> int:
    """Try the points, print what failed and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="only every n-th point")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no point after so many")
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="one point, such as fit:17:-1")
    options = parser.parse_args()
    return behind_shim("crash points", lambda folder: try_all(Harness(folder), options))


def try_all(harness: Harness, options: argparse.Namespace) -> int:
    """Try the points that were asked for; the exit code."""
    folder = harness.folder
    terminal = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    harness.prepare()
    points: list[Point] = []
    calls = Counter[str]()
    for verb in options.verbs.split(","):
        kinds = harness.count(verb)
        calls[verb] = len(kinds)
        points += all_points(verb, kinds)
    os.dup2(terminal, 1)
    if options.only:
        verb, call, action = options.only.split(":")
        points = [p for p in points if (p.verb, p.call, p.action) == (verb, int(call), int(action))]
    chosen = points[:: options.every]
    random.Random(0).shuffle(chosen)  # so that those which a limit of time leaves are of all commands
    children, until = list[int](), time.monotonic() + options.seconds
    for worker in range(options.workers):
        child = os.fork()
        if child == 0:
            work_on(harness, chosen[worker :: options.workers], folder / f"results{worker}", until)
            os._exit(0)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    lines = [json.loads(line) for path in folder.glob("results*") for line in path.read_text().splitlines()]
    failed = report(lines, calls)
    if len(lines) < len(chosen):
        print(f"only {len(lines)} of {len(chosen)} points were tried")
    if any(codes) or (len(lines) < len(chosen) and options.seconds == math.inf):
        return 1
    return int(failed > 0)


def report(lines: list[list[object]], calls: Counter[str]) -> int:
    """Print the failures and the table; gives the number of failed points."""
    tried, failed, seconds = Counter[tuple[str, str]](), Counter[str](), 0.0
    for verb, call, kind, action, took, wrong in lines:
        seconds += float(took)  # pyright: ignore[reportArgumentType]
        what = {KILL: "killed", HALF: "killed at half"}.get(action, "refused")  # pyright: ignore
        tried[str(verb), what] += 1
        if wrong:
            failed[str(verb)] += 1
            print(Point(verb, call, kind, action), *wrong, sep="\n    ")  # pyright: ignore
    columns = ("killed", "killed at half", "refused")
    print("\n| command | calls | killed before | killed at half a write | refused by the disk | failures |")
    print("|---|---|---|---|---|---|")
    for verb in calls:
        numbers = [tried[verb, what] for what in columns]
        print(f"| `{verb}` | {calls[verb]} |", " | ".join(map(str, numbers)), f"| {failed[verb]} |")
    total = [sum(tried[verb, what] for verb in calls) for what in columns]
    print(f"| all | {calls.total()} |", " | ".join(map(str, total)), f"| {failed.total()} |")
    print(f"\n{len(lines)} points, {seconds / max(1, len(lines)):.2f} s a point, {failed.total()} failures")
    return failed.total()


if __name__ == "__main__":
    sys.exit(main())
