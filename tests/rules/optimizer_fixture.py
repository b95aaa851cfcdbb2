"""Gradients that tell the conventions of optimizers apart, what runs a rule on them, and slow oracles.

An oracle gives the iterates (T, D) from w = 0 for gradients (T, D), rates (T,) and a rule's fields. Those of torch,
optax and scikit-learn run the library; those of Keras, CS231n, the lecture and the papers are written out here.
"""

import math

import numpy as np
import pytest
import torch
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from tenfold.rules.optimizers.base import FIRST_MOMENT, SECOND_MOMENT
from tenfold.rules.optimizers.update import UPDATES, Coefficients, Flat, Need, Time

D, T, LR = 50, 200, 1e-2


def fixture():
    """Gradients (T, D) of sizes from 1e-6 to 10: the smallest show where eps stands."""
    return np.random.default_rng(0).standard_normal((T, D)) * 10 ** np.linspace(-6, 1, D)


def rates(decay, steps=T):
    """lr decay^(t - 1)."""
    return LR * decay ** np.arange(steps)


# ---- the rules under test ----------------------------------------------------------------------------------------


def times(rate, momentum=None):
    """The times of all updates of a training with these rates."""
    steps = np.arange(float(len(rate)))
    return Time(steps + 1, np.asarray(rate, float), steps / len(rate), momentum)


def coefficients(rules, when):
    """For each update its coefficients for a lane each, (lanes, 1); when: a Time for each rule."""
    table = np.stack([np.stack(rule.coefficients(time), 1) for rule, time in zip(rules, when, strict=True)], 2)
    return [Coefficients(*row.unbind(0)) for row in torch.from_numpy(table)[..., None]]  # (updates, 9, lanes, 1)


def train(rules, gradient, rate, *, width=D, start=0.0, lazy=True, momentum=None, matrices=()):
    """All iterates (steps, lanes, width) of rules of one family. gradient(w, t); rate: (steps,) or (steps, lanes);
    momentum: (steps,) of a schedule. lazy: leave out the rows that no rule here needs, and what Need says is 0."""
    rate = np.broadcast_to(np.transpose(rate), (len(rules), len(rate))).T
    shape = len(rules), width
    states = [rule.state() for rule in rules]
    names = {name for state in states for name in state} | (set() if lazy else {FIRST_MOMENT, SECOND_MOMENT})
    first = {name: [[state.get(name, 0.0)] for state in states] for name in names}
    state = {name: torch.tensor(column, dtype=torch.float64).expand(shape).clone() for name, column in first.items()}
    w = torch.full(shape, float(start), dtype=torch.float64)
    table = coefficients(rules, [times(column, momentum) for column in rate.T])
    needs = [Need.of(k) for k in table]
    plain, inside = (not lazy or any(part) for part in zip(*(need[:2] for need in needs), strict=True))
    need = Need(plain, inside, matrices)
    path = []
    for t, k in enumerate(table, 1):
        g = torch.as_tensor(gradient(w, t)).expand(shape).clone()
        UPDATES[rules[0].family](Flat(w, g, state, torch.empty_like(w)), k, need)
        path.append(w.clone())
    return torch.stack(path).numpy()


def iterates(rule, gradients, rate, **options):
    """The iterates (T, D) of one rule for given gradients."""
    return train([rule], lambda w, t: gradients[t - 1], rate, width=gradients.shape[1], **options)[:, 0]


def apart(ours, theirs):
    """The largest difference over the larger of 1 and the oracle's number."""
    return float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))))


# ---- libraries ---------------------------------------------------------------------------------------------------


def torch_path(make, gradients, rate, momentum=None):
    """The iterates of a torch.optim optimizer made from a list of parameters."""
    p = torch.zeros(gradients.shape[1:], dtype=torch.float64, requires_grad=True)
    optimizer, path = make([p]), []
    for t, g in enumerate(gradients):
        for group in optimizer.param_groups:
            group["lr"] = float(rate[t])
            if momentum is not None:
                group.update(
                    {"momentum": momentum[t]} if "momentum" in group else {"betas": (momentum[t], group["betas"][1])}
                )
        p.grad = torch.from_numpy(g.copy())
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path).numpy()


def optax_path(scale, gradients, rate):
    """The iterates of an optax transformation, its updates times the rates: w <- w - rate update."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    first = jax.numpy.zeros(gradients.shape[1:], dtype=np.float64)

    def step(carry, now):
        w, state = carry
        g, r = now
        update, state = scale.update(g, state, w)
        w = w - r * update
        return (w, state), w

    return np.asarray(jax.lax.scan(step, (first, scale.init(first)), (gradients, rate))[1])


def sklearn_path(optimizer, gradients, rate):
    """The iterates of one of scikit-learn's stochastic optimizers."""
    w = np.zeros(gradients.shape[1])
    path = []
    for g, r in zip(gradients, rate, strict=True):
        optimizer.learning_rate = optimizer.learning_rate_init = r
        optimizer.update_params([w], [g])
        path.append(w.copy())
    return np.stack(path)


def sklearn_sgd(nesterov):
    return lambda g, r, o: sklearn_path(SGDOptimizer([g[0]], momentum=o.get("momentum", 0.0), nesterov=nesterov), g, r)


def sklearn_adam(g, r, o):
    return sklearn_path(AdamOptimizer([g[0]], beta_1=o["beta1"], beta_2=o["beta2"], epsilon=o["eps"]), g, r)


# ---- transcriptions ----------------------------------------------------------------------------------------------


