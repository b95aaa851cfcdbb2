"""How a trial ended: a value with its sentence and its remedy, never an exception."""

from __future__ import annotations

from enum import Enum

CURVES = ("train_loss", "loss", "score")  # recorded at every epoch


class Outcome(Enum):
    """The member's value is its name in files; `sentence` and `remedy` are what a person reads."""

    OK = ("ok", "trained to its last epoch", "")
    PRUNED = ("pruned", "racing dropped its recipe before the end", "")
    DIVERGED = (
        "diverged",
        "the loss became infinite or not a number",
        "a lower learning rate, He or LeCun initialization, standardized inputs, or clip_norm: 1.0",
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        "there was not enough memory for its network and batches",
        "a smaller batch_size (full holds all rows at once), narrower layers, or fewer workers",
    )
    FAILED = (
        "failed",
        "the code of the user's own network or loss raised an error",
        "call it on such rows yourself; the notes of the run say which error, where",
    )
    TIMEOUT = ("timeout", "ended by the time limit", "a longer time limit, or fewer trials")

    def __init__(self, label: str, sentence: str, remedy: str) -> None:
        self.label: str = label
        self.sentence: str = sentence
        self.remedy: str = remedy

    @property
    def broken(self) -> bool:
        """Whether the trial has no score: its recipe has no mean and cannot win."""
        return self in (Outcome.DIVERGED, Outcome.FAILED)


def is_broken(outcome: Outcome | None) -> bool:
    """The same of a trial that may be under way."""
    return outcome is not None and outcome.broken
