"""Time of a whole cross-validated grid: Tenfold beside its packs, scikit-learn, a serial torch loop, skorch and JAX."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Generator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bench.cases import CASES, Case, case_named
from bench.contestants import CONTESTANTS, Measured, Task, Unsupported, measure
from bench.machine import cores, describe, facts

CASE_A = "tenfold_a"  # Tenfold on case a, beside another case
PEERS = (*(name for name in CONTESTANTS if name != "tenfold"), CASE_A)
SKLEARN, JAX = ("sklearn_float32", "sklearn_float64"), ("jax_lanes", "jax_vmap")
RESULTS = Path(__file__).parent / "results"
HEAD = (
    "case", "contestant", "recipes trained", "wall s (scaled to all)", "of it compiling", "ratio to Tenfold",
    "ratio without compiling", "mean accuracy", "difference to Tenfold's on the same", "best accuracy",
    "Tenfold's on the same", "peak MB (process + largest child)", "note",
)  # fmt: skip
AIMS_HEAD = ("case", "time of", "over time of", "aim", "found", "met")


@dataclass
class Match:
    """One case: Tenfold and its peers in turn, each round with a seed of its own. A peer trains `picks` of the recipes,
    Tenfold all."""

    case: Case
    picks: dict[str, tuple[int, ...]]
    measured: dict[str, list[Measured]] = field(default_factory=dict[str, list[Measured]])

    @property
    def rounds(self) -> int:
        """Those that every contestant has finished."""
        return min((len(found) for found in self.measured.values()), default=0)

    def seconds(self, name: str, *, compiling: bool = True) -> list[float]:
        """Of every round, scaled to all recipes; what was compiled is compiled once, however many recipes there are."""
        scale = 1.0 if name in ("tenfold", CASE_A) else len(self.case.settings) / len(self.picks[name])
        return [
            (one.seconds - one.compiling) * scale + one.compiling * compiling
            for one in self.measured[name][: self.rounds]
        ]

    def ratios(self, name: str, *, compiling: bool = True) -> list[float]:
        """Time of a peer over Tenfold's of the same round; for `CASE_A` Tenfold's of this case over that of case a."""
        pairs = zip(self.seconds(name, compiling=compiling), self.seconds("tenfold"), strict=True)
        return [mine / theirs if name == CASE_A else theirs / mine for theirs, mine in pairs]

    def of_same(self, name: str) -> list[Any]:
        """Tenfold's scores of every round, of the recipes that the peer trained."""
        found = self.measured["tenfold"][: self.rounds]
        return [one.scores if self.case.inner else one.scores[list(self.picks[name])] for one in found]

    def difference(self, name: str) -> tuple[float, float]:
        """Mean accuracy of a peer less Tenfold's on the same recipes, and its standard error over rounds and folds."""
        own = [one.scores for one in self.measured[name][: self.rounds]]
        units = np.concatenate([np.nanmean(peer - ours, 0) for peer, ours in zip(own, self.of_same(name), strict=True)])
        return float(np.nanmean(units)), float(np.nanstd(units, ddof=1) / np.sqrt(np.isfinite(units).sum()))

    def row(self, name: str) -> dict[str, Any]:
        """Everything that was measured of one contestant, ready for JSON."""
        found = self.measured[name][: self.rounds]
        row: dict[str, Any] = {
            "case": self.case.name,
            "contestant": name,
            "recipes": len(self.case.settings),
            "recipes_trained": len(self.case.settings) if name in ("tenfold", CASE_A) else len(self.picks[name]),
            "seconds": self.seconds(name),
            "compiling": [one.compiling for one in found],
            "memory": [one.memory for one in found],
            "note": found[-1].note,
        }
        if name != "tenfold":
            row["ratio"] = self.ratios(name)
            row["ratio_without_compiling"] = self.ratios(name, compiling=False)
        if name != CASE_A:
            row["diverged"] = [int(np.isnan(one.scores).sum()) for one in found]
            row["mean_accuracy"] = [_mean(one.scores) for one in found]
            row["best_accuracy"] = [_best(one.scores) for one in found]
        if name not in ("tenfold", CASE_A):
            row["difference"], row["difference_error"] = self.difference(name)
            row["best_accuracy_tenfold"] = [_best(scores) for scores in self.of_same(name)]
        return row


