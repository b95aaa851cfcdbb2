"""Time of a whole cross-validated grid: Tenfold against scikit-learn, a serial torch loop, and skorch."""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bench.cases import CASES, Case, case_named
from bench.contestants import Measured, Task, Unsupported, measure
from bench.machine import cores, describe, facts

SHARES = {"sklearn": 1.0, "torch": 0.25, "skorch": 0.25, "tenfold_a": 1.0}  # of the recipes that a peer trains
PEERS = tuple(SHARES)
RESULTS = Path(__file__).parent / "results"
HEAD = (
    "case", "contestant", "recipes trained", "wall s (scaled to all)", "ratio to Tenfold", "mean accuracy",
    "Tenfold's on the same", "best accuracy", "Tenfold's on the same", "peak MB (process + largest child)", "note",
)  # fmt: skip


@dataclass
class Duel:
    """Tenfold and one peer in turn, on one case. The peer trains `picks` of the recipes, Tenfold all."""

    case: Case
    peer: str
    picks: tuple[int, ...]
    tenfold: list[Measured] = field(default_factory=list)
    other: list[Measured] = field(default_factory=list)

    @property
    def scale(self) -> float:
        """All recipes over those that the peer trained."""
        return len(self.case.settings) / len(self.picks)

    def ratios(self) -> list[float]:
        """Of each pair of neighbouring measurements: the peer's scaled time over Tenfold's; for `tenfold_a` Tenfold's
        time of this case over its time of case a."""
        pairs = zip(self.tenfold, self.other, strict=True)
        if self.peer == "tenfold_a":
            return [mine.seconds / theirs.seconds for mine, theirs in pairs]
        return [theirs.seconds * self.scale / mine.seconds for mine, theirs in pairs]

    def row(self) -> dict[str, Any]:
        """Everything that was measured, ready for JSON."""
        numbers = {
            "seconds_tenfold": [m.seconds for m in self.tenfold],
            "seconds_peer": [m.seconds * self.scale for m in self.other],
            "ratio": self.ratios(),
        }
        scores = {
            "mean_accuracy": [_mean(m.scores) for m in self.other],
            "mean_accuracy_tenfold": [_mean(m.scores[list(self.picks)]) for m in self.tenfold],
            "best_accuracy": [_best(m.scores) for m in self.other],
            "best_accuracy_tenfold": [_best(m.scores[list(self.picks)]) for m in self.tenfold],
        }
        return {
            "case": self.case.name,
            "peer": self.peer,
            "recipes": len(self.case.settings),
            "recipes_peer": len(self.picks),
            "diverged_tenfold": [int(np.isnan(m.scores).sum()) for m in self.tenfold],
            "diverged_peer": [int(np.isnan(m.scores).sum()) for m in self.other],
            **numbers,
            **scores,
            "memory_tenfold": [m.memory for m in self.tenfold],
            "memory_peer": [m.memory for m in self.other],
            "note": self.other[-1].note,
        }


def _mean(scores: Any) -> float:
    """Over recipes and folds, without the trials that diverged."""
    return float(np.nanmean(scores))


def _best(scores: Any) -> float:
    """Best mean over the folds; a recipe with a diverged trial is none."""
    return float(np.nanmax(scores.mean(1)))


