"""Faults of the data."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bench.doctor.case import Case, Data
from bench.doctor.operators import fault, numeric, tabular

Draw = torch.Generator


def _scaled(case: Case, factor: float, shift: float = 0.0) -> Case | None:
    return case.on(lambda data, _: data.inputs(lambda x: x * factor + shift)) if numeric(case) else None


def _column(case: Case, factor: float, shift: float = 0.0) -> Case | None:
    def change(data: Data, draw: Draw) -> Data:
        place = int(torch.randint(data.x_train.shape[1], (1,), generator=draw))

        def one(x: Tensor) -> Tensor:
            x = x.clone()
            x[:, place] = x[:, place] * factor + shift
            return x

        return data.inputs(one)

    return case.on(change) if tabular(case) else None


@fault("unscaled_inputs")
def column_x1e3(case: Case) -> Case | None:
    """One column in other units."""
    return _column(case, 1e3)


@fault("unscaled_inputs")
def column_x1e4_offset(case: Case) -> Case | None:
    """One column like a year's income."""
    return _column(case, 1e4, 3e4)


@fault("unscaled_inputs")
def columns_spread(case: Case) -> Case | None:
    """Every column in units of its own, from 1e-2 to 1e4."""

    def change(data: Data, draw: Draw) -> Data:
        scale = 10 ** (torch.rand(data.x_train.shape[1], generator=draw) * 6 - 2)
        return data.inputs(lambda x: x * scale)

    return case.on(change) if tabular(case) else None


@fault("unscaled_inputs")
def inputs_x1e4(case: Case) -> Case | None:
    """All inputs far too large."""
    return _scaled(case, 1e4)


@fault("unscaled_inputs")
def inputs_x255(case: Case) -> Case | None:
    """Pixels that were not divided."""
    return _scaled(case, 255.0)


@fault("unscaled_inputs")
def inputs_plus_1e3(case: Case) -> Case | None:
    """A large offset on all inputs."""
    return _scaled(case, 1.0, 1e3)


@fault("double_scaled_inputs")
def inputs_d255(case: Case) -> Case | None:
    """Divided by 255 once more."""
    return _scaled(case, 1 / 255)


@fault("double_scaled_inputs")
def inputs_d1e4(case: Case) -> Case | None:
    """Standardized, then divided by a large constant."""
    return _scaled(case, 1e-4)


@fault("double_scaled_inputs")
def inputs_d255_half(case: Case) -> Case | None:
    """Divided by 255 once more and centred as if it had not been: almost the same number for all."""
    return _scaled(case, 0.5 / 255, -1.0)


@fault("unscaled_targets")
def targets_x1e4(case: Case) -> Case | None:
    """Targets in small units."""
    return case.on(lambda data, _: data.targets(lambda y: y * 1e4)) if case.task == "numbers" else None


@fault("unscaled_targets")
def targets_plus_1e4(case: Case) -> Case | None:
    """Targets far from zero."""
    return case.on(lambda data, _: data.targets(lambda y: y + 1e4)) if case.task == "numbers" else None


@fault("unscaled_targets")
def targets_raw(case: Case) -> Case | None:
    """Targets as prices: 2e5 give or take 6e4."""
    return case.on(lambda data, _: data.targets(lambda y: y * 6e4 + 2e5)) if case.task == "numbers" else None


@fault("corrupted_labels")
def labels_shuffled(case: Case) -> Case | None:
    """Targets dealt anew among the rows, in training and in the loop's validation."""

    def change(data: Data, draw: Draw) -> Data:
        y, v = (t[torch.randperm(len(t), generator=draw)] for t in (data.y_train, data.y_val))
        return replace(data, y_train=y, y_val=v)

    return case.on(change)


@fault("corrupted_labels")
def rows_sorted(case: Case) -> Case | None:
    """The training inputs were sorted, their targets were not."""

    def change(data: Data, draw: Draw) -> Data:
        key = data.x_train.reshape(len(data.x_train), -1)[:, 0]
        return replace(data, x_train=data.x_train[key.argsort()])

    return case.on(change)


