"""Readings of the loop, on records made by hand; and that no cause is called nearly certain without one."""

from dataclasses import replace

import pytest

from tenfold.doctor.diagnosis import MOST, diagnosis_of
from tenfold.doctor.judge.evidence_loop import READINGS, loop_evidence, settled_by_reading
from tenfold.doctor.judge.judge import table
from tenfold.doctor.record import CurvePoint, Curves, Facts, LoopFacts, OptimizerFacts, Probe, Record


def record(steps=100, rates=((0, 0.1),), **loop):
    rule = OptimizerFacts("adam", 0.1)
    facts = Facts("classes", 2, [], [], [rule], "CrossEntropyLoss", "mean", "", [16, 2], [16], 16, 96, steps)
    points = [CurvePoint(step, value) for step, value in rates]
    return Record(facts, curves=Curves([CurvePoint(0, 1.0)], lr=points), loop=LoopFacts(**{"members": 4, **loop}))


def strengths(found):
    return {item.name: item.strength for item in loop_evidence(found) if item.strength > 0}


@pytest.mark.parametrize(
    ("loop", "name"),
    [
        ({"orders": ["ZFCBS"] * 4}, ""),
        ({"orders": ["FCBZS"] * 4, "no_gradient": 1.0}, "no_gradient_at_step"),
        ({"orders": ["ZFCS"] * 4, "no_gradient": 1.0}, "no_gradient_at_step"),
        ({"orders": ["ZFCBS"] * 4, "no_gradient": 1.0}, ""),  # a gradient of 0 in the right order
        ({"orders": ["SZFCBFCB"] * 4, "no_gradient": 1.0}, ""),  # a closure
        ({"orders": ["ZFCBZFCBZFCBS"] * 4}, "gradients_lost"),
        ({"orders": ["ZFCBFCBFCBS"] * 4}, ""),
        ({"orders": ["FCBZFCFCBBS"] * 4}, ""),  # another network's pass before, as of a generator
        ({"severed": 9}, "path_cut"),
        ({"severed": 9, "losses": 9}, ""),  # a number for a log
        ({"unreached": ["a.weight"], "cut": "detach()"}, "path_cut"),
        ({"unreached": ["a.weight"]}, ""),  # a layer that is not called
        ({"unheld": ["layers, a list of 2 modules"]}, "weights_unheld"),
        ({"members": 0, "trainable": 4, "foreign": 4}, "optimizer_foreign"),
        ({"error": "ValueError: x"}, "loop_raised"),
        ({"error": "RuntimeError: does not require grad", "severed": 1}, "path_cut"),
        ({"mixed": 0.0}, ""),
        ({"mixed": 0.5}, "row_alone_differs"),
        ({"space": "outside"}, "outside_space"),
        ({"weights": "inf"}, "weights_unusable"),
        ({"hidden": "sqrt", "hidden_rows": [3]}, "gradient_hides_nan"),
        ({"small_type": "0"}, "epsilon_vanishes"),
    ],
)
def test_each_reading_has_its_evidence(loop, name):
    found = record(**loop)
    assert strengths(found) == ({name: 1.0} if name else {})
    assert settled_by_reading(found) == bool(name)


def test_losses_and_no_step():
    assert strengths(record(steps=0, losses=9, orders=["ZFCBZFCB"])) == {"never_stepped": 1.0}
    assert strengths(record(steps=0, losses=9, error="ValueError: x")) == {"loop_raised": 1.0}


@pytest.mark.parametrize(
    ("rates", "rate", "name", "strength"),
    [
        ([(i, 0.1 * 0.1**i) for i in range(100)], 0.1, "rate_gone", 1.0),
        ([(i, 0.1 * 0.9**i) for i in range(100)], 0.1, "rate_gone", 0.0),  # below 1e-4 of it from update 88 on: 12 %
        ([(0, 0.1), (40, 0.01), (80, 0.001)], 0.1, "rate_gone", 0.0),
        ([(0, 0.0)], 0.1, "rate_not_begun", 1.0),
        ([(0, 0.0), (25, 0.001), (50, 0.002), (75, 0.003)], 0.1, "rate_not_begun", 1.0),
        ([(i, 0.001 * i) for i in range(100)], 0.1, "rate_not_begun", 0.0),
        ([(i, 0.00003 * i) for i in range(100)], 0.1, "rate_not_begun", 0.0),  # a warm-up by updates that is not over
    ],
)
def test_schedules(rates, rate, name, strength):
    assert strengths(record(rates=rates, rate=rate)).get(name, 0.0) == pytest.approx(strength)


def test_a_reading_outweighs_every_symptom():
    rows = table()
    for cause, row in rows.items():
        for name in set(row) & set(READINGS) if cause != "healthy" else ():
            assert row["rest"] + row[name] > 11, name  # odds of 60,000 to 1 beside a cause that has nothing
            assert rows["healthy"][name] <= -14


def test_no_cause_is_nearly_certain_without_a_reading():
    found = record()
    facts = replace(found.facts, parameters=[], batch_rows=1)
    end = Probe("end", 100, [], skill=0.1, skill_train_mode=0.9)
    symptoms = replace(found, facts=facts, probes=[Probe("start", 0, []), end])
    for finding in diagnosis_of(symptoms).findings:
        assert finding.probability <= MOST
    said = diagnosis_of(replace(symptoms, loop=LoopFacts(members=4, mixed=1.0))).findings[0]
    assert said.cause == "rows_mixed"
    assert said.probability > 0.95