@dataclass(frozen=True)
class Aim:
    """How many times Tenfold's time the fastest of these peers should take, at least; of `CASE_A`, at most. compiling:
    whether their compilation counts."""

    case: str
    peers: tuple[str, ...]
    times: float
    compiling: bool = True

    def row(self, match: Match) -> dict[str, Any] | None:
        """What was found, the median over the rounds; None where one of the peers was not measured."""
        if self.case != match.case.name or not set(self.peers) <= match.measured.keys():
            return None
        each = [match.ratios(peer, compiling=self.compiling) for peer in self.peers]
        ratios = [min(those) for those in zip(*each, strict=True)]
        found, most = float(np.median(ratios)), self.peers == (CASE_A,)
        return {
            "case": self.case,
            "peers": self.peers,
            "compiling": self.compiling,
            "aim": self.times,
            "at": "most" if most else "least",
            "ratio": ratios,
            "met": found <= self.times if most else found >= self.times,
        }


AIMS = (
    Aim("a", SKLEARN, 25.0), Aim("b", SKLEARN, 5.0), Aim("c", (CASE_A,), 1.25), Aim("one", ("packs",), 6.0),
    Aim("nested", SKLEARN, 4.0), *(Aim(case, JAX, 1.0) for case in ("a", "b", "c", "one", "nested")),
    Aim("b", JAX, 1.0, compiling=False),
)  # fmt: skip


def _mean(scores: Any) -> float:
    """Over recipes and folds, without the trials that diverged."""
    return float(np.nanmean(scores))


def _best(scores: Any) -> float:
    """Best mean over the folds; a recipe with a diverged trial is none."""
    return float(np.nanmax(scores.mean(1)))