def _noise(case: Case, share: float) -> Case:
    def wrong(y: Tensor, draw: Draw) -> Tensor:
        chosen = torch.rand(len(y), generator=draw) < share
        other = y[torch.randperm(len(y), generator=draw)]
        if case.task == "classes":
            classes = int(y.max()) + 1
            other = (y + torch.randint(1, classes, y.shape, generator=draw)) % classes
        elif case.task == "binary":
            other = 1 - y
        return torch.where(chosen.reshape(-1, *[1] * (y.dim() - 1)), other, y)

    def change(data: Data, draw: Draw) -> Data:
        return replace(data, y_train=wrong(data.y_train, draw), y_val=wrong(data.y_val, draw))

    return case.on(change)


@fault("corrupted_labels")
def labels_noise(case: Case) -> Case | None:
    """Many labels wrong: 40 % of two classes, 60 % of more, 80 % of numbers."""
    return _noise(case, {"binary": 0.4, "classes": 0.6, "numbers": 0.8}[case.task])


@fault("class_imbalance")
def imbalance(case: Case) -> Case | None:
    """All classes but one make up 2 % of the rows that the program sees; scored on the rows as they were."""

    def thin(x: Tensor, y: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        labels = y.reshape(-1).long()
        common = labels == torch.bincount(labels).argmax()
        keep = max(1, round(float(common.sum()) * 0.02))
        rare = (~common).nonzero()[:, 0]
        rows = torch.cat([common.nonzero()[:, 0], rare[torch.randperm(len(rare), generator=draw)[:keep]]])
        return x[rows], y[rows]

    def change(data: Data, draw: Draw) -> Data:
        x, y = thin(data.x_train, data.y_train, draw)
        u, v = thin(data.x_val, data.y_val, draw)
        return replace(data, x_train=x, y_train=y, x_val=u, y_val=v)

    return None if case.task == "numbers" else case.on(change)


@fault("train_test_mismatch")
def evaluation_unscaled(case: Case) -> Case | None:
    """The training inputs were standardized, those of the evaluation were not."""
    if not numeric(case):
        return None
    return case.on(lambda data, _: data.inputs(lambda x: x * 30 + 50, train=False)).loop_with(validate=True)


@fault("train_test_mismatch")
def evaluation_x255(case: Case) -> Case | None:
    """The training inputs were divided by 255, those of the evaluation were not."""
    if not numeric(case):
        return None
    return case.on(lambda data, _: data.inputs(lambda x: x * 255, train=False)).loop_with(validate=True)


@fault("missing_gradient_clipping", "unscaled_inputs")
def outlier_row(case: Case) -> Case | None:
    """One training row holds numbers of 1e6."""

    def change(data: Data, draw: Draw) -> Data:
        x = data.x_train.clone()
        x[int(torch.randint(len(x), (1,), generator=draw))] *= 1e6
        return replace(data, x_train=x)

    return case.on(change) if numeric(case) else None


@fault("missing_gradient_clipping", "unscaled_targets", "corrupted_labels")
def outlier_target(case: Case) -> Case | None:
    """Two training targets are 1e5."""

    def change(data: Data, draw: Draw) -> Data:
        y = data.y_train.clone()
        y[torch.randperm(len(y), generator=draw)[:2]] = 1e5
        return replace(data, y_train=y)

    return case.on(change) if case.task == "numbers" else None


@fault("missing_regularization", "capacity", note=True)
def huge_on_sixty(case: Case) -> Case | None:
    """A wide network on 60 noisy rows, trained for long."""
    if case.net.kind not in ("sequential", "blocks", "functional"):
        return None

    def change(data: Data, draw: Draw) -> Data:
        return replace(data, x_train=data.x_train[:60], y_train=data.y_train[:60])

    return _noise(case, 0.1).on(change).net_with(hidden=(256, 256), dropout=0.0).loop_with(epochs=120, batch=20)
