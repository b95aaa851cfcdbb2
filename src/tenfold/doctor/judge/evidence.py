"""Evidence: what a record shows, as named strengths from 0 (not at all) to 1 (fully), each with a sentence of numbers.

A strength is scale-free wherever the architecture decides what is right: it compares with the same network under a
right initialization on standardized rows, or with short paired trainings of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tenfold.doctor.changes.all_changes import SINGLE

# Every name that evidence can have, and what it means; a test holds the names against the table of weights.
EVIDENCE: dict[str, str] = {
    # inputs and targets
    "inputs_not_finite": "the first numbers that are not finite are inputs",
    "targets_not_finite": "the first numbers that are not finite are targets",
    "inputs_large": "the largest mean or standard deviation of a column",
    "inputs_uneven": "largest over smallest standard deviation of a column",
    "inputs_offset": "the largest mean of a column over its standard deviation",
    "inputs_tiny": "a median column that hardly varies",
    "inputs_outlier": "the largest value against the largest column",
    "evaluation_scaled": "inputs with another mean or scale in evaluation than in training",
    "targets_large": "mean or standard deviation of the targets against outputs that start about 0",
    "targets_tiny": "the targets' standard deviation is far under 1",
    "imbalance": "the share of the largest class",
    "labels_unrelated": "no simple model predicts the targets better than chance",
    "labels_noisy": "simple models predict the targets badly",
    # structure of the network, its output and loss, its parameters
    "no_nonlinearity": "the share of hidden layers without an activation",
    "saturating_deep": "the number of hidden layers with a saturating activation and no normalization",
    "growing_activation": "a hidden activation that grows faster than its input",
    "odd_activation": "a hidden activation that belongs behind an output",
    "deep": "the number of hidden layers",
    "narrow": "the fewest units of a hidden layer",
    "oversized": "parameters a row",
    "dropout_high": "the largest dropout rate",
    "dropout_before_norm": "dropout in front of batch normalization",
    "tiny_batch_norm": "batch normalization on a few rows",
    "frozen_norm": "batch normalization in evaluation mode during the training",
    "softmax_on_one": "softmax over a single unit",
    "squashed_twice": "a softmax or sigmoid in front of a loss that applies its own",
    "logits_cut": "an activation cuts the outputs in front of a loss that takes any number",
    "odds_out_of_range": "a loss of probabilities without an activation that gives them",
    "unnormalized_scores": "a loss of log probabilities without log_softmax",
    "target_out_of_range": "the share of the targets' range that the output activation cannot reach",
    "squared_on_classes": "a loss for numbers on classes",
    "one_unit_many_classes": "one output unit for several classes",
    "odds_on_numbers": "a loss for classes on numbers",
    "own_loss": "a loss that the user wrote",
    "loss_misses_task": "outputs with the least loss that predict badly",
    "broadcast": "shapes of outputs and targets that differ",
    "frozen": "the share of the weights that are not trained",
    "unmoved": "the share of the weights that did not move",
    "identical_start": "the share of weight matrices that start with equal rows",
    "no_biases": "the share of layers without a bias",
    # signal and gradient, layer by layer
    "weights_small": "initial weights against fan-in and activation: too small",
    "weights_large": "initial weights against fan-in and activation: too large",
    "signal_fades": "the last hidden layer's outputs at the start, against a right start: smaller",
    "signal_grows": "the last hidden layer's outputs at the start, against a right start: larger",
    "gradient_fades": "the gradient from the last to the first hidden layer, against a right start: smaller",
    "gradient_grows": "the gradient from the last to the first hidden layer, against a right start: larger",
    "depth_fades": "the gradient vanishes even under a right start",
    "depth_explodes": "the gradient explodes even under a right start",
    "dead_start": "the share of units that are flat on all rows at the start",
    "dead_end": "the share of units that are flat on all rows at the end",
    "saturated_start": "the share of saturated outputs of a layer at the start, against a right start",
    "initial_loss_high": "the initial loss against that of a constant output",
    "one_class": "nearly all predictions are the same class",
    "outputs_constant": "the outputs hardly vary, against the targets",
    "mode_gap": "the same rows score better in training mode than in evaluation mode",
    "mode_gain": "the same rows score better in evaluation mode than in training mode",
    "identical_end": "the share of units of a layer that equal another one after the training",
    "weights_shrank": "weights at the end against the start: smaller",
    "weights_grew": "weights at the end against the start: larger",
    # the course of the training
    "non_finite": "a number was not finite",
    "loss_rose": "the loss ended above its start",
    "loss_flat": "the loss did not move",
    "loss_negative": "the loss fell below what a perfect output gives",
    "loss_above_constant": "the loss ended above that of a constant output",
    "oscillates": "the smoothed loss goes up and down",
    "loss_jumped": "the loss went far above its start",
    "still_falling": "the loss still fell at the end",
    "validation_rises": "the validation loss rose after its minimum",
    "validation_gap": "skill on training rows above skill on validation rows",
    "steps_large": "early updates against the size of the weights: large",
    "steps_small": "early updates against the size of the weights: small",
    "gradient_spikes": "the largest gradient norm against the median one",
    "gradients_opposed": "successive gradients point against each other",
    "epsilon_large": "the optimizer's epsilon",
    "decay_large": "the optimizer's weight decay",
    "rate_above_usual": "the learning rate against the usual one of the optimizer: high",
    "rate_below_usual": "the learning rate against the usual one of the optimizer: low",
    "rate_above_stable": "the learning rate of gradient descent against 2 (1 + momentum) / curvature",
    "plain_sgd": "SGD without momentum",
    "not_adaptive": "an optimizer with one rate for all parameters",
    "coupled_rows": "the loss of a batch depends on which rows it holds together",
    "summed": "the loss is summed over the rows",
    "few_updates": "the number of updates",
    "large_batch": "the share of the rows in one batch",
    "tiny_batch": "batches of a few rows",
    "gradient_accumulates": "recorded gradients that grow beyond those of their batch",
    "gradient_foreign": "recorded gradients that are not those of the criterion",
    "gradient_wrong": "the gradient against finite differences",
    "climbs": "the first update goes up the loss",
    "penalty_dominates": "the gradient of the weight decay against that of the loss",
    # the loop
    "loop_raised": "the loop ended with an error",
    "never_stepped": "losses, and no step of the optimizer",
    "no_gradient_at_step": "the share of the steps that find no gradient",
    "gradients_lost": "gradients that are cleared before they are used",
    "path_cut": "an operation through which no gradient comes",
    "weights_unheld": "weights that the loss depends on and that the model does not list",
    "optimizer_foreign": "an optimizer without any of the model's parameters",
    "rate_gone": "the share of the updates whose learning rate has all but gone",
    "rate_not_begun": "a learning rate that does not get to where its schedule leads",
    "row_alone_differs": "outputs of a row that depend on the rows beside it, in evaluation mode",
    "mode_left": "the share of the updates in evaluation mode, after training mode",
    "axes_confused": "outputs whose axes the criterion takes for others",
    "all_ignored": "a batch whose targets are all ignored",
    "outside_space": "outputs or targets that the criterion is not made for",
    "weights_unusable": "numbers of the criterion that are not finite, negative or all 0",
    "gradient_hides_nan": "a gradient that is not finite behind a finite loss",
    "batch_repeated": "the same batch at every update, and others that are predicted worse",
    "epsilon_vanishes": "an epsilon that is 0 in the type of the weights",
    # short trainings
    "cannot_overfit": "a few rows cannot be memorized",
    "skill_low": "the skill of the run",
    "behind": "the skill of the run against the best that is possible",
    "behind_held_out": "the same on rows that it did not train on",
    "nothing_works": "no short training and no simple model predicts the targets",
    "network_behind_simple": "a simple model predicts better than this network at its best",
    "redo_works": "the doctor's own loop, unchanged, reaches what is possible",
    "learnt_by_heart": "skill on training rows above skill on held-out rows in a short training",
    **{f"fixed_by_{name}": f"how much of what is missing the change {name} brings back" for name in SINGLE},
}


@dataclass(frozen=True)
class Evidence:
    """name: one of EVIDENCE; strength in [0, 1]; layer: the name of an operation where there is one."""

    name: str
    strength: float
    sentence: str
    layer: str = ""

    def __post_init__(self) -> None:
        if self.name not in EVIDENCE:
            raise KeyError(f"evidence {self.name!r} is not declared in EVIDENCE")


def strength(value: float | None, low: float, high: float) -> float:
    """0 at low, 1 at high, linear between (low > high turns it round); 0 for what was not measured; NaN counts as 1."""
    if value is None:
        return 0.0
    if math.isnan(value):
        return 1.0
    return min(1.0, max(0.0, (value - low) / (high - low)))


def log_strength(value: float | None, low: float, high: float) -> float:
    """`strength` on a log scale: 0 at low, 1 at high; NaN counts as 0."""
    if value is None or math.isnan(value):
        return 0.0
    return strength(math.log10(max(value, 1e-300)), math.log10(low), math.log10(high))


def digits(value: float) -> str:
    """Three digits, as a person writes them."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.1e}"


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.0f} %"
