"""The names of evidence against the table of weights, and strengths by hand."""

import math
import re
from pathlib import Path

import pytest

from tenfold.doctor import judge
from tenfold.doctor.changes.all_changes import SINGLE
from tenfold.doctor.judge.evidence import EVIDENCE, Evidence, log_strength, strength
from tenfold.doctor.judge.judge import table


def test_every_evidence_has_a_weight_and_every_weight_an_evidence():
    weighed = {name for row in table().values() for name in row} - {"rest"}
    assert weighed == set(EVIDENCE)


def test_every_declared_evidence_is_produced():
    """As a literal in a file of evidence, or as one of the two families of names."""
    sources = [path.read_text(encoding="utf-8") for path in Path(str(judge.__file__)).parent.glob("evidence_*.py")]
    literals = {name for source in sources for name in re.findall(r'"(\w+)"', source)}
    families = {"dead_start", "dead_end"} | {f"fixed_by_{name}" for name in SINGLE}
    assert set(EVIDENCE) - literals <= families


def test_evidence_that_is_not_declared_is_refused():
    with pytest.raises(KeyError, match="not declared"):
        Evidence("not_a_name", 1.0, "")


def test_strengths():
    assert [strength(value, 1.0, 3.0) for value in (None, 0.0, 1.0, 2.0, 5.0, math.nan)] == [0, 0, 0, 0.5, 1, 1]
    assert strength(0.25, 1.0, 0.0) == 0.75
    assert log_strength(10.0, 1.0, 100.0) == pytest.approx(0.5)
    assert [log_strength(value, 1.0, 100.0) for value in (None, math.nan, 0.0, math.inf)] == [0, 0, 0, 1]
