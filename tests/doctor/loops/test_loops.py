"""Faults of the loop are named first, whatever else a faulty run shows; sound programs that look alike raise none."""

import pytest
import torch
from faulty_loops import FAULTY
from sound_loops import SOUND, UNJUDGED


@pytest.mark.parametrize("name", FAULTY)
def test_the_fault_of_the_loop_stands_first(name):
    program, cause = FAULTY[name]
    torch.manual_seed(0)
    diagnosis = program()
    assert not diagnosis.healthy
    first = diagnosis.findings[0]
    assert first.cause == cause, diagnosis.report()
    assert first.evidence
    assert first.remedy
    assert first.probability > 0.8


# The others make short trainings, which take seconds.
FAST = ("padded", "kl_of_log_probabilities", "accumulation", "straight_through", "triplets", "adversarial")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in FAST else pytest.mark.slow) for n in SOUND])
def test_a_sound_program_raises_no_alarm(name):
    torch.manual_seed(0)
    diagnosis = SOUND[name]()
    assert diagnosis.healthy, diagnosis.report()
    # what cannot be judged is said, and never called healthy
    assert ("Healthy" in diagnosis.report()) == (name not in UNJUDGED), diagnosis.report()
