"""Averages of weights: what they do to trainings on digits."""

from __future__ import annotations

from bench.folklore.entry import Finding, erratum
from tenfold.studies.parts.trainings import better, compete, drawn_digits, recipe


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
