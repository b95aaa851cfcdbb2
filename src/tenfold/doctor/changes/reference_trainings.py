"""References: the unchanged training, and all settings put right at once; what they reach is what is possible."""

from __future__ import annotations

from typing import Any

from tenfold.doctor.changes.batches import ENOUGH, SMALLER_BATCH, enough_updates
from tenfold.doctor.changes.change import Change, after_training, always, combined
from tenfold.doctor.changes.hidden_layers import ACTIVATION, NORMALIZE
from tenfold.doctor.changes.initialization import REINITIALIZE
from tenfold.doctor.changes.inputs_and_targets import STANDARDIZE_INPUTS, STANDARDIZE_TARGETS
from tenfold.doctor.changes.optimizer import CLIP, STEADY, adam
from tenfold.doctor.changes.output_and_loss import HEAD, MEAN_LOSS
from tenfold.doctor.changes.parameters import TRAINING_MODE, UNFREEZE
from tenfold.doctor.changes.regularization import NO_DECAY, NO_DROPOUT
from tenfold.doctor.record import Record

USUAL = "use standard settings for everything that affects training"
RATE, SLOW_RATE = 3e-3, 5e-4  # of Adam


def _right(name: str, words: str, rate: float, start: Change, *more: Change, **fields: Any) -> Change:
    scales = STANDARDIZE_INPUTS, STANDARDIZE_TARGETS, start
    losses = HEAD, NO_DROPOUT, NO_DECAY, MEAN_LOSS, UNFREEZE, TRAINING_MODE
    # Adam comes before clipping: a recipe with a second-order method refuses to be clipped
    return combined(name, words, *scales, *losses, STEADY, adam(rate), CLIP, *more, **fields)


def _several_layers(record: Record) -> bool:
    return sum(op.kind in ("linear", "conv") for op in record.facts.operations) > 1


AS_IS = Change("as_is", "leave it as it is", "unchanged", applies=always)
RIGHT = _right("right", USUAL, RATE, REINITIALIZE, short_words="all fixes", applies=always)
RIGHT_SLOW = _right(
    "right_slow", USUAL, SLOW_RATE, REINITIALIZE, short_words="all fixes, lower rate", applies=after_training
)
RIGHT_RELU = _right(
    "right_relu",
    f"{USUAL}, with ReLU and batch normalization",
    RATE,
    ACTIVATION,
    NORMALIZE,
    short_words="all fixes, ReLU",
    applies=_several_layers,
)
RIGHT_LONG = _right(  # where the user's own training is too short to learn anything; a recipe has its own epochs
    "right_long",
    USUAL,
    RATE,
    REINITIALIZE,
    SMALLER_BATCH,
    Change("enough", "make enough updates", module=enough_updates),
    short_words="all fixes, longer",
    applies=lambda record: 0 < record.facts.steps < ENOUGH,
    recipe=None,
)
