"""Optimizers: records of numbers whose `coefficients(time)` say what an update does at each time.

First-order rules of the family "shared" are one update with different coefficients:

    m <- a m + b g        v <- c v + d g^2        w <- w - (e m + f g) / (sqrt(v + inside) + eps)

The other families have an update each; all are in `update.py`. A rule names the rows of state that it keeps, such as m
and v. Second-order methods (`second_order.py`) see the loss of their batch as a function instead of one gradient.
"""

from tenfold.rules.optimizers.adadelta import Adadelta
from tenfold.rules.optimizers.adagrad import Adagrad
from tenfold.rules.optimizers.adam import Adam, AdamW, AMSGrad, NAdam
from tenfold.rules.optimizers.gauss_newton import GaussNewton
from tenfold.rules.optimizers.hessian_free import HessianFree
from tenfold.rules.optimizers.lbfgs import LBFGS
from tenfold.rules.optimizers.lion import Lion
from tenfold.rules.optimizers.momentum import Momentum, Nesterov
from tenfold.rules.optimizers.muon import Muon
from tenfold.rules.optimizers.newton import Newton
from tenfold.rules.optimizers.rmsprop import RMSProp
from tenfold.rules.optimizers.sgd import SGD

FirstOrderRule = SGD | Momentum | Nesterov | Adagrad | RMSProp | Adadelta | Adam | NAdam | AMSGrad | AdamW | Lion | Muon
SecondOrderRule = Newton | GaussNewton | HessianFree | LBFGS
Optimizer = FirstOrderRule | SecondOrderRule

__all__ = [
    "LBFGS", "SGD", "AMSGrad", "Adadelta", "Adagrad", "Adam", "AdamW", "FirstOrderRule", "GaussNewton", "HessianFree",
    "Lion", "Momentum", "Muon", "NAdam", "Nesterov", "Newton", "Optimizer", "RMSProp", "SecondOrderRule",
]  # fmt: skip
