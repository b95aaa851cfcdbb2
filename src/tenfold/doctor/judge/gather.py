"""All evidence of a record."""

from __future__ import annotations

from tenfold.doctor.judge.evidence import Evidence
from tenfold.doctor.judge.evidence_data import data_evidence
from tenfold.doctor.judge.evidence_loop import loop_evidence
from tenfold.doctor.judge.evidence_network import network_evidence
from tenfold.doctor.judge.evidence_training import training_evidence
from tenfold.doctor.judge.evidence_trials import trial_evidence
from tenfold.doctor.judge.evidence_units_and_signal import signal_evidence
from tenfold.doctor.record import Record


def gather(record: Record) -> dict[str, Evidence]:
    """The strongest evidence of each name; what was not measured, or has no strength, is absent."""
    strongest: dict[str, Evidence] = {}
    for part in (loop_evidence, data_evidence, network_evidence, signal_evidence, training_evidence, trial_evidence):
        for item in part(record):
            if item.strength > (strongest[item.name].strength if item.name in strongest else 0.0):
                strongest[item.name] = item
    return strongest
