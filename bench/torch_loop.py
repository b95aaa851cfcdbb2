"""The serial peer: one network after another with torch.nn and torch.optim, as most people write it."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from bench.cases import Case, Setting
from bench.contestants import Array, Folds, Task, Trained

ACTIVATIONS = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU,
}  # fmt: skip
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.0}),
}
THREAD_EPOCHS = 3  # of one trial, to choose the number of threads


def network(inputs: int, hidden: tuple[int, ...], outputs: int, activation: str) -> nn.Sequential:
    """Linear layers with Xavier weights and zero biases, and the activation between them."""
    layers: list[nn.Module] = []
    sizes = (inputs, *hidden, outputs)
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def best_threads(task: Task, x: Array, y: Array, folds: Folds) -> int:
    """1 or the number of jobs, whichever trains one trial faster."""
    seconds: dict[int, float] = {}
    one = task.case.only((0,), epochs=THREAD_EPOCHS)
    for threads in (1, task.jobs, 1, task.jobs):  # the second time counts: the first pays for starting
        start = time.perf_counter()
        train_serially(Task(task.contestant, one, task.seed, task.jobs, task.device), x, y, folds[:1], threads=threads)
        seconds[threads] = time.perf_counter() - start
    return min(seconds, key=lambda threads: seconds[threads])


def train_serially(task: Task, x: Array, y: Array, folds: Folds, *, threads: int) -> Trained:
    """One trial after another."""
    torch.set_num_threads(threads)
    scores = np.empty((len(task.case.settings), len(folds)))
    for number, setting in enumerate(task.case.settings):
        for fold, (train, validation) in enumerate(folds):
            torch.manual_seed(task.seed)
            scale = StandardScaler().fit(x[train])
            rows = torch.from_numpy(scale.transform(x)).to(task.device, torch.float32)
            labels = torch.from_numpy(y).to(task.device)
            parts = tuple(torch.from_numpy(part).to(task.device) for part in (train, validation))
            scores[number, fold] = _trial(task.case, setting, rows, labels, *parts)[-1]
    return Trained(scores)


def _trial(case: Case, setting: Setting, x: Tensor, y: Tensor, train: Tensor, validation: Tensor) -> list[float]:
    """Validation accuracy after every epoch."""
    model = network(x.shape[1], case.hidden, int(y.max()) + 1, setting.activation).to(x.device)
    make, options = OPTIMIZERS[setting.optimizer]
    optimizer = make(model.parameters(), lr=setting.lr, **options)
    criterion = nn.CrossEntropyLoss()
    x_train, y_train, x_validation, y_validation = x[train], y[train], x[validation], y[validation]
    curve = []
    for _ in range(case.epochs):
        model.train()
        for batch in torch.randperm(len(train), device=x.device).split(case.batch_size):
            optimizer.zero_grad()
            criterion(model(x_train[batch]), y_train[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            hits = model(x_validation).argmax(1) == y_validation
        curve.append(float(hits.float().mean()))
    return curve