@contextmanager
def environment(changes: Mapping[str, str | None]) -> Generator[None]:
    """Variables that a process started inside inherits; None: not set."""
    before = dict(os.environ)
    try:
        for name, value in changes.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def in_own_process(task: Task) -> Measured:
    """Measure in a fresh process, so that memory, threads and environment are the contestant's own."""
    with (
        environment(CONTESTANTS[task.contestant].environment),
        ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(measure, task).result()


def run_round(match: Match, seed: int, jobs: int, device: str) -> None:
    """All contestants one after another, in an order that turns with the seed. Who cannot do the case leaves it."""
    names = ["tenfold", *match.picks]
    for name in names[seed % len(names) :] + names[: seed % len(names)]:
        case = match.case.only(match.picks[name]) if name in CONTESTANTS and name != "tenfold" else match.case
        task = Task(name, case, seed, jobs, device)
        if name == CASE_A:
            task = Task("tenfold", case_named("a", len(case.settings) * 5), seed, jobs, device)
        try:
            found = in_own_process(task)
        except Unsupported as reason:
            print(f"case {case.name}: {name} cannot: {reason}", flush=True)
            del match.picks[name]
            continue
        match.measured.setdefault(name, []).append(found)
        print(f"case {case.name}, round {seed + 1}: {name} {found.seconds:.2f} s {found.note}", flush=True)


def spread(values: list[float], digits: int) -> str:
    """Median [least, most]."""
    low, middle, high = min(values), float(np.median(values)), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _memory(found: list[dict[str, float]]) -> str:
    most = {name: max(one[name] for one in found) for name in found[0]}
    device = f", device {most['device_mb']:.0f}" if "device_mb" in most else ""
    return f"{most['process_mb']:.0f} + {most['largest_child_mb']:.0f}{device}"


def table_line(row: dict[str, Any]) -> list[str]:
    """A contestant's line in the table."""
    compiles = any(row["compiling"])
    error = f"{row['difference']:+.4f} ± {row['difference_error']:.4f}" if "difference" in row else ""
    return [
        row["case"], row["contestant"], f"{row['recipes_trained']} of {row['recipes']}", spread(row["seconds"], 2),
        spread(row["compiling"], 2) if compiles else "", spread(row["ratio"], 2) if "ratio" in row else "1",
        spread(row["ratio_without_compiling"], 2) if compiles else "",
        *(spread(row[name], 4) if name in row else "" for name in ("mean_accuracy",)), error,
        *(spread(row[name], 4) if name in row else "" for name in ("best_accuracy", "best_accuracy_tenfold")),
        _memory(row["memory"]),
        "ratio: this case over case a, both by Tenfold" if row["contestant"] == CASE_A else row["note"],
    ]  # fmt: skip


def aim_line(row: dict[str, Any]) -> list[str]:
    """An aim's line in its table."""
    peers = " or ".join(row["peers"]) + ("" if len(row["peers"]) == 1 else ", the faster")
    peers += "" if row["compiling"] else ", without compiling"
    times = (f"tenfold, case {row['case']}", "tenfold, case a") if row["at"] == "most" else (peers, "tenfold")
    return [
        row["case"], *times, f"at {row['at']} {row['aim']:g}", spread(row["ratio"], 2), "yes" if row["met"] else "no",
    ]  # fmt: skip


def markdown(lines: list[list[str]], head: tuple[str, ...] = HEAD) -> str:
    """A table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def write(report: dict[str, Any], out: Path) -> None:
    """The report as JSON, and its tables beside it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    out.with_suffix(".md").write_text(
        f"Command: `{report['command']}`\n\n{describe(report['machine'])}; device {report['device']}\n\n"
        f"{markdown([table_line(row) for row in report['measured']])}\n"
        f"{markdown([aim_line(row) for row in report['aims']], AIMS_HEAD)}\n"
        f"Each value is the median [least, most] of at most {report['repeat']} rounds.\n"
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the matches that were asked for; each is written after every round and printed when it is done."""
    asked = parser().parse_args(arguments)
    os.environ["PYTHONWARNINGS"] = "ignore"  # MLPClassifier warns of every fit that ends at max_iter
    report: dict[str, Any] = {"command": command(asked), "machine": facts(), "device": asked.device}
    report |= {"repeat": asked.repeat, "measured": [], "aims": []}
    print(describe(report["machine"]), f"device {asked.device}", sep="\n", flush=True)
    for name in ("a", "b", "c", "one", "nested") if asked.case == "all" else (asked.case,):
        before = {kind: list(report[kind]) for kind in ("measured", "aims")}
        case = case_named(name, asked.lanes)
        match = Match(
            case, {peer: picks(case, peer, asked.share) for peer in peers_of(name, asked.peers, asked.device)}
        )
        for seed in range(asked.repeat):
            run_round(match, seed, asked.jobs, asked.device)
            report["measured"] = before["measured"] + [match.row(peer) for peer in match.measured]
            found = (aim.row(match) for aim in AIMS)
            report["aims"] = before["aims"] + [row for row in found if row is not None]
            write(report, asked.out)
        say(report, name)
    print(f"written: {asked.out.name}, {asked.out.with_suffix('.md').name}")


def picks(case: Case, peer: str, share: float | None) -> tuple[int, ...]:
    """The recipes of a case that a peer trains."""
    if peer == CASE_A:
        return ()
    return case.picks(CONTESTANTS[peer].share if share is None else share)


def peers_of(case: str, wanted: list[str] | None, device: str) -> list[str]:
    """Those asked for, or those that suit: on the CPU all, elsewhere the serial torch loop; and case a beside c."""
    if wanted is not None:
        return wanted
    if device != "cpu":
        return ["torch", *[CASE_A] * (case == "c")]
    cannot = {"c": SKLEARN, "nested": ("torch", "skorch")}.get(case, ())
    return [peer for peer in PEERS if peer not in cannot and (peer != CASE_A or case == "c")]


def command(asked: argparse.Namespace) -> str:
    """The command that measures the same again."""
    words = [f"--case {asked.case}", f"--repeat {asked.repeat}", f"--device {asked.device}", f"--jobs {asked.jobs}"]
    words += [f"--peers {' '.join(asked.peers)}"] if asked.peers else []
    words += [f"--share {asked.share}"] if asked.share else []
    words += [f"--lanes {asked.lanes}"] if asked.lanes else []
    return "python -m bench.speed " + " ".join(words)


def say(report: dict[str, Any], case: str) -> None:
    """One case on the screen."""
    for row in report["measured"]:
        if row["case"] == case:
            named = zip(HEAD[1:], table_line(row)[1:], strict=True)
            print("  ".join(f"{word} {said};" for word, said in named if said))
    for row in report["aims"]:
        if row["case"] == case:
            _, mine, theirs, aim, found, met = aim_line(row)
            print(f"aim: {mine} over {theirs} {aim}: {found}, {'met' if met == 'yes' else 'not met'}")
    print(flush=True)


def _positive_share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share: above 0, at most 1")
    return value


def parser() -> argparse.ArgumentParser:
    """The options."""
    shares = {name: contestant.share for name, contestant in CONTESTANTS.items() if contestant.share < 1}
    found = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    found.add_argument("--case", choices=[*CASES, "all"], default="all", help="all: a, b, c, one and nested")
    found.add_argument("--peers", nargs="+", choices=PEERS, help="default: all that can, on cuda the torch loop")
    found.add_argument("--repeat", type=int, default=3, help="rounds of measurements (default 3)")
    found.add_argument(
        "--share", type=_positive_share, help=f"of the recipes that peers train; default 1, but {shares}"
    )
    found.add_argument("--lanes", type=int, help="as many recipes as give this many trials")
    found.add_argument("--device", default="cpu", help="of Tenfold and the torch loop: cpu (default) or cuda")
    found.add_argument(
        "--jobs", type=int, default=cores(), help="processes of those that use some (default: the cores)"
    )
    found.add_argument("--out", type=Path, default=RESULTS / "speed.json", help="a markdown table goes beside it")
    return found


if __name__ == "__main__":
    main()
