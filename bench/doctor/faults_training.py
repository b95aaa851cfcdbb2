"""Faults of the training: loss, optimizer, loop."""

from __future__ import annotations

from dataclasses import replace

import torch

from bench.doctor.case import Case, Data, Optim
from bench.doctor.operators import DENSE, fault, layered, tabular

# ---- loss ------------------------------------------------------------------------------------------------------------


@fault("loss_function")
def class_numbers(case: Case) -> Case | None:
    """One unit, squared error against the number of the class."""
    if case.task != "classes":
        return None
    return replace(case.net_with(outputs=1, head=""), criterion="class_numbers", decide="round")


@fault("loss_function")
def largest_output(case: Case) -> Case | None:
    """Squared error of the largest output against the number of the class."""
    return replace(case.net_with(head=""), criterion="largest") if case.task == "classes" else None


@fault("loss_function")
def one_hot_l1(case: Case) -> Case | None:
    """Absolute error against indicators of the classes."""
    return replace(case.net_with(head=""), criterion="one_hot_l1") if case.task == "classes" else None


@fault("loss_function")
def absolute_on_labels(case: Case) -> Case | None:
    """Absolute error on labels 0 and 1 behind a sigmoid."""
    if case.task != "binary":
        return None
    return replace(case.net_with(head="sigmoid"), criterion="l1", decide="probability")


@fault("loss_reduction", "loss_function")
def loss_over_rows(case: Case) -> Case | None:
    """The cross-entropy's softmax runs over the rows of the batch."""
    return replace(case.net_with(head=""), criterion="rows") if case.task == "classes" else None


def _summed(case: Case) -> Case:
    return replace(case, criterion=f"{case.criterion}_sum").loop_with(function=False)


@fault("loss_reduction")
def summed_1000(case: Case) -> Case | None:
    """A summed loss, plain SGD, batches of up to 1000 rows, as many updates."""
    summed = _summed(replace(case, optim=Optim("sgd", 0.1)))
    return summed.loop_with(batch=1000, epochs=150 if tabular(case) else 40, clip=0.0, schedule="")


@fault("loss_reduction")
def summed(case: Case) -> Case | None:
    """A summed loss with plain SGD or momentum, batches of 128."""
    rule = case.optim if case.optim.rule in ("sgd", "momentum", "nesterov") else Optim("sgd", 0.1)
    return _summed(replace(case, optim=rule)).loop_with(batch=128, epochs=case.loop.epochs * 2, clip=0.0)


@fault("gradient_sign")
def sign_flipped(case: Case) -> Case | None:
    """The loss is negated before it is differentiated."""
    return case.loop_with(sign=-1.0)


@fault("gradient_sign")
def maximized(case: Case) -> Case | None:
    """The optimizer goes up."""
    return case.optim_with(maximize=True)


@fault("gradient_sign", "loss_function")
def negative_loss(case: Case) -> Case | None:
    """A criterion that returns the negative cross-entropy."""
    return replace(case.net_with(head=""), criterion="negative_ce") if case.task == "classes" else None


@fault("gradient_sign", "loss_function")
def log_likelihood(case: Case) -> Case | None:
    """A log-likelihood that should grow, minimized."""
    if case.task == "numbers":
        return None
    decide = "logit" if case.task == "binary" else "argmax"
    return replace(case.net_with(head=""), criterion="log_likelihood", decide=decide)


@fault("label_shape_broadcast")
def broadcast(case: Case) -> Case | None:
    """Outputs (n, 1) against targets (n,)."""
    if case.task != "numbers":
        return None
    flat = case.on(lambda data, _: data.targets(lambda y: y.reshape(-1)))
    return replace(flat, criterion="mse").loop_with(function=False)


# ---- learning rate and optimizer -------------------------------------------------------------------------------------


@fault("lr_too_high")
def lr_x30(case: Case) -> Case | None:
    """Thirty times the learning rate."""
    return case.lr_times(30)


@fault("lr_too_high")
def lr_x100(case: Case) -> Case | None:
    """A hundred times the learning rate."""
    return case.lr_times(100)


@fault("lr_too_high")
def lr_x1000(case: Case) -> Case | None:
    """A thousand times the learning rate."""
    return case.lr_times(1000)


@fault("lr_too_low")
def lr_d100(case: Case) -> Case | None:
    """A hundredth of the learning rate."""
    return case.lr_times(1e-2)


@fault("lr_too_low")
def lr_d1000(case: Case) -> Case | None:
    """A thousandth of the learning rate."""
    return case.lr_times(1e-3)


@fault("lr_too_low")
def lr_d10000(case: Case) -> Case | None:
    """A ten-thousandth of the learning rate."""
    return case.lr_times(1e-4)


