"""First-order optimizers: one update with different coefficients.

    m <- a m + b g        v <- c v + d g^2        w <- w - lr (e m + f g) / (sqrt(v) + eps)

Every rule is a record of numbers whose `coefficients(t)` gives a, b, c, d, e, f, eps at update t = 1, 2, ...
A rule without a second moment has c = d = 0 and eps = 1. `moments` says which of m and v a rule has,
`uses_gradient` whether f is not 0. `update.py` holds the one implementation.
"""

from tenfold.rules.optimizers.adagrad import Adagrad
from tenfold.rules.optimizers.adam import Adam, AdamW
from tenfold.rules.optimizers.rmsprop import RMSProp
from tenfold.rules.optimizers.sgd import SGD, Momentum, Nesterov

Optimizer = SGD | Momentum | Nesterov | Adagrad | RMSProp | Adam | AdamW

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Nesterov", "Optimizer", "RMSProp"]
