"""All changes by name, in the order in which the short trainings try them."""

from __future__ import annotations

from tenfold.doctor.changes.batches import LARGER_BATCH, LONGER_TRAINING, MEMORIZE_ONE_BATCH, SMALLER_BATCH
from tenfold.doctor.changes.change import Change
from tenfold.doctor.changes.hidden_layers import ACTIVATION, NORMALIZE, SHALLOWER, WIDER
from tenfold.doctor.changes.initialization import REINITIALIZE
from tenfold.doctor.changes.inputs_and_targets import STANDARDIZE_INPUTS, STANDARDIZE_TARGETS
from tenfold.doctor.changes.optimizer import ADAM, CLIP, EPSILON_DEFAULT, RATES
from tenfold.doctor.changes.output_and_loss import FLIP, HEAD, LOSS, MEAN_LOSS
from tenfold.doctor.changes.parameters import TRAINING_MODE, UNFREEZE
from tenfold.doctor.changes.reference_trainings import AS_IS, RIGHT, RIGHT_LONG, RIGHT_RELU, RIGHT_SLOW
from tenfold.doctor.changes.regularization import DROPOUT_02, NO_DECAY, NO_DROPOUT, REGULARIZE

_REFERENCES = (RIGHT, RIGHT_SLOW, RIGHT_RELU, RIGHT_LONG)
_SINGLE = (
    ACTIVATION, NORMALIZE, STANDARDIZE_INPUTS, STANDARDIZE_TARGETS, REINITIALIZE, HEAD, ADAM, *RATES, NO_DROPOUT,
    NO_DECAY, MEAN_LOSS, SMALLER_BATCH, LARGER_BATCH, UNFREEZE, TRAINING_MODE, EPSILON_DEFAULT, FLIP, CLIP,
    LONGER_TRAINING,
)  # fmt: skip
_RECIPES_ONLY = (LOSS, DROPOUT_02, REGULARIZE, SHALLOWER, WIDER)

CHANGES: dict[str, Change] = {
    change.name: change for change in (AS_IS, *_REFERENCES, *_SINGLE, MEMORIZE_ONE_BATCH, *_RECIPES_ONLY)
}
REFERENCES = tuple(change.name for change in _REFERENCES)
SINGLE = tuple(change.name for change in _SINGLE)  # tried one at a time
COMBINED = tuple(change.name for change in _REFERENCES if change.recipe is not None)  # all at once, of a recipe


def change_label(name: str) -> str:
    """A change in a few words, for figures; "control: " in front of its name stays there."""
    control, plain = name.startswith("control: "), name.removeprefix("control: ")
    words = CHANGES[plain].short_words if plain in CHANGES else ""
    return ("control: " if control else "") + (words or plain.replace("_", " "))
