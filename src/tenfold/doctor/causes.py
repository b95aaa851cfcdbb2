"""The doctor's vocabulary: root causes by code, each in words and with what cures it; and the symptoms that are
evidence of them."""

from __future__ import annotations

from dataclasses import dataclass

from tenfold.doctor.changes.all_changes import CHANGES

HE = "nn.init.kaiming_normal_(layer.weight); nn.init.zeros_(layer.bias)"


@dataclass(frozen=True)
class Remedy:
    """change: the name of a change that the short trainings try ("as_is" and names that they do not know are advice
    only); words: what to do with a module of one's own, those of the change where they are left out."""

    change: str
    words: str = ""

    def __post_init__(self) -> None:
        if not self.words:
            object.__setattr__(self, "words", CHANGES[self.change].words)


@dataclass(frozen=True)
class Cause:
    """A root cause in words, and what cures it, milder remedies first."""

    words: str
    remedies: tuple[Remedy, ...]


def _cause(words: str, *remedies: Remedy) -> Cause:
    return Cause(words, remedies)


CAUSES: dict[str, Cause] = {
    "unscaled_inputs": _cause(
        "unscaled inputs",
        Remedy(
            "standardize_inputs",
            "standardize the inputs with the training rows' mean and std: x = (x - x_train.mean(0)) / x_train.std(0)",
        ),
    ),
    "double_scaled_inputs": _cause(
        "inputs scaled twice",
        Remedy(
            "standardize_inputs",
            "scale the inputs once: x = (x - x_train.mean(0)) / x_train.std(0), and drop the other scaling",
        ),
    ),
    "unscaled_targets": _cause("unscaled targets", Remedy("standardize_targets")),
    "corrupted_labels": _cause(
        "labels that do not belong to their rows",
        Remedy(
            "as_is",
            "check that labels and rows are shuffled together and read in the same order; look at 20 rows with "
            "their labels",
        ),
    ),
    "class_imbalance": _cause(
        "one class dwarfs the others",
        Remedy(
            "balance",
            "weight the classes by their inverse frequency (the loss's weight=), and judge by balanced accuracy",
        ),
    ),
    "train_test_mismatch": _cause(
        "training and evaluation differ",
        Remedy("as_is", "apply the same preprocessing, fitted on the training rows, to every row that is evaluated"),
    ),
    "constant_init": _cause(
        "weights start equal",
        Remedy("reinitialize", f"draw the weights at random: {HE}"),
    ),
    "init_scale_too_small": _cause(
        "initial weights too small",
        Remedy("reinitialize", f"draw the weights with std gain / sqrt(fan_in): {HE}"),
    ),
    "init_scale_too_large": _cause(
        "initial weights too large",
        Remedy("reinitialize", f"draw the weights with std gain / sqrt(fan_in): {HE}"),
    ),
    "hidden_activation": _cause(
        "an activation unfit for this depth",
        Remedy("activation", "use nn.ReLU() (or GELU, SiLU) in the hidden layers, with He initialization"),
    ),
    "missing_hidden_nonlinearity": _cause(
        "no activation between layers",
        Remedy("activation", "put nn.ReLU() behind every hidden layer"),
    ),
    "dying_relu": _cause(
        "dead ReLU units",
        Remedy("reinitialize", "start with He weights and zero biases"),
        Remedy("lr_d10"),
        Remedy("lr_d100"),
        Remedy("activation", "use nn.LeakyReLU(0.01) instead of nn.ReLU()"),
    ),
    "output_activation": _cause(
        "an output that cannot represent the target",
        Remedy(
            "head",
            "give the last layer one unit for each class (one number for regression) and nothing behind it, with "
            "nn.CrossEntropyLoss (BCEWithLogitsLoss, MSELoss)",
        ),
    ),
    "loss_function": _cause(
        "a loss that does not fit the task",
        Remedy(
            "head",
            "use nn.CrossEntropyLoss on one output for each class (nn.BCEWithLogitsLoss on one; nn.MSELoss for "
            "numbers), with no activation behind the last layer",
        ),
    ),
    "loss_reduction": _cause("a summed loss", Remedy("mean_loss")),
    "gradient_sign": _cause("ascent instead of descent", Remedy("flip")),
    "lr_too_high": _cause("learning rate too high", Remedy("lr_d10"), Remedy("lr_d100"), Remedy("lr_d1000")),
    "lr_too_low": _cause("learning rate too low", Remedy("lr_x10"), Remedy("lr_x100"), Remedy("lr_x1000")),
    "optimizer_choice": _cause(
        "an unfit optimizer",
        Remedy("adam", "use torch.optim.Adam(model.parameters(), lr=1e-3)"),
    ),
    "optimizer_epsilon": _cause("the optimizer's epsilon dominates", Remedy("epsilon", "leave epsilon at 1e-8")),
    "batch_size": _cause("an unfit batch size", Remedy("smaller_batch"), Remedy("larger_batch")),
    "too_few_epochs": _cause("stopped while improving", Remedy("longer", "train at least four times as long")),
    "depth": _cause(
        "too deep: the signal vanishes",
        Remedy(
            "normalize",
            "put normalization (nn.LayerNorm, nn.BatchNorm1d) behind every hidden layer, or add residual connections",
        ),
        Remedy("activation"),
    ),
    "capacity": _cause("an unfit size", Remedy("wider", "give every hidden layer at least 32 units")),
    "over_regularized": _cause(
        "the penalty drowns the signal",
        Remedy("no_decay", "set weight_decay to 0, or at most 1e-3"),
    ),
    "missing_regularization": _cause(
        "overfitting: no regularization",
        Remedy("regularize", "stop at the best validation epoch, add dropout of 0.3 and weight decay of 1e-3"),
    ),
    "dropout_too_high": _cause("dropout too high", Remedy("no_dropout", "lower dropout to 0.2, or leave it out")),
    "batch_norm_misuse": _cause(
        "batch normalization misused",
        Remedy(
            "larger_batch",
            "use batches of at least 16 rows and momentum=0.1 in batch normalization, or nn.LayerNorm",
        ),
        Remedy("training_mode"),
        Remedy("no_dropout", "put dropout behind the last batch normalization"),
    ),
    "missing_bias": _cause("no bias where one is needed", Remedy("biases", "give the layers biases: bias=True")),
    "frozen_parameters": _cause("parameters that do not move", Remedy("unfreeze")),
    "label_shape_broadcast": _cause(
        "shapes of output and target broadcast",
        Remedy("head", "bring output and target to the same shape: output.squeeze(1), or target.unsqueeze(1)"),
    ),
    "missing_gradient_clipping": _cause(
        "rare huge gradients",
        Remedy(
            "clip",
            "clip the gradients before each step: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
        ),
    ),
    "loop_error": _cause(
        "the loop ends with an error",
        Remedy("as_is", "mend what the error names first: nothing behind it was trained"),
    ),
    "order_of_calls": _cause(
        "calls of the loop in the wrong order",
        Remedy("as_is", "in this order, at every update: optimizer.zero_grad(); loss.backward(); optimizer.step()"),
    ),
    "cut_path": _cause(
        "the way of the gradient is cut",
        Remedy("as_is", "keep tensors between the parameters and the loss: no detach(), NumPy, new tensor or rounding"),
    ),
    "unregistered_parameters": _cause(
        "weights that the model does not hold",
        Remedy(
            "as_is",
            "hold layers in nn.ModuleList or nn.ModuleDict (tensors in nn.ParameterList), and make the optimizer after",
        ),
    ),
    "foreign_optimizer": _cause(
        "the optimizer of other parameters",
        Remedy(
            "unfreeze", "make the optimizer of this model: torch.optim.Adam(model.parameters()), after it is complete"
        ),
    ),
    "schedule": _cause(
        "a schedule that takes the rate away",
        Remedy(
            "as_is",
            "call scheduler.step() once an epoch, behind the loop over batches, or give the schedule as many steps as "
            "there are updates",
        ),
    ),
    "rows_mixed": _cause(
        "rows that influence each other",
        Remedy(
            "as_is",
            "keep rows apart: dim=1 of softmax and normalization, batch_first=True of recurrent layers and attention",
        ),
    ),
    "axes_order": _cause(
        "axes in the wrong order",
        Remedy("as_is", "bring the classes to the axis that the criterion takes: output.transpose(1, 2)"),
    ),
    "ignored_targets": _cause(
        "a batch whose targets are all ignored",
        Remedy("as_is", "leave batches without a target that counts out, or sum the loss and divide by max(1, count)"),
    ),
    "criterion_space": _cause(
        "outputs or targets that the criterion is not made for",
        Remedy("as_is", "give the criterion what it is made for, as the evidence says"),
    ),
    "criterion_numbers": _cause(
        "numbers of the criterion that cannot be used",
        Remedy("as_is", "weight classes by rows / (classes * count.clamp(min=1)), which is finite and above 0"),
    ),
    "hidden_nan_gradient": _cause(
        "a gradient that is not a number behind a finite loss",
        Remedy(
            "as_is",
            "guard the argument, not the result: torch.where(s > 0, s, 1.0).sqrt() inside the outer torch.where, or "
            "(s + 1e-12).sqrt()",
        ),
    ),
    "same_batch": _cause(
        "the same batch at every update",
        Remedy(
            "as_is", "loop over the loader: for x, y in loader: ..., with shuffle=True; next(iter(loader)) starts anew"
        ),
    ),
}

SYMPTOMS: dict[str, str] = {
    "vanishing_gradient": "the gradient vanishes on its way down",
    "exploding_gradient": "the gradient explodes on its way down",
    "non_finite": "a number is not finite",
    "saturated_units": "units are saturated",
    "dead_units": "units are inactive on all rows",
    "identical_units": "units are identical",
    "loss_not_decreasing": "the loss does not fall",
    "oscillating_loss": "the loss oscillates",
    "slow_convergence": "the loss falls slowly",
    "overfitting": "the validation loss rises while the training loss falls",
    "initial_loss_off": "the initial loss is far from that of an untrained network",
    "cannot_overfit_one_batch": "one batch cannot be memorized",
}


def cause_words(code: str) -> str:
    """A cause in words; a code that is unknown, as in a report of another version, is its own."""
    return CAUSES[code].words if code in CAUSES else code
