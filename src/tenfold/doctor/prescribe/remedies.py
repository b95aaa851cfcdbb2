"""What to do about a cause: the name of a change, and the line to write."""

from __future__ import annotations

from collections.abc import Sequence

from tenfold.doctor.record import Record

# For each cause the changes that cure it, in the order in which they are tried, and the words for a user's module.
REMEDIES: dict[str, list[tuple[str, str]]] = {
    "unscaled_inputs": [
        (
            "standardize_inputs",
            "standardize the inputs with the training rows' mean and std: x = (x - x_train.mean(0)) / x_train.std(0)",
        )
    ],
    "double_scaled_inputs": [
        (
            "standardize_inputs",
            "scale the inputs once: x = (x - x_train.mean(0)) / x_train.std(0), and drop the other scaling",
        )
    ],
    "unscaled_targets": [
        ("standardize_targets", "train on (y - y_train.mean()) / y_train.std() and undo it in predictions")
    ],
    "corrupted_labels": [
        (
            "as_is",
            "check that labels and rows are shuffled together and read in the same order; look at 20 rows with "
            "their labels",
        )
    ],
    "class_imbalance": [
        (
            "balance",
            "weight the classes by their inverse frequency (the loss's weight=), and judge by balanced accuracy",
        )
    ],
    "train_test_mismatch": [
        ("as_is", "apply the very same preprocessing, fitted on the training rows, to every row that is evaluated")
    ],
    "constant_init": [
        (
            "reinitialize",
            "draw the weights at random: nn.init.kaiming_normal_(layer.weight); nn.init.zeros_(layer.bias)",
        )
    ],
    "init_scale_too_small": [
        (
            "reinitialize",
            "draw the weights with std gain / sqrt(fan_in): nn.init.kaiming_normal_(layer.weight); "
            "nn.init.zeros_(layer.bias)",
        )
    ],
    "init_scale_too_large": [
        (
            "reinitialize",
            "draw the weights with std gain / sqrt(fan_in): nn.init.kaiming_normal_(layer.weight); "
            "nn.init.zeros_(layer.bias)",
        )
    ],
    "hidden_activation": [("activation", "use nn.ReLU() (or GELU, SiLU) in the hidden layers, with He initialization")],
    "missing_hidden_nonlinearity": [("activation", "put nn.ReLU() behind every hidden layer")],
    "dying_relu": [
        ("reinitialize", "start with He weights and zero biases"),
        ("lr_d10", "lower the learning rate ten times"),
        ("lr_d100", "lower the learning rate a hundred times"),
        ("activation", "use nn.LeakyReLU(0.01) instead of nn.ReLU()"),
    ],
    "output_activation": [
        (
            "head",
            "give the last layer one unit a class (one number for regression) and nothing behind it, with "
            "nn.CrossEntropyLoss (BCEWithLogitsLoss, MSELoss)",
        )
    ],
    "loss_function": [
        (
            "head",
            "use nn.CrossEntropyLoss on one bare output a class (nn.BCEWithLogitsLoss on one; nn.MSELoss for numbers)",
        )
    ],
    "loss_reduction": [("mean_loss", 'average the loss over the rows: reduction="mean"')],
    "gradient_sign": [
        ("flip", "minimize the loss: backward() on the loss itself, not on its negative, and maximize=False")
    ],
    "lr_too_high": [
        ("lr_d10", "lower the learning rate ten times"),
        ("lr_d100", "lower the learning rate a hundred times"),
        ("lr_d1000", "lower the learning rate a thousand times"),
    ],
    "lr_too_low": [
        ("lr_x10", "raise the learning rate ten times"),
        ("lr_x100", "raise the learning rate a hundred times"),
        ("lr_x1000", "raise the learning rate a thousand times"),
    ],
    "optimizer_choice": [("adam", "use torch.optim.Adam(model.parameters(), lr=1e-3)")],
    "optimizer_epsilon": [("epsilon", "leave epsilon at 1e-8")],
    "batch_size": [("smaller_batch", "use batches of 32 rows"), ("larger_batch", "use batches of 32 rows")],
    "too_few_epochs": [("longer", "train at least four times as long")],
    "depth": [
        (
            "normalize",
            "put normalization (nn.LayerNorm, nn.BatchNorm1d) behind every hidden layer, or residual connections",
        ),
        ("activation", "use ReLU with He initialization"),
    ],
    "capacity": [("wider", "give every hidden layer at least 32 units")],
    "over_regularized": [("no_decay", "set weight_decay to 0, or at most 1e-3")],
    "missing_regularization": [
        ("regularize", "stop at the best validation epoch, add dropout of 0.3 and weight decay of 1e-3")
    ],
    "dropout_too_high": [("no_dropout", "lower dropout to 0.2, or leave it out")],
    "batch_norm_misuse": [
        ("larger_batch", "use batches of at least 16 rows and momentum=0.1 in batch normalization, or nn.LayerNorm"),
        ("training_mode", "call model.train() before training and model.eval() before evaluating"),
        ("no_dropout", "put dropout behind the last batch normalization"),
    ],
    "missing_bias": [("biases", "give the layers biases: bias=True")],
    "frozen_parameters": [
        ("unfreeze", "give the optimizer all parameters (model.parameters()) and set requires_grad to True")
    ],
    "label_shape_broadcast": [
        ("head", "bring output and target to the same shape: output.squeeze(1), or target.unsqueeze(1)")
    ],
    "missing_gradient_clipping": [
        ("clip", "clip the gradients before each step: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)")
    ],
}


# A piece of evidence that is cured in one way only, whatever else speaks for its cause.
PARTICULAR: dict[str, tuple[str, str]] = {
    "gradient_accumulates": ("zero_grad", "call optimizer.zero_grad() before loss.backward(), at every update"),
    "inputs_not_finite": ("as_is", "fill or drop the rows whose inputs are not finite, before the training"),
    "targets_not_finite": ("as_is", "drop the rows whose targets are not finite, before the training"),
}


def prescribe(cause: str, record: Record, evidence: Sequence[str] = ()) -> tuple[str, str]:
    """The change that cures a cause, and its words. evidence: names of what is shown for it; one with a remedy of its
    own decides. Else of several the one that did best in the short trainings, a milder one before a stronger one that
    is no better by 0.05."""
    particular = next((PARTICULAR[name] for name in evidence if name in PARTICULAR), None)
    if particular is not None:
        return particular
    choices = REMEDIES[cause]
    tried = [(record.reached(change), change, words) for change, words in choices]
    known = [(value, change, words) for value, change, words in tried if value is not None]
    if not known:
        return choices[0]
    best = max(value for value, _, _ in known)
    return next((change, words) for value, change, words in known if value >= best - 0.05)
