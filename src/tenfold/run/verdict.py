"""The verdict of a run, in about six lines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from tenfold.formatting import byte_size, listed, number
from tenfold.model.final import short_folds
from tenfold.repair.failures import failure_sentence
from tenfold.run.fit_result import LEVEL, RunResult
from tenfold.search.leaderboard import leaderboard_row
from tenfold.search.trial_outcome import Outcome
from tenfold.statistics.corrected_t_test import least_difference

BORDERS = 2  # the verdict names only so many values at a border; the report has all
SIMPLER = {"linear": "Linear models", "boosting": "Boosted trees"}  # recommended where they beat the networks


def verdict(result: RunResult) -> list[str]:
    """The winner, its score, the baselines, the runner-up, the risk of racing and of the search, and what failed. The
    sealed rows: see `test_lines`."""
    trained = result.trained
    if not result.has_winner:
        first = no_score(result)
        failures = [failure_sentence(finding) for finding in result.findings]
        why = failures or [*_clock_line(result), f"Try {trained.remedy()}."]
        return [f"{first[0].upper()}{first[1:]}.", *why]
    row = leaderboard_row(trained, result.ranking[0])
    lines = [
        *(f"Beware: {warning}." for warning in result.prepared.warnings),
        *_leak_line(result),
        f"Winner: {row['recipe'].describe()}, {row['epochs']} epoch{'s' if row['epochs'] != 1 else ''}.",
        _score_line(result),
        *_also_line(result),
        _baseline_line(result, float(row["mean"])),
    ]
    if len(result.ranking) > 1:
        lines.append(_runner_up_line(result))
    lines += [*_apart_line(result), *_nested_line(result), *_keep_line(result), *_racing_line(result)]
    lines += [f"{border[0].upper()}{border[1:]}." for border in result.borders[:BORDERS]]
    return lines + _late_line(result) + [failure_sentence(finding) for finding in result.findings]


def no_score(result: RunResult) -> str:
    """How the trials of a run without a winner ended."""
    counts = ", ".join(f"{count} {label}" for label, count in result.trained.outcomes().items())
    return f"no recipe has a score: {counts}"


def _clock_line(result: RunResult) -> list[str]:
    """What used the time, for a run that a time limit left without a score."""
    limit = result.prepared.settings.time_limit
    if limit is None or Outcome.TIMEOUT.label not in result.trained.outcomes():
        return []
    baselines, training = sum(b.seconds for b in result.baselines), result.seconds["training"]
    line = f"With a limit of {limit:g} s the baselines took {baselines:.1f} s and the training, its start included, "
    return [f"{line}{training:.1f} s; the refit and the report need time as well."]


def _late_line(result: RunResult) -> list[str]:
    """How many trials the time limit ended, and how many recipes were never started."""
    trained = result.trained
    late, total = trained.outcomes().get(Outcome.TIMEOUT.label), len(trained.recipes) * len(trained.problem.folds)
    if not late:
        return []
    never, recipes = len(trained.recipes) - len(trained.begun), len(trained.recipes)
    line = f"{late} of {total} trials were {Outcome.TIMEOUT.sentence}"
    line += f"; {never} of {recipes} recipes were never started" if never else ""
    return [f"{line}. Try {Outcome.TIMEOUT.remedy}."]


def test_lines(summary: dict[str, Any]) -> list[str]:
    """The sealed rows of a run with that summary.json: their score, or that they are still sealed."""
    test, sealed = summary["test"], summary["rows"]["test"]
    if not sealed:
        return []
    ledger = "; ".join(test["ledger"])
    if test["score"] is None:
        how = f" ({ledger})" if ledger else ""
        opens = "; `tenfold test` opens it and records this" if summary["best"] else ""
        return [f"Sealed test set: {sealed} rows, not opened{how}{opens}."]
    low, high = (np.nan if end is None else end for end in test["interval"])
    return [f"Sealed test set, {test['rows']} rows, {ledger}: {number(test['score'])} [{number(low)}, {number(high)}]."]


def _score_line(result: RunResult) -> str:
    trained = result.trained
    row, spread = leaderboard_row(trained, result.ranking[0]), trained.spread(result.ranking[0])
    low, high = result.interval
    word = trained.problem.metric.words
    repeats = len(trained.problem.folds) // result.plan.folds
    over = f"{result.plan.folds} folds" + (f" x {repeats} seeds" if repeats > 1 else "")
    error = f" +- {number(row['se'])}" if np.isfinite(row["se"]) else ""
    interval = f" (95 % interval [{number(low)}, {number(high)}])" if np.isfinite(low) else ""
    line = f"{word[0].upper()}{word[1:]} {number(row['mean'])}{error} over {over}{interval}"
    corrected, tried = trained.correction, len(trained.begun)
    if corrected is not None:
        what = f"tried {tried} recipes and their epochs" if tried > 1 else "picked its epoch"
        line += f"; corrected for having {what}: {number(corrected.score)}"
    if np.isfinite(spread.seeds):
        line += f". Fold scores spread by {number(spread.folds)}, means of the seeds by {number(spread.seeds)}"
    return line + "."


def _also_line(result: RunResult) -> list[str]:
    """The other metrics that were asked for, of the same predictions, beside those of the baselines."""
    parts: list[str] = []
    also, winner = result.trained.problem.also, result.metrics(result.ranking[0])
    for metric in also:
        mean, error = winner[metric.name]["mean"], winner[metric.name]["se"]
        around = f" +- {number(error)}" if np.isfinite(error) else ""
        others = [(b.name, float(np.mean(s))) for b in result.baselines if (s := b.also.get(metric.name))]
        beside = ", ".join(f"{name} {number(value)}" for name, value in others if np.isfinite(value))
        parts.append(f"{metric.words} {number(mean)}{around}" + (f" ({beside})" if beside else ""))
    return [f"The same predictions by other metrics: {'; '.join(parts)}."] if parts else []


def _apart_line(result: RunResult) -> list[str]:
    """With groups or time: how much better a random division would look, and why."""
    random, divided = (result.apart or {}).get("random"), (result.apart or {}).get("divided")
    if random is None or divided is None:
        return []
    settings, metric = result.prepared.settings, result.trained.problem.metric
    gap = metric.sign * (random - divided)
    scores = f"a linear model has {number(divided)} on these folds and {number(random)} on rows divided at random"
    if settings.groups is not None and settings.time is not None:
        why = f"rows of one '{settings.groups}' and rows near in time resemble each other"
    elif settings.groups is not None:
        why = f"rows of one '{settings.groups}' resemble each other, so a random division rewards recognizing it"
    else:
        why = "rows near in time resemble each other, or the future differs from the past"
    clear = gap > result.trained.spread(result.ranking[0]).folds / 2
    return [f"{scores[0].upper()}{scores[1:]}" + (f": {why}." if clear else ": the division makes little difference.")]


def _leak_line(result: RunResult) -> list[str]:
    """A warning of columns that give the target away: with them every score is too good."""
    leaks = result.prepared.card.leaks
    if not leaks:
        return []
    options = " ".join(f"--drop {shlex.quote(name)}" for name in leaks[:3])
    names, it = listed(leaks, 3, quoted=True), "it is" if len(leaks) == 1 else "they are"
    return [
        f"Beware: {names} alone predicts the target. If {it} known only afterwards, no score here is valid: {options}."
    ]


def _nested_line(result: RunResult) -> list[str]:
    if result.nested is None:
        return []
    low, high = result.nested.interval
    score = f"{number(result.nested.score)} [{number(low)}, {number(high)}]"
    return [f"Nested cross-validation, the search repeated inside every fold: {score}."]


def _expected(result: RunResult, model: Mapping[str, Any], whole: bool) -> str:
    """The score to expect of what predicts, on new rows. whole: whether its networks were trained on all rows."""
    # Only the networks of one fold have not seen a row, so that no out-of-fold score can be that of all together.
    more = "" if whole else "it is the score of one fold's networks, and all predict together"
    if model["corrected"] is None:
        return more and f" Out of fold {more}, which is usually a little better."
    (low, high), word = model["corrected_interval"], result.trained.problem.metric.words
    expect = f" On new rows expect {word} of about {number(model['corrected'])} [{number(low)}, {number(high)}], "
    expect += "corrected for all that was chosen"
    return f"{expect}{more and f', or a little better: {more}'}."


def _keep_line(result: RunResult) -> list[str]:
    """What predicts, where it is more than one network, and why."""
    lines, model = list[str](), result.model
    if result.comparison is not None:
        found, other = result.comparison, {"refit": "ensemble", "ensemble": "refit"}[result.kept]
        scores = {way: float(np.mean([np.nan if s is None else s for s in found[way]])) for way in (result.kept, other)}
        p = "" if found["p_value"] is None else f", p = {found['p_value']:.2g}"
        lines.append(
            f"Kept: the {result.kept}, {number(scores[result.kept])} out of fold; {other} {number(scores[other])}{p}."
        )
    if model is None or model["networks"] == 1:
        return lines
    folds, size = len(result.trained.problem.folds), f"{model['networks']} networks, {byte_size(model['bytes'])}"
    whole = result.kept == "refits" or (result.kept == "blend" and short_folds(result.trained.problem))
    where = "all development rows" if whole else f"{folds} folds"
    more = _expected(result, model, whole)
    if result.kept != "blend":
        asked = result.prepared.settings.keep == "blend" and len(result.trained.begun) > 1
        why = "; a blend with other recipes scored no better on rows that did not choose it" if asked else ""
        return [*lines, f"What predicts: the winner on {where}, {size}{why}.{more}"]
    parts = listed((f"{part['share']:.0%} recipe {part['number']}" for part in model["recipes"]), len(model["recipes"]))
    word = result.trained.problem.metric.words
    score = f"{word} {number(model['cv_mean'])} out of fold"
    what = f"a blend of {len(model['recipes'])} recipes on {where} ({parts}), {size}"
    return [*lines, f"What predicts: {what}: {score}.{more}"]


def _racing_line(result: RunResult) -> list[str]:
    found = result.racing()
    if found is None:
        return []
    share = found["epochs"] / found["epochs_of_all"]
    dropped = sum(record.dropped > 0 for record in result.trained.records.values())
    line = f"Racing dropped {dropped} of {len(result.trained.begun)} recipes and trained {share:.0%} of the epochs"
    audit = found["audit"]
    if audit is None:
        asked = result.prepared.settings.audit
        return [line + ("; no time was left for the audit." if asked else "; --audit measures what racing missed.")]
    low, high = audit["interval"]
    return [
        f"{line}; of {audit['trained']} dropped ones trained to the end, {audit['wrong']} would have won "
        f"({audit['rate']:.0%} wrong eliminations [{low:.0%}, {high:.0%}])."
    ]


def _baseline_line(result: RunResult, mean: float) -> str:
    sign = result.trained.problem.metric.sign
    parts: list[str] = []
    ties: list[str] = []
    there = [baseline for baseline in result.baselines if baseline.scores]
    for baseline in there:
        p = result.p_value(baseline.scores)
        better = sign * mean > sign * baseline.mean
        if p >= LEVEL:
            ties.append(f"{baseline.name} ({number(baseline.mean)}, p = {p:.2f})")
            continue
        sure = "" if np.isnan(p) else "significantly "
        side = "better than" if better else "as good as" if mean == baseline.mean else "worse than"
        parts.append(f"{sure}{side} {baseline.name} ({number(baseline.mean)})")
    best = max(there, key=lambda baseline: sign * baseline.mean)
    honest = ""
    if best.name in SIMPLER and sign * best.mean > sign * mean:
        sure = result.p_value(best.scores) < LEVEL
        honest = f" {SIMPLER[best.name]} " + ("win here" if sure else "are ahead here, though not significantly")
        honest += ": use them unless you need a network."
    missing = [baseline.name for baseline in result.baselines if not baseline.scores]
    honest += f" There was no time for {' and '.join(missing)}." if missing else ""
    if ties:
        parts.append(f"not distinguishable from {' and '.join(ties)}")
    return "It is " + ", ".join(parts) + "." + honest


def _runner_up_line(result: RunResult) -> str:
    second = result.ranking[1]
    row = leaderboard_row(result.trained, second)
    if not np.isfinite(row["mean"]):
        return "No other recipe has a score."
    p = result.p_value(row["scores"])
    head = f"Runner-up: {row['recipe'].describe()}: {number(row['mean'])}"
    if np.isnan(p):
        return f"{head} (dropped before the end)." if result.trained.records[second].dropped else f"{head} (not known)."
    if p < LEVEL:
        return f"{head} (significant, p = {p:.2g})."
    ours, theirs = result.cost(result.ranking[0]), result.cost(second)
    faster = f", and trains in {theirs / ours:.0%} of the time" if theirs < 0.9 * ours else ""
    seen = least_difference(result.trained.scores(result.ranking[0]), result.trained.scores(second), result.ratio)
    same = "the same score on every fold"
    hidden = f"; with these folds, differences below {number(seen)} cannot be detected" if np.isfinite(seen) else ""
    tie = f"not distinguishable, p = {p:.2f}{hidden}" if seen else same
    others = len(result.ties) - 1
    plural = "recipes are" if others > 1 else "recipe is"
    more = f" {others} other {plural} statistically tied with the winner." if others > 0 else ""
    return f"{head} ({tie}){faster}.{more}"