def in_own_process(task: Task) -> Measured:
    """Measure in a fresh process, so that memory and threads are the contestant's own."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, task).result()


def run_duel(duel: Duel, repeat: int, jobs: int, device: str) -> None:
    """Tenfold, peer, Tenfold, peer...; each pair with a seed of its own. Raises `Unsupported`."""
    for seed in range(repeat):
        mine = Task("tenfold", duel.case, seed, jobs, device)
        other = Task(duel.peer, duel.case.only(duel.picks), seed, jobs, device)
        if duel.peer == "tenfold_a":
            other = Task("tenfold", case_named("a", len(duel.case.settings) * 5), seed, jobs, device)
        duel.tenfold.append(in_own_process(mine))
        duel.other.append(in_own_process(other))


def spread(values: list[float], digits: int) -> str:
    """Median [least, most]."""
    low, middle, high = min(values), float(np.median(values)), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _memory(found: list[dict[str, float]]) -> str:
    most = {name: max(one[name] for one in found) for name in found[0]}
    device = f", device {most['device_mb']:.0f}" if "device_mb" in most else ""
    return f"{most['process_mb']:.0f} + {most['largest_child_mb']:.0f}{device}"


def table_lines(row: dict[str, Any]) -> list[list[str]]:
    """The two lines of a duel in the table."""
    mine = [
        row["case"], "tenfold", f"{row['recipes']} of {row['recipes']}", spread(row["seconds_tenfold"], 2), "1",
        "", "", "", "", _memory(row["memory_tenfold"]), "",
    ]  # fmt: skip
    same_grid = row["peer"] != "tenfold_a"
    scores = [spread(row[name], 4) if same_grid else "" for name in _score_columns()]
    peer = [
        row["case"], row["peer"], f"{row['recipes_peer']} of {row['recipes']}", spread(row["seconds_peer"], 2),
        spread(row["ratio"], 2), *scores, _memory(row["memory_peer"]),
        row["note"] if same_grid else "ratio: this case over case a, both by Tenfold",
    ]  # fmt: skip
    return [mine, peer]


def _score_columns() -> tuple[str, ...]:
    return "mean_accuracy", "mean_accuracy_tenfold", "best_accuracy", "best_accuracy_tenfold"


def markdown(lines: list[list[str]], head: tuple[str, ...] = HEAD) -> str:
    """A table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def write(report: dict[str, Any], out: Path) -> None:
    """The report as JSON, and its table beside it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    lines = [line for row in report["duels"] for line in table_lines(row)]
    out.with_suffix(".md").write_text(
        f"Command: `{report['command']}`\n\n{describe(report['machine'])}; device {report['device']}\n\n"
        f"{markdown(lines)}\nEach value is the median [least, most] of {report['repeat']} pairs.\n"
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the duels that were asked for; each is printed and written as soon as it is done."""
    asked = parser().parse_args(arguments)
    os.environ["PYTHONWARNINGS"] = "ignore"  # MLPClassifier warns of every fit that ends at max_iter
    report: dict[str, Any] = {
        "command": command(asked), "machine": facts(), "device": asked.device, "repeat": asked.repeat, "duels": [],
    }  # fmt: skip
    print(describe(report["machine"]), f"device {asked.device}", sep="\n", flush=True)
    for name in ("a", "b", "c") if asked.case == "all" else (asked.case,):
        case = case_named(name, asked.lanes)
        for peer in peers_of(name, asked.peers, asked.device):
            share = SHARES[peer] if asked.share is None or peer == "tenfold_a" else asked.share
            duel = Duel(case, peer, case.picks(share))
            try:
                run_duel(duel, asked.repeat, asked.jobs, asked.device)
            except Unsupported as reason:
                print(f"case {name}: {peer} cannot: {reason}", flush=True)
                continue
            report["duels"].append(duel.row())
            say(report["duels"][-1])
            write(report, asked.out)
    print(f"written: {asked.out.name}, {asked.out.with_suffix('.md').name}")


def peers_of(case: str, wanted: list[str] | None, device: str) -> list[str]:
    """Those asked for, or those that suit: on the CPU all, elsewhere the serial torch loop; and case a beside c."""
    if wanted is not None:
        return wanted
    suited = ["sklearn", "torch", "skorch"] if device == "cpu" else ["torch"]
    return [*(peer for peer in suited if peer != "sklearn"), "tenfold_a"] if case == "c" else suited


def command(asked: argparse.Namespace) -> str:
    """The command that measures the same again."""
    words = [f"--case {asked.case}", f"--repeat {asked.repeat}", f"--device {asked.device}", f"--jobs {asked.jobs}"]
    words += [f"--peers {' '.join(asked.peers)}"] if asked.peers else []
    words += [f"--share {asked.share}"] if asked.share else []
    words += [f"--lanes {asked.lanes}"] if asked.lanes else []
    return "python -m bench.speed " + " ".join(words)


def say(row: dict[str, Any]) -> None:
    """One duel on the screen."""
    mine, peer = table_lines(row)
    print(f"case {mine[0]}: tenfold {mine[3]} s, {peer[1]} {peer[3]} s ({peer[2]} recipes), ratio {peer[4]}")
    if row["peer"] != "tenfold_a":
        print(f"  accuracy on the same recipes, {peer[1]} / tenfold: mean {peer[5]} / {peer[6]}")
        print(f"                                best mean over the folds {peer[7]} / {peer[8]}")
    print(f"  peak MB (process + largest child): tenfold {mine[9]}, {peer[1]} {peer[9]}; {peer[10]}", flush=True)


def _positive_share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share: above 0, at most 1")
    return value


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    found.add_argument("--case", choices=[*CASES, "all"], default="all", help="all: a, b and c")
    found.add_argument("--peers", nargs="+", choices=PEERS, help="default: all that can, on cuda the torch loop")
    found.add_argument("--repeat", type=int, default=3, help="pairs of measurements (default 3)")
    found.add_argument("--share", type=_positive_share, help=f"of the recipes that peers train; default {SHARES}")
    found.add_argument("--lanes", type=int, help="as many recipes as give this many trials")
    found.add_argument("--device", default="cpu", help="of Tenfold and the torch loop: cpu (default) or cuda")
    found.add_argument("--jobs", type=int, default=cores(), help="processes of GridSearchCV (default: the cores)")
    found.add_argument("--out", type=Path, default=RESULTS / "speed.json", help="a markdown table goes beside it")
    return found


if __name__ == "__main__":
    main()
