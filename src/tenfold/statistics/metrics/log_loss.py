"""Log loss: the mean negative log-likelihood of the class, in nats."""

from __future__ import annotations

from functools import partial

import numpy as np

from tenfold.statistics.metrics.metric import Array, Metric, weighted_mean


def log_losses(y: Array, p: Array) -> Array:
    """-ln p[class], with p clipped at the precision of its dtype (scikit-learn)."""
    own = np.take_along_axis(p, y[None, :, None], -1)[..., 0].astype(np.float64)
    eps = np.finfo(p.dtype).eps
    return -np.log(np.clip(own, eps, 1 - eps))


def log_loss(y: Array, p: Array) -> Array:
    """Mean of -ln p[class]."""
    return log_losses(y, p).mean(-1)


METRIC = Metric(
    name="log_loss",
    words="log loss",
    task="classification",
    higher_is_better=False,
    score=log_loss,
    rows=log_losses,
    weighted=partial(weighted_mean, log_losses),
    bounds=(0.0, np.inf),
    row_losses=log_losses,
)
