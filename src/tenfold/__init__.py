"""Tenfold chooses and cross-validates the training configuration of a neural network, with every fold of every
configuration trained at once.

Importing it is cheap: each public name is loaded when it is first used, and torch only to train or predict.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenfold._version import __version__

if TYPE_CHECKING:
    from tenfold.errors import BadInput, Corrupt, RunFailed, Stopped, TenfoldError
    from tenfold.estimators import Classifier, Regressor
    from tenfold.recipe import MLP, Recipe, Space
    from tenfold.rules.activations import ELU, LeakyReLU, ReLU, Sigmoid, Tanh
    from tenfold.rules.initialization import Constant, He, LeCun, Normal, Xavier, Zeros
    from tenfold.rules.losses import CrossEntropy, Squared
    from tenfold.rules.normalization import BatchNorm, NoNormalization
    from tenfold.rules.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp
    from tenfold.rules.preprocessing import Center, MinMax, NoPreprocessing, Standardize
    from tenfold.rules.schedules import Cosine, Exponential, InverseTime, NoDecay, Step
    from tenfold.selection.api import CrossValidation, Search, cross_validate, search
    from tenfold.selection.model import Model, load

_HOME = {
    "tenfold.errors": ("BadInput", "Corrupt", "RunFailed", "Stopped", "TenfoldError"),
    "tenfold.estimators": ("Classifier", "Regressor"),
    "tenfold.recipe": ("MLP", "Recipe", "Space"),
    "tenfold.rules.activations": ("ELU", "LeakyReLU", "ReLU", "Sigmoid", "Tanh"),
    "tenfold.rules.initialization": ("Constant", "He", "LeCun", "Normal", "Xavier", "Zeros"),
    "tenfold.rules.losses": ("CrossEntropy", "Squared"),
    "tenfold.rules.normalization": ("BatchNorm", "NoNormalization"),
    "tenfold.rules.optimizers": ("SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Nesterov", "RMSProp"),
    "tenfold.rules.preprocessing": ("Center", "MinMax", "NoPreprocessing", "Standardize"),
    "tenfold.rules.schedules": ("Cosine", "Exponential", "InverseTime", "NoDecay", "Step"),
    "tenfold.selection.api": ("CrossValidation", "Search", "cross_validate", "search"),
    "tenfold.selection.model": ("Model", "load"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "ELU",
    "MLP",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "BadInput",
    "BatchNorm",
    "Center",
    "Classifier",
    "Constant",
    "Corrupt",
    "Cosine",
    "CrossEntropy",
    "CrossValidation",
    "Exponential",
    "He",
    "InverseTime",
    "LeCun",
    "LeakyReLU",
    "MinMax",
    "Model",
    "Momentum",
    "Nesterov",
    "NoDecay",
    "NoNormalization",
    "NoPreprocessing",
    "Normal",
    "RMSProp",
    "ReLU",
    "Recipe",
    "Regressor",
    "RunFailed",
    "Search",
    "Sigmoid",
    "Space",
    "Squared",
    "Standardize",
    "Step",
    "Stopped",
    "Tanh",
    "TenfoldError",
    "Xavier",
    "Zeros",
    "__version__",
    "cross_validate",
    "load",
    "search",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'tenfold' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value  # `tenfold.search` is the function: nothing looks it up again
    return value


def __dir__() -> list[str]:
    return __all__
