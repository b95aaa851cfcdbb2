"""Faults of the network: its start, its activations, its output, its layers."""

from __future__ import annotations

from dataclasses import replace

from bench.doctor.case import Case
from bench.doctor.operators import DENSE, fault, layered

# ---- start -----------------------------------------------------------------------------------------------------------


def _start(case: Case, rule: str, value: float) -> Case | None:
    return case.net_with(init=rule, init_value=value) if case.net.hidden else None


@fault("constant_init")
def init_zeros(case: Case) -> Case | None:
    """All weights zero."""
    return _start(case, "constant", 0.0)


@fault("constant_init")
def init_half(case: Case) -> Case | None:
    """All weights 0.5."""
    return _start(case, "constant", 0.5)


@fault("init_scale_too_small")
def init_std_1e3(case: Case) -> Case | None:
    """Weights of size 1e-3, in eight layers where the network is a plain stack."""
    deep = layered(case, 8) or (case if not case.net.norm else None)
    return _start(deep, "normal", 1e-3) if deep else None


@fault("init_scale_too_small")
def init_std_1e2(case: Case) -> Case | None:
    """Weights of size 0.01 in eight layers."""
    deep = layered(case, 8)
    return _start(deep, "normal", 1e-2) if deep else None


@fault("init_scale_too_large")
def init_std_1(case: Case) -> Case | None:
    """Weights of size 1, in four layers where the network is a plain stack."""
    return _start(layered(case, max(4, len(case.net.hidden))) or case, "normal", 1.0)


@fault("init_scale_too_large")
def init_std_3(case: Case) -> Case | None:
    """Weights of size 3."""
    return _start(case, "normal", 3.0)


@fault("dying_relu")
def bias_minus_30(case: Case) -> Case | None:
    """ReLU units that start far below zero."""
    if case.net.norm or not case.net.hidden or (case.net.kind == "recurrent" and len(case.net.hidden) < 2):
        return None
    return case.net_with(activation="relu", bias_value=-30.0)


# ---- activations and depth -------------------------------------------------------------------------------------------


@fault("hidden_activation", "depth")
def sigmoid_8(case: Case) -> Case | None:
    """Eight sigmoid layers."""
    deep = layered(case, 8)
    return deep.net_with(activation="sigmoid") if deep else None


@fault("hidden_activation", "depth")
def sigmoid_20(case: Case) -> Case | None:
    """Twenty sigmoid layers."""
    deep = layered(case, 20)
    return deep.net_with(activation="sigmoid") if deep else None


@fault("missing_hidden_nonlinearity")
def no_activation(case: Case) -> Case | None:
    """No activation between the layers."""
    if len(case.net.hidden) < 1 or case.net.kind == "recurrent":
        return None
    return case.net_with(activation="identity")


@fault("hidden_activation")
def squared(case: Case) -> Case | None:
    """a^2 as the activation of six layers."""
    deep = layered(case, 6)
    return deep.net_with(activation="square", init="he") if deep else None


@fault("depth", "init_scale_too_small")
def plain_25(case: Case) -> Case | None:
    """Twenty-five ReLU layers as torch starts them."""
    deep = layered(case, 25)
    return deep.net_with(activation="relu", init="default") if deep else None


@fault("depth", "hidden_activation")
def plain_tanh_30(case: Case) -> Case | None:
    """Thirty tanh layers, no normalization and no shortcuts."""
    deep = layered(case, 30)
    return deep.net_with(activation="tanh", init="default") if deep else None


@fault("depth")
def plain_40_he(case: Case) -> Case | None:
    """Forty narrow ReLU layers, rightly initialized."""
    deep = layered(case, 40)
    return deep.net_with(activation="relu", init="he", hidden=(12,) * 40) if deep else None


@fault("capacity")
def width_1(case: Case) -> Case | None:
    """One unit a layer."""
    if not case.net.hidden or case.net.kind == "residual":
        return None
    return case.net_with(hidden=(1,) * len(case.net.hidden))


@fault("capacity")
def bottleneck_2(case: Case) -> Case | None:
    """Layers of two units."""
    return case.net_with(hidden=(2,) * len(case.net.hidden)) if case.net.kind in DENSE and case.net.hidden else None


