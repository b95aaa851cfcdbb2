"""A diagnosis as text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tenfold.doctor.causes import CAUSES

if TYPE_CHECKING:
    from tenfold.doctor.diagnosis import Diagnosis

WIDTH = 110


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """The verdict, the first finding with evidence, remedy and proof, the others in a line, the notes."""
    lines = textwrap.wrap(diagnosis_verdict(diagnosis), WIDTH)
    if diagnosis.findings:
        first, *others = diagnosis.findings
        lines += _block("evidence", _joined(first.evidence)) + _block("remedy", first.remedy)
        if first.proof:
            lines += _block("proof", first.proof)
        if others:
            said = ", ".join(f"{f.words} ({f.probability:.2f})" for f in others)
            lines += textwrap.wrap(f"Also possible: {said}.", WIDTH)
    for note in diagnosis.notes:
        lines += textwrap.wrap(f"Note: {note}", WIDTH, subsequent_indent="      ")
    return "\n".join(lines)


def diagnosis_verdict(diagnosis: Diagnosis) -> str:
    """The verdict in a sentence or two; a loop whose loss was not seen is never called healthy."""
    if diagnosis.findings:
        first = diagnosis.findings[0]
        cause = CAUSES.get(first.cause, first.cause)
        return f"Not healthy (p = {diagnosis.probability:.2f}). Most likely cause: {cause} ({first.probability:.2f})."
    if diagnosis.record.unseen:
        return "No fault was found in the network's structure and its updates. Whether it learns was not looked at."
    return f"Healthy (p = {1 - diagnosis.probability:.2f})."


def _joined(sentences: list[str]) -> str:
    return ";\n".join(sentences)


def _block(name: str, text: str) -> list[str]:
    """The name, and the text beside it."""
    found: list[str] = []
    for piece in text.split("\n"):
        found += textwrap.wrap(piece, WIDTH - 13)
    return [f"  {name if i == 0 else '':<11}{line}" for i, line in enumerate(found)]
