"""Dropout, averages of weights, and Adam's correction: what they do to trainings on digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.folklore.entry import Finding, erratum
from tenfold.engine.module import with_dropout
from tenfold.rules.losses import CrossEntropy
from tenfold.studies.parts.trainings import Trained, better, compete, drawn_digits, recipe, trained_networks

SAMPLES = 200


def nll(log_p: Tensor, y: Tensor) -> float:
    """Mean negative log-likelihood; log_p (rows, classes) needs no normalization."""
    return float(CrossEntropy.formula(log_p, y, 0.0).mean())


def scaled(found: Trained, factor: float) -> Tensor:
    """Outputs on the rows that score with every dropped-out layer times a factor."""
    h = found.test_x
    with torch.no_grad():
        for layer in found.module:
            h = h * factor if isinstance(layer, nn.Dropout) else layer(h)
    return h


@erratum(
    "E36 C64", "dropout",
    told="at test time multiply by dropout_rate",
    right="by 1 − dropout_rate, the share kept (inverted dropout does it in training); the two agree at 0.5, and "
    "accuracy hardly sees the mistake: the likelihood does",
    where="`dropout`",
)  # fmt: skip
def wrong_factor(seeds: int) -> Finding:
    """Networks trained with dropout 0.2, 0.5 and 0.8, evaluated with either factor."""
    rates = (0.2, 0.5, 0.8)
    found = trained_networks(
        [recipe(network={"dropout": rate}, epochs=15) for rate in rates], drawn_digits(range(seeds))
    )
    table: dict[float, Any] = {}
    for rate, arm in zip(rates, found, strict=True):
        outputs = [(scaled(one, 1.0), scaled(one, rate / (1 - rate)), one.test_y) for one in arm]
        losses = np.mean([[nll(right, y), nll(wrong, y)] for right, wrong, y in outputs], 0)
        hits = [[float((o.argmax(1) == y).double().mean()) for o in (right, wrong)] for right, wrong, y in outputs]
        table[rate] = losses, np.mean(hits, 0)
    return Finding(
        measured="; ".join(
            f"rate {rate:g}: NLL {loss[0]:.3f} → {loss[1]:.3f}, accuracy {hit[0]:.3f} → {hit[1]:.3f}"
            for rate, (loss, hit) in table.items()
        ) + " (at 0.2: NLL > 3 times; at 0.5 equal)",
        holds=table[0.2][0][1] > 3 * table[0.2][0][0] and bool(np.ptp(table[0.5][0]) < 1e-6),
    )  # fmt: skip


@erratum(
    "E37 C65", "dropout",
    told="averaging over many random masks is the exact expectation, scaling only a cheap stand-in",
    right="masks average probabilities, scaling is near their geometric mean; scaling is no worse, but only masks give "
    "an uncertainty",
    where="`dropout`; `predict --samples`",
)  # fmt: skip
def monte_carlo(seeds: int) -> Finding:
    """Dropout 0.5 on 300 digits: 200 masks against scaling."""
    (found,) = trained_networks([recipe(network={"dropout": 0.5}, epochs=40)], drawn_digits(range(seeds), 300))
    scores = []
    torch.manual_seed(0)
    for one in found:
        noisy = with_dropout(one.module)
        assert noisy is not None
        with torch.no_grad():
            logs = torch.stack([noisy(one.test_x).log_softmax(1) for _ in range(SAMPLES)])
            plain = one.module(one.test_x)
        arithmetic, geometric = logs.logsumexp(0) - np.log(SAMPLES), logs.mean(0)
        scores.append([
            *(nll(output, one.test_y) for output in (plain, arithmetic, geometric)),
            *(float((output.argmax(1) == one.test_y).double().mean()) for output in (plain, arithmetic)),
        ])  # fmt: skip
    scale, masks, geometric, hit, hits = np.mean(scores, 0)
    return Finding(
        measured=f"NLL: scaling {scale:.3f}, {SAMPLES} masks {masks:.3f}, their geometric mean {geometric:.3f}; "
        f"accuracy {hit:.3f} and {hits:.3f} (scaling no worse by more than 0.01 and 0.005)",
        holds=bool(scale < masks + 0.01 and hit > hits - 0.005),
    )


@erratum(
    "E31 C55", "optimizers",
    told="Adam's bias correction may be left out",
    right="it may at a rate that is several times lower; at the usual large ones the first steps do harm",
    where="`adam` (bias_correction)",
)  # fmt: skip
def correction(seeds: int) -> Finding:
    """50 updates on digits, with and without, by rate."""
    rates = [10 ** (k / 2) for k in range(-8, 0)]
    arms = {
        word: [
            recipe(batch_size=100, optimizer={"adam": {"lr": rate, "bias_correction": word == "with"}})
            for rate in rates
        ]
        for word in ("with", "without")
    }
    found = compete(arms, drawn_digits(range(seeds)))
    yes, no = found["with"], found["without"]
    at = rates.index(min(rates, key=lambda rate: abs(rate - 0.0316)))
    return Finding(
        measured=f"at lr {rates[at]:.3f} with {yes.scores[at].mean():.3f}, without {no.scores[at].mean():.3f}; each "
        f"at its best: with {yes}, without {no}",
        holds=None if yes.border or no.border else better(yes.scores[at], no.scores[at]) == 1
        and abs(yes.best.mean() - no.best.mean()) < 0.05,
    )  # fmt: skip


@erratum(
    "O7", "averages",
    told="averaging the weights gives one or two percent",
    right="far more where the rate is too large for the batch, next to nothing where it is not",
    where="`weight_average`",
)  # fmt: skip
def averaged(seeds: int) -> Finding:
    """Batches of 5 at rates from too small to too large, last weights and their average."""
    rates = (0.03, 0.1, 0.2, 0.3, 0.5)
    arms = {
        f"{decay:g}": [
            recipe((100,), batch_size=5, weight_average=decay, optimizer={"sgd": {"lr": rate}}) for rate in rates
        ]
        for decay in (0.0, 0.99)
    }
    found = compete(arms, drawn_digits(range(seeds)))
    last, mean = found["0"], found["0.99"]
    return Finding(
        measured=", ".join(
            f"lr {rate:g}: {w.mean():.3f} → {m.mean():.3f}"
            for rate, w, m in zip(rates, last.scores, mean.scores, strict=True)
        ) + f"; each at its best: {last} → {mean} (at 0.5 > 0.05 better; best no difference)",
        holds=None if last.border or mean.border
        else mean.at(0.5).mean() - last.at(0.5).mean() > 0.05 and better(mean.at(0.5), last.at(0.5)) == 1
        and better(mean.best, last.best) == 0,
    )  # fmt: skip