@fault("optimizer_choice", "lr_too_low")
def sgd_1e5(case: Case) -> Case | None:
    """Plain SGD at 1e-5."""
    return replace(case, optim=Optim("sgd", 1e-5))


@fault("optimizer_choice", "lr_too_low")
def adagrad_1e5(case: Case) -> Case | None:
    """Adagrad at 1e-5."""
    return replace(case, optim=Optim("adagrad", 1e-5))


@fault("optimizer_choice", "lr_too_low")
def adadelta_1e3(case: Case) -> Case | None:
    """Adadelta at 1e-3, some library's default."""
    return replace(case, optim=Optim("adadelta", 1e-3))


@fault("optimizer_choice", "lr_too_low", "depth", "init_scale_too_small")
def sgd_deep(case: Case) -> Case | None:
    """Plain SGD at 0.01 on eight layers as torch starts them, where Adam trains."""
    deep = layered(case, 8)
    return replace(deep, optim=Optim("sgd", 1e-2)) if deep else None


@fault("optimizer_choice", "unscaled_inputs")
def sgd_on_scales(case: Case) -> Case | None:
    """Plain SGD where columns' scales run from 0.01 to 3."""
    if len(case.net.shape) != 1 or case.net.norm:
        return None

    def change(data: Data, draw: torch.Generator) -> Data:
        scale = 10 ** (torch.rand(data.x_train.shape[1], generator=draw) * 2.5 - 2)
        return data.inputs(lambda x: x * scale)

    return replace(case.on(change), optim=Optim("sgd", 0.03))


@fault("optimizer_epsilon")
def epsilon_1(case: Case) -> Case | None:
    """Adam at 1e-3 with an epsilon of 1."""
    return replace(case, optim=Optim("adam", 1e-3, {"eps": 1.0}))


@fault("optimizer_epsilon")
def epsilon_10(case: Case) -> Case | None:
    """The case's own adaptive optimizer with an epsilon of 10."""
    if case.optim.rule not in ("adam", "adamw", "nadam", "rmsprop", "radam", "adamax"):
        return None
    return case.optim_with(eps=10.0)


@fault("lr_too_high", "optimizer_choice")
def gradients_kept(case: Case) -> Case | None:
    """Gradients are never set to zero."""
    return case.loop_with(zero_grad=False)


# ---- loop ------------------------------------------------------------------------------------------------------------


@fault("batch_size", "too_few_epochs")
def all_rows(case: Case) -> Case | None:
    """All rows in one batch, as many epochs."""
    return case.loop_with(batch=100_000)


@fault("batch_size", "batch_norm_misuse")
def batch_of_2(case: Case) -> Case | None:
    """Batch normalization on batches of two."""
    if (case.net.norm != "batch" and case.net.kind not in DENSE) or not case.net.hidden:
        return None
    return case.net_with(norm="batch").loop_with(batch=2, epochs=3)


@fault("too_few_epochs")
def one_epoch(case: Case) -> Case | None:
    """One epoch."""
    return case.loop_with(epochs=1, schedule="")


@fault("over_regularized")
def decay_10(case: Case) -> Case | None:
    """Weight decay of 10."""
    if case.optim.lr * 10 > 1.0:
        return case.optim_with(weight_decay=1.0)
    return case.optim_with(weight_decay=10.0)


@fault("over_regularized")
def decay_1(case: Case) -> Case | None:
    """Weight decay of 1."""
    return case.optim_with(weight_decay=1.0)


@fault("over_regularized")
def penalty_l1(case: Case) -> Case | None:
    """An L1 penalty of 0.1 on all weights."""
    return case.loop_with(l1=0.1)


@fault("batch_norm_misuse", "train_test_mismatch")
def norm_frozen(case: Case) -> Case | None:
    """Batch normalization in evaluation mode while the network trains, inputs off its start."""
    if case.net.norm != "batch":
        return None
    return case.on(lambda data, _: data.inputs(lambda x: x * 20)).loop_with(still="BatchNorm")


@fault("frozen_parameters")
def first_frozen(case: Case) -> Case | None:
    """All layers but the output's are frozen."""
    deep = layered(case, 6) if case.net.kind in DENSE else case
    count = 50 if deep is None else len(deep.net.hidden) + (deep.net.kind in ("residual", "conv", "tokens"))
    return deep.loop_with(frozen=count) if deep is not None and deep.net.hidden else None


@fault("frozen_parameters")
def last_only(case: Case) -> Case | None:
    """The optimizer was given the last layer only."""
    return case.loop_with(optimized="last") if case.net.hidden else None


@fault("frozen_parameters", "foreign_optimizer")
def other_model(case: Case) -> Case | None:
    """The optimizer was given the parameters of another copy of the network."""
    return case.loop_with(optimized="copy")
