"""Problems for second-order methods: objectives of many lanes, and running a method on them."""

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from tenfold.rules.optimizers.objective import AutogradObjective

STRENGTH = 0.01


class Plain:
    """An objective from a loss (L, P) -> (L,), with the exact Hessian for the Gauss-Newton matrix too."""

    def __init__(self, loss):
        identity = lambda w: w[:, None, :]  # noqa: E731
        self._of = AutogradObjective(identity, lambda o: loss(o[:, 0]))

    def __getattr__(self, name):
        return getattr(self._of, name)


class Apart:
    """Lanes of different problems, each evaluated alone: what differs between packs is then the method's doing."""

    def __init__(self, members):
        self.members = members

    def __getattr__(self, name):
        def stacked(*rows):
            parts = [getattr(one, name)(*(row[i : i + 1] for row in rows)) for i, one in enumerate(self.members)]
            pairs = isinstance(parts[0], tuple)
            return tuple(map(torch.cat, zip(*parts, strict=True))) if pairs else torch.cat(parts)

        return stacked


def logistic(x, y, classes, lanes=1):
    """Regularized softmax regression, standardized inputs, weights penalized, biases not; (objective, size)."""
    x = torch.from_numpy((x - x.mean(0)) / x.std(0))
    y = torch.from_numpy(y)
    columns = x.shape[1]

    def outputs(w):
        weight, bias = w[:, : columns * classes], w[:, columns * classes :]
        return x @ weight.view(-1, columns, classes) + bias[:, None]

    def loss(o):
        return -o.log_softmax(2).gather(2, y[None, :, None].expand(len(o), -1, 1))[..., 0].mean(1)

    strength = torch.zeros(lanes, (columns + 1) * classes, dtype=torch.float64)
    strength[:, : columns * classes] = STRENGTH
    return AutogradObjective(outputs, loss, strength), strength.shape[1]


def problem(name, lanes=1):
    x, y = {"cancer": load_breast_cancer, "wine": load_wine}[name](return_X_y=True)
    return logistic(x, y, int(y.max()) + 1, lanes)


def run(rule, objective, w, updates, stop=0.0):
    state = rule.start(w)
    rate = torch.full((len(w),), float(rule.lr), dtype=w.dtype)
    for made in range(updates):
        if stop and float(objective.gradient(w)[1].norm(dim=1).max()) < stop:
            return w, made
        w, state = rule.advance(w, rate, objective, state)
    return w, updates


def quadratic(size, condition, seed):
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = torch.from_numpy(q @ np.diag(np.geomspace(1, condition, size)) @ q.T)
    minimum = torch.from_numpy(rng.normal(size=size))
    return Plain(lambda w: 0.5 * (((w - minimum) @ matrix) * (w - minimum)).sum(1)), matrix, minimum


def network(activation=torch.tanh, hidden=5, seed=0, lanes=1):
    """A small network on iris; (objective, initial w of all lanes)."""
    x, y = load_iris(return_X_y=True)
    x, y = torch.from_numpy((x - x.mean(0)) / x.std(0)), torch.from_numpy(y)
    sizes = [(4, hidden), (1, hidden), (hidden, 3), (1, 3)]
    cuts = np.cumsum([a * b for a, b in sizes])[:-1].tolist()

    def outputs(w):
        parts = [part.view(-1, *size) for part, size in zip(w.tensor_split(cuts, 1), sizes, strict=True)]
        return activation(x @ parts[0] + parts[1]) @ parts[2] + parts[3]

    def loss(o):
        return -o.log_softmax(2).gather(2, y[None, :, None].expand(len(o), -1, 1))[..., 0].mean(1)

    total = sum(a * b for a, b in sizes)
    w = torch.from_numpy(np.random.default_rng(seed).normal(size=(lanes, total)) * 0.5)
    return AutogradObjective(outputs, loss, torch.full((lanes, total), 1e-3, dtype=torch.float64)), w


def different_problems():
    """Five problems of 43 parameters, of which the quadratic ones end first; (members, w)."""
    valley = Plain(lambda w: (100 * (w[:, 1:] - w[:, :-1] ** 2) ** 2 + (1 - w[:, :-1]) ** 2).sum(1))
    members = [
        network(seed=7)[0], quadratic(43, 1.0, 1)[0], valley, network(torch.relu, seed=8)[0], quadratic(43, 1e3, 2)[0],
    ]  # fmt: skip
    return members, network(lanes=5, seed=9)[1]
