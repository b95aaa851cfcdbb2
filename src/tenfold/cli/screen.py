"""What `fit` prints while it works: the card and the plan, one live line of progress, the verdict."""

from __future__ import annotations

import sys
import time
from typing import Any

from tenfold.checks.baselines import Baseline
from tenfold.cli.options import say
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.plan.network import plan_network
from tenfold.formatting import in_time_words, number, visible
from tenfold.problem.from_file import Prepared
from tenfold.run.plan import RunPlan, by_engine
from tenfold.search.racing import Rung

RACES = {
    "halving": "of which halving drops two thirds at each rung",
    "hyperband": "in brackets of halving",
    "racing": "dropped when behind on the folds so far",
}
PLAIN_STEP = 0.1  # share of the training between two lines, when the output is no terminal


class Screen:
    """A listener that writes to standard output, with one line rewritten in place on a terminal.

    quiet: write nothing (for --json).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._live: Any = None
        self._baselines: list[str] = []
        self._metric = ""
        self._next = PLAIN_STEP
        self._begun: tuple[float, float] | None = None  # (time, share) when this session's training began

    def say(self, *lines: str) -> None:
        """Plain lines."""
        if not self.quiet:
            say(*lines)

    def planned(self, prepared: Prepared, plan: RunPlan) -> None:
        """The data card and the plan."""
        self._metric = plan.metric.words
        self.say(*prepared.card.lines(), "", *plan_lines(prepared, plan), "")

    def resumed(self, where: str, prepared: Prepared, plan: RunPlan) -> None:
        """The first line after `resume`."""
        self._metric = plan.metric.words
        trials = plan.trials * len(prepared.problem.folds)
        recipes = f"{plan.trials} recipe{'s' * (plan.trials > 1)}"
        self.say(f"resuming {where}: {recipes} x {prepared.division} = {trials} trials", "")

    def baseline(self, result: Baseline) -> None:
        """Remember a baseline for the progress line; print all three when they are known."""
        cut = f" ({result.cut})" if result.cut else ""
        mean = f" {number(result.mean)}" if result.scores else ""
        self._baselines.append(f"{result.name}{mean}{cut}")
        if len(self._baselines) == 3:
            self.say(f"baselines on the same folds: {self._metric} " + ", ".join(self._baselines))

    def progress(self, share: float, best: float | None) -> None:
        """One live line, or a plain line for every tenth of the training."""
        if self.quiet:
            return
        self._begun = self._begun or (time.monotonic(), share)
        score = "-" if best is None else number(best)
        if not sys.stdout.isatty():
            if share >= self._next:
                self.say(f"{100 * share:3.0f} % trained, best {self._metric} so far {score}")
                self._next = PLAIN_STEP * (int(share / PLAIN_STEP + 1e-9) + 1)
            return
        line = f"{100 * share:3.0f} %  best {self._metric} {score}  |  {'  '.join(self._baselines)}{self._left(share)}"
        if self._live is None:
            from rich.live import Live

            self._live = Live(refresh_per_second=8, transient=False)
            self._live.start()
        self._live.update(visible(line))
        if share >= 1:
            self.close()

    def _left(self, share: float) -> str:
        begun, before = self._begun or (0.0, 0.0)
        spent = time.monotonic() - begun
        if share <= before or share >= 1 or spent < 1:
            return ""
        return f"  |  {spent * (1 - share) / (share - before):.0f} s left"

    def decided(self, rung: Rung) -> None:
        """A plain line for every decision of the race, when the output is no terminal."""
        if not sys.stdout.isatty():
            self.say(f"epoch {rung.epoch}, {rung.folds} folds: {len(rung.kept)} of {len(rung.entered)} recipes go on")

    def step(self, what: str) -> None:
        """Announce the next step."""
        self.close()
        self.say(f"{what} ...")

    def close(self) -> None:
        """End the live line."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def plan_lines(prepared: Prepared, plan: RunPlan) -> list[str]:
    """The plan in words."""
    _, development, test, dropped = prepared.rows
    sealed = f", {test} sealed for the test" if test else ", no test rows sealed"
    gone = f"; {dropped} rows without a target left out" if dropped else ""
    problem = prepared.problem
    structures = {
        (tuple(s.op for s in plan_network(r.network, problem.size.of(r))), r.batch_size) for r in plan.recipes
    }
    shapes = f"{len(structures)} shape{'s' * (len(structures) > 1)}"
    recipes = "1 recipe" if plan.trials == 1 else f"{plan.trials} recipes of {shapes}"
    race = "" if plan.search.strategy.name == "exhaustive" else f", {RACES[plan.search.strategy.name]}"
    limit = prepared.settings.time_limit
    whole = f", {in_time_words(plan.whole)} with baselines, final model and report," if limit is None else ""
    within = "" if limit is None else f"; all within the limit of {in_time_words(limit)}"
    others = ", ".join(metric.words for metric in prepared.problem.also)
    also = f"; {others} reported besides" if others else ""
    nested = f", and again inside every fold ({plan.folds} x {plan.folds})" if prepared.settings.nested else ""
    return [
        f"task     {plan.why_task}",
        f"metric   {plan.metric.words} ({plan.why_metric}){also}",
        f"{'rows  ' if problem.inputs.image is None else 'images'}   {development} for development{sealed}{gone}",
        f"plan     {recipes} x {prepared.division} = {plan.trials * len(problem.folds)} trials{race}{nested}, "
        f"about {in_time_words(plan.seconds)} of training {_trained_by(prepared, plan)}{whole} and "
        f"{plan.memory / 1e6:.0f} MB{within}",
        *(f"note     {note}" for note in (*plan.notes, *_faster(plan))),
        *(f"warning  {warning}" for warning in prepared.warnings if warning not in prepared.card.warnings),
    ]


def _faster(plan: RunPlan) -> list[str]:
    """What would make training faster, where there are no compiled lanes."""
    lanes = compiled_lanes()
    if plan.engine == "compiled" or not lanes.missing:
        return []
    return [f"no compiled lanes, as {lanes.missing}; {lanes.remedy}"]


def _trained_by(prepared: Prepared, plan: RunPlan) -> str:
    """Which engine trains, in words."""
    compiled, stacked = by_engine(plan.recipes, prepared, plan.engine)
    if not compiled:
        return "in packs"
    return "by compiled lanes" + (f" ({len(stacked)} of the recipes in packs)" if stacked else "")


def plan_dict(prepared: Prepared, plan: RunPlan) -> dict[str, Any]:
    """The card and the plan as JSON, for `--dry-run --json`."""
    return {
        "card": prepared.card.to_dict(),
        "reading": prepared.reading,
        "task": prepared.problem.task,
        "metric": plan.metric.name,
        "rows": {"development": prepared.rows[1], "test": prepared.rows[2], "without_target": prepared.rows[3]},
        "folds": plan.folds,
        "division": prepared.division,
        "strategy": plan.search.strategy.name,
        "recipes": plan.trials,
        "trials": plan.trials * len(prepared.problem.folds),
        "engine": plan.engine,
        "estimate": {
            "training_seconds": round(plan.seconds, 1),
            "seconds": round(plan.whole, 1),
            "memory_bytes": plan.memory,
        },
        "notes": list(plan.notes),
        "warnings": list(prepared.warnings),
    }
