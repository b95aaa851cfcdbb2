"""Outputs that are not centred cost a factor in the rate, by the conditioning of the layer above."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.activations import Sigmoid, Tanh
from tenfold.rules.initialization import Fans, LeCun
from tenfold.rules.losses import CrossEntropy
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.stacked import stacked_outputs, standardized_digits
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

ROWS, BATCH, EPOCHS = 1000, 50, 5
SIZES = ((65, 50), (51, 50), (51, 10))
RATES = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-3, 5))
LOST = 10.0
# Pairs with the same slope everywhere: as they are, and less their mean at 0.
PAIRS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "sigmoid": (Sigmoid.formula, lambda z: Sigmoid.formula(z) - 0.5),
    "4 sigmoid": (lambda z: 4 * Sigmoid.formula(z), lambda z: 4 * Sigmoid.formula(z) - 2),
    "tanh + 1": (lambda z: Tanh.formula(z) + 1, Tanh.formula),
}


def _losses(activation: Callable[[Tensor], Tensor], seeds: Sequence[int]) -> np.ndarray:
    """Training losses (rates, seeds) behind the epochs of SGD; a lane for each rate and seed."""
    x, classes = standardized_digits()
    rngs = [np.random.default_rng(seed) for seed in seeds]
    chosen = [rng.permutation(len(x))[:ROWS] for rng in rngs]
    starts = []
    for rng in rngs:
        parts = [drawn_weights(LeCun(), Fans(inputs - 1, units), rng) for inputs, units in SIZES]
        starts.append(torch.cat([torch.cat([part, part.new_zeros(1, part.shape[1])]).ravel() for part in parts]))
    w = torch.stack(starts).float().repeat(len(RATES), 1)
    rates = torch.tensor(RATES).repeat_interleave(len(seeds))[:, None]
    data, target = torch.from_numpy(x[chosen]).float(), torch.from_numpy(classes[np.array(chosen)].astype(np.int64))

    def loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        output = stacked_outputs(w, x.repeat(len(RATES), 1, 1), SIZES, activation)
        return CrossEntropy.formula(output, y.repeat(len(RATES), 1), 0.0).mean(1)

    for _ in range(EPOCHS):
        order = torch.from_numpy(np.stack([rng.permutation(ROWS) for rng in rngs]))
        for batch in order.split(BATCH, 1):
            w.requires_grad_()
            rows = batch[..., None].expand(-1, -1, data.shape[2])
            (g,) = torch.autograd.grad(loss(w, data.gather(1, rows), target.gather(1, batch)).sum(), w)
            w = (w - rates * g).detach()
    return loss(w, data, target).nan_to_num(LOST, LOST, LOST).clamp(max=LOST).view(len(RATES), -1).numpy().astype(float)


def _measure(seeds: Sequence[int]) -> Measured:
    """Best training losses, and the highest rates at which all seeds train, of each pair."""
    found: dict[str, Any] = {}
    for name, pair in PAIRS.items():
        best, stable = [], []
        for kind, activation in zip(("as it is", "centred"), pair, strict=True):
            losses = _losses(activation, seeds)
            place = int(losses.max(1).argmin())
            best.append(np.log10(np.maximum(losses[place], 1e-9)))
            stable.append(max(rate for rate, row in zip(RATES, losses, strict=True) if row.max() < 1))
            found |= {
                f"loss by rate, {name}, {kind}": losses.T, f"loss, {name}, {kind}": losses[place],
                f"best rate inside, {name}, {kind}": np.full(len(seeds), float(0 < place < len(RATES) - 1)),
            }  # fmt: skip
        found[f"log10 loss, as it is over centred, {name}"] = best[0] - best[1]
        found[f"highest rate, centred over as it is, {name}"] = np.full(len(seeds), stable[1] / stable[0])
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    losses = "; ".join(
        f"{name} {means[f'loss, {name}, as it is']:.3f}, centred {means[f'loss, {name}, centred']:.4f}"
        for name in PAIRS
    )
    rates = ", ".join(f"{means[f'highest rate, centred over as it is, {name}']:.3g}" for name in PAIRS)
    return (
        f"Training loss after {EPOCHS} epochs, each at its own best rate: {losses}. The slopes of a pair are the same; "
        f"what the mean does is to add one large curvature in the layer above, so that the centred ones bear rates "
        f"{rates} times as high."
    )


def _picture(found: Measured) -> StudyPicture:
    """Losses by rate of two pairs."""
    curves = {f"{name}, {kind}": found[f"loss by rate, {name}, {kind}"].mean(0)
              for name in ("sigmoid", "tanh + 1") for kind in ("as it is", "centred")}  # fmt: skip
    return curve_picture(RATES, curves, "learning rate", "training loss after five epochs", log="xy")


STUDY = ClaimStudy(
    name="off-centre",
    claims=("C13",),
    told="activations that are not centred around 0 slow the training",
    verdict=HOLDS,
    formula="the curvature of a layer above outputs a is at most that of E[a a^T] = Cov[a] + mean mean^T:   a mean "
    "adds an\n"
    "eigenvalue of about |mean|^2, and the rate must stay below 2 over the largest",
    done="64-50-50-10 with LeCun's weights on 1,000 standardized digits, batches of 50, five epochs of SGD at eight "
    "rates: sigmoid, four times sigmoid and tanh + 1, each against the same less its mean at 0.",
    follows="Prefer tanh to the sigmoid, and normalize; compare activations at their own best rates, at one rate for "
    "all the difference does not show.",
    rules=("tanh", "sigmoid"),
    recipe="network: {hidden: [50, 50], activation: sigmoid}\n"
    "init: lecun\n"
    "optimizer: {sgd: {lr: 3.0}}\n"
    "batch_size: 50\n"
    "epochs: 5\n",
    sources=("LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, sections 4.3 and 4.4",),
    measure=_measure,
    bounds=(
        *(Bound(f"log10 loss, as it is over centred, {name}", 0.3, clear=True) for name in PAIRS),
        *(Bound(f"highest rate, centred over as it is, {name}", 2.5) for name in PAIRS),
        *(Bound(f"best rate inside, {name}, {kind}", 1) for name in PAIRS for kind in ("as it is", "centred")),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
