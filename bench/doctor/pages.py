"""The numbers as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WORDS = {
    "detected": "faults that changed the outcome, detected", "false_alarms": "healthy runs that raised an alarm",
    "first": "right cause named first", "first_two": "right cause among the first two",
    "harmless_flagged": "faults that did not change the outcome, flagged all the same (not in the rates)",
    "notes_flagged": "a huge network on sixty rows, flagged (a note says it as well; not in the rates)",
    "remedy": "first remedy, applied, improves the outcome",
    "remedy_tried": "the same, without remedies that are words to a person (inspect the labels, the preprocessing)",
    "other": "a random other change of equal cost improves the outcome",
    "recovered": "first remedy brings back the healthy outcome",
    "other_recovered": "a random other change brings it back",
}  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def rates(found: dict[str, Any]) -> str:
    """The rates that are there, with their intervals."""
    rows = [
        (words, f"{r['hits']} of {r['of']}", _percent(r["rate"]), f"{_percent(r['low'])} to {_percent(r['high'])}")
        for name, words in WORDS.items()
        if isinstance(r := found.get(name), dict) and r.get("rate") is not None
    ]
    return table(("what", "runs", "rate", "95 % interval"), rows)


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in found.items())


def _run(brief: dict[str, Any]) -> list[str]:
    outcome = brief["outcome"]
    return [brief["base"], brief["variant"], brief["operator"] or "healthy", brief["seed"],
            "not finite" if outcome is None else f"{outcome:.2f}", f"{brief['healthy_outcome']:.2f}",
            ", ".join(brief["causes"]), ", ".join(brief["named"]), f"{brief['probability']:.2f}"]  # fmt: skip


RUN = ("base", "variant", "fault", "seed", "skill", "healthy skill", "right", "named", "p(not healthy)")


def page(half: str, found: dict[str, Any]) -> str:
    """One half's numbers."""
    rows = [(name, r["runs"], r["changed"], r["detected"], r["first"], r["first_two"], _counts(r["mistaken_for"]))
            for name, r in found["operators"].items()]  # fmt: skip
    bases = [(name, r["healthy"], r["alarms"], r["changed"], r["detected"], r["first"], r["first_two"])
             for name, r in found["bases"].items()]  # fmt: skip
    parts = [
        f"## The {half.replace(',', ' half,') if ',' in half else half + ' half'}\n", rates(found), "### By fault\n",
        table(("fault", "runs", "changed the outcome", "detected", "first", "first two", "mistaken for"), rows),
        "### By base\n",
        table(("base", "healthy runs", "alarms", "faults that count", "detected", "first", "first two"), bases),
        "### Confusion\n",
        table(("planted", "named first"), [(name, _counts(row)) for name, row in found["confusion"].items()]),
        "### Misses\n", table(RUN, [_run(b) for b in found["misses"]]),
        "### False alarms\n", table(RUN, [_run(b) for b in found["alarms"]]),
        "### Right cause not among the first two\n", table(RUN, [_run(b) for b in found["mistaken"]]),
    ]  # fmt: skip
    return "\n".join(parts)