# ---- output ----------------------------------------------------------------------------------------------------------


@fault("output_activation")
def softmax_on_one(case: Case) -> Case | None:
    """Softmax over a single unit."""
    if case.task != "binary":
        return None
    return replace(case.net_with(head="softmax"), criterion="bce", decide="probability")


@fault("output_activation")
def relu_output(case: Case) -> Case | None:
    """ReLU on the output: of numbers, or of what the loss takes as logits."""
    if case.task == "numbers":
        return case.net_with(head="relu")
    return case.net_with(head="relu") if case.criterion in ("bce_logits", "ce") else None


@fault("output_activation")
def sigmoid_output(case: Case) -> Case | None:
    """Sigmoid on the output for numbers of either sign."""
    return case.net_with(head="sigmoid") if case.task == "numbers" else None


@fault("output_activation")
def softmax_output_numbers(case: Case) -> Case | None:
    """Softmax on the output of a regression."""
    return case.net_with(head="softmax") if case.task == "numbers" else None


@fault("output_activation", "loss_function")
def tanh_output(case: Case) -> Case | None:
    """tanh on the output: as logits of classes, or for two classes as a probability in a squared error."""
    if case.task == "numbers":
        return None
    if case.task == "binary":
        return replace(case.net_with(head="tanh"), criterion="mse", decide="probability")
    return case.net_with(head="tanh") if case.criterion == "ce" else None


@fault("output_activation", "loss_function")
def double_softmax(case: Case) -> Case | None:
    """Softmax, then a cross-entropy that takes logits."""
    return replace(case.net_with(head="softmax"), criterion="ce") if case.task == "classes" else None


@fault("output_activation", "loss_function")
def softmax_over_rows(case: Case) -> Case | None:
    """Softmax over the rows of the batch, then a cross-entropy that takes logits."""
    return replace(case.net_with(head="softmax_rows"), criterion="ce") if case.task == "classes" else None


@fault("output_activation", "loss_function")
def double_sigmoid(case: Case) -> Case | None:
    """Sigmoid, then a cross-entropy that takes logits, read as a probability."""
    if case.task != "binary":
        return None
    return replace(case.net_with(head="sigmoid"), criterion="bce_logits", decide="probability")


@fault("output_activation", "loss_function")
def no_log_softmax(case: Case) -> Case | None:
    """A log-likelihood loss on raw outputs."""
    return replace(case.net_with(head=""), criterion="nll") if case.task == "classes" else None


@fault("output_activation", "loss_function")
def nll_of_probabilities(case: Case) -> Case | None:
    """A log-likelihood loss on probabilities instead of their logarithms."""
    return replace(case.net_with(head="softmax"), criterion="nll") if case.task == "classes" else None


# ---- regularizing parts ----------------------------------------------------------------------------------------------


@fault("dropout_too_high")
def dropout_95(case: Case) -> Case | None:
    """Nineteen of twenty units dropped."""
    return case.net_with(dropout=0.95) if case.net.hidden else None


@fault("dropout_too_high")
def dropout_90(case: Case) -> Case | None:
    """Nine of ten units dropped."""
    return case.net_with(dropout=0.9) if case.net.hidden else None


@fault("batch_norm_misuse", "dropout_too_high")
def dropout_before_norm(case: Case) -> Case | None:
    """Dropout of 0.6 before batch normalization in every layer."""
    if case.net.kind not in (*DENSE, "conv", "conv_sequential") or not case.net.hidden:
        return None
    return case.net_with(norm="batch", dropout=0.6, dropout_first=True)


@fault("batch_norm_misuse", "train_test_mismatch")
def norm_never_warm(case: Case) -> Case | None:
    """Batch normalization whose averages hardly move, behind inputs off centre."""
    if (case.net.norm != "batch" and case.net.kind not in DENSE) or not case.net.hidden:
        return None
    return case.net_with(norm="batch", bn_momentum=1e-4)


@fault("missing_bias", "unscaled_targets")
def no_bias(case: Case) -> Case | None:
    """No biases, and targets around 8."""
    if case.task != "numbers" or case.net.norm:
        return None
    shifted = case.on(lambda data, _: data.targets(lambda y: y + 8.0))
    return shifted.net_with(bias=False)