def slowly(step):
    """An oracle from step(w, g, t, r, memory, o): the new w; memory is a dictionary of arrays that begin at 0."""

    def path(gradients, rate, o):
        w, memory, found = np.zeros(gradients.shape[1]), {}, []
        for name in ("m", "v", "u"):
            memory[name] = np.zeros(gradients.shape[1])
        for t, (g, r) in enumerate(zip(gradients, rate, strict=True), 1):
            w = step(w, g, t, r, memory, o)
            found.append(w)
        return np.stack(found)

    return path


@slowly
def descent(w, g, t, r, s, o):
    return w - r * g


@slowly
def velocity(w, g, t, r, s, o):  # CS231n, Keras, the lecture
    s["v"] = o["momentum"] * s["v"] - r * g
    return w + s["v"]


@slowly
def cs231n_nesterov(w, g, t, r, s, o):
    before = s["v"]
    s["v"] = o["momentum"] * s["v"] - r * g
    return w - o["momentum"] * before + (1 + o["momentum"]) * s["v"]


@slowly
def keras_nesterov(w, g, t, r, s, o):
    s["m"] = s["m"] * o["momentum"] - g * r
    return w + s["m"] * o["momentum"] - g * r


@slowly
def keras_adagrad(w, g, t, r, s, o):
    s["v"] = s["v"] + (0.1 if t == 1 else 0) + np.square(g)
    return w - r * g / np.sqrt(s["v"] + 1e-7)


@slowly
def lecture_adagrad(w, g, t, r, s, o):
    s["v"] = s["v"] + g**2
    return w - r * g / (np.sqrt(s["v"]) + 1e-7)


@slowly
def keras_rmsprop(w, g, t, r, s, o):
    s["v"] = 0.9 * s["v"] + (1 - 0.9) * np.square(g)
    return w - r * g / np.sqrt(s["v"] + 1e-7)


@slowly
def lecture_rmsprop(w, g, t, r, s, o):  # CS231n's too
    s["v"] = o["rho"] * s["v"] + (1 - o["rho"]) * g**2
    return w - r * g / (np.sqrt(s["v"]) + o["eps"])


@slowly
def keras_adadelta(w, g, t, r, s, o):
    s["v"] = 0.95 * s["v"] + (1 - 0.95) * np.square(g)
    delta = -np.sqrt(s["u"] + 1e-7) * g / np.sqrt(s["v"] + 1e-7)
    s["u"] = 0.95 * s["u"] + (1 - 0.95) * np.square(delta)
    return w + r * delta


def keras_adam(amsgrad):
    @slowly
    def path(w, g, t, r, s, o):
        alpha = r * np.sqrt(1 - o["beta2"] ** t) / (1 - o["beta1"] ** t)
        s["m"] = s["m"] + (g - s["m"]) * (1 - o["beta1"])
        s["v"] = s["v"] + (np.square(g) - s["v"]) * (1 - o["beta2"])
        s["u"] = np.maximum(s["u"], s["v"])
        return w - s["m"] * alpha / (np.sqrt(s["u"] if amsgrad else s["v"]) + 1e-7)

    return path


@slowly
def cs231n_adam(w, g, t, r, s, o):
    s["m"] = 0.9 * s["m"] + (1 - 0.9) * g
    s["v"] = 0.999 * s["v"] + (1 - 0.999) * g**2
    return w - r * (s["m"] / (1 - 0.9**t)) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


@slowly
def lecture_adam(w, g, t, r, s, o):
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.995 * s["v"] + 0.005 * g * g
    return w - r * s["m"] / (np.sqrt(s["v"]) + 1e-7)


@slowly
def dozat(w, g, t, r, s, o):
    """NAdam, all in float64; Keras' text with the decay of mu as an option."""
    mu = lambda i: o["beta1"] * (1 - 0.5 * 0.96 ** (i * o["momentum_decay"]))  # noqa: E731
    s["m"] = o["beta1"] * s["m"] + (1 - o["beta1"]) * g
    s["v"] = o["beta2"] * s["v"] + (1 - o["beta2"]) * g**2
    product = math.prod(mu(i) for i in range(1, t + 1))
    m_hat = mu(t + 1) * s["m"] / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
    return w - r * m_hat / (np.sqrt(s["v"] / (1 - o["beta2"] ** t)) + o["eps"])


@slowly
def chen(w, g, t, r, s, o):
    """Lion."""
    c = o["beta1"] * s["m"] + (1 - o["beta1"]) * g
    s["m"] = o["beta2"] * s["m"] + (1 - o["beta2"]) * g
    return w - r * np.sign(c)


def jordan(gradients, rate, shape, o):
    """Muon on one matrix (rows, columns) = (units, inputs) of its paper: iterates (T, rows columns)."""
    w, m, path = np.zeros(shape), np.zeros(shape), []
    for t, (g, r) in enumerate(zip(gradients.reshape(-1, *shape), rate, strict=True), 1):
        m = o["momentum"] * m + (1 - o["momentum"]) * g
        x = o["momentum"] * m + (1 - o["momentum"]) * g if o["nesterov"] else m
        if o["bias_correction"]:
            mu = o["momentum"]
            x = mu * m / (1 - mu ** (t + 1)) + (1 - mu) * g / (1 - mu**t)
        x = x / max(np.linalg.norm(x), 1e-7)
        for _ in range(5):
            x = 3.4445 * x + (-4.7750 * x @ x.T + 2.0315 * (x @ x.T) @ (x @ x.T)) @ x
        scale = 0.2 * max(shape) ** 0.5 if o["scale"] == "match_rms" else max(1, shape[0] / shape[1]) ** 0.5
        w = w - r * scale * x
        path.append(w.ravel())
    return np.stack(path)
