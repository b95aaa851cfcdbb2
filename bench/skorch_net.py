"""The peer that wraps torch for scikit-learn: skorch's NeuralNetClassifier in GridSearchCV."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import Tensor, nn

from bench.cases import Setting
from bench.contestants import Array, Folds, Task, Trained, grid_scores
from bench.torch_loop import OPTIMIZERS, network


class Net(nn.Module):
    """The network of the serial loop, made from parameters that a grid can hold."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, activation: str) -> None:
        super().__init__()
        self.layers = network(inputs, hidden, outputs, activation)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (B, classes) of rows (B, columns)."""
        return self.layers(rows)


def train_skorch(task: Task, x: Array, y: Array, folds: Folds) -> Trained:
    """Accuracies after the last epoch; there is no validation after the others."""
    torch.manual_seed(task.seed)
    case = task.case
    options: dict[str, Any] = {
        "criterion": nn.CrossEntropyLoss, "max_epochs": case.epochs, "batch_size": case.batch_size,
        "train_split": None, "iterator_train__shuffle": True, "verbose": 0, "device": task.device,
    }  # fmt: skip
    shape = {"inputs": x.shape[1], "hidden": case.hidden, "outputs": int(y.max()) + 1, "activation": "relu"}
    net = NeuralNetClassifier(Net, **options, **{f"module__{name}": value for name, value in shape.items()})
    parameters = [_parameters(setting) for setting in case.settings]
    return grid_scores(net, parameters, task, x.astype(np.float32), y, folds)


def _parameters(setting: Setting) -> dict[str, Any]:
    optimizer, options = OPTIMIZERS[setting.optimizer]
    found = {"lr": setting.lr, "optimizer": optimizer, "module__activation": setting.activation}
    return found | {f"optimizer__{name}": value for name, value in options.items()}
