"""Tenfold chooses and cross-validates the training configuration of a neural network, with every fold of every
configuration trained at once.

Importing it is cheap: each public name is loaded when it is first used, and torch only to train or predict.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenfold._version import __version__

if TYPE_CHECKING:
    from tenfold.doctor.diagnosis import Diagnosis, Finding
    from tenfold.doctor.measure.watch import watch
    from tenfold.doctor.module import diagnose
    from tenfold.doctor.preflight import preflight
    from tenfold.errors import BadInput, Corrupt, RunFailed, Stopped, TenfoldError
    from tenfold.estimators import Classifier, Regressor
    from tenfold.recipe import MLP, Layers, Recipe, Space
    from tenfold.recipe.layers import (
        AvgPool,
        ChannelDropout,
        Conv,
        Dense,
        Dropout,
        Flatten,
        GlobalPool,
        MaxPool,
        Residual,
    )
    from tenfold.rules.activations import (
        ELU,
        GELU,
        SELU,
        Identity,
        LeakyReLU,
        Maxout,
        Mish,
        PReLU,
        ReLU,
        Sigmoid,
        SiLU,
        Softplus,
        Tanh,
    )
    from tenfold.rules.augmentation import Augmentation
    from tenfold.rules.initialization import (
        LSUV,
        Constant,
        He,
        LeCun,
        Normal,
        Orthogonal,
        Sparse,
        UniformWithin,
        Xavier,
        Zeros,
    )
    from tenfold.rules.losses import Absolute, CrossEntropy, Hinge, Huber, Poisson, Squared
    from tenfold.rules.normalization import BatchNorm, GroupNorm, LayerNorm, NoNormalization
    from tenfold.rules.optimizers import (
        LBFGS,
        SGD,
        Adadelta,
        Adagrad,
        Adam,
        AdamW,
        AMSGrad,
        GaussNewton,
        HessianFree,
        Lion,
        Momentum,
        Muon,
        NAdam,
        Nesterov,
        Newton,
        RMSProp,
    )
    from tenfold.rules.preprocessing import (
        PCA,
        Center,
        CenterChannel,
        CenterImage,
        MinMax,
        NoPreprocessing,
        Standardize,
        StandardizeChannel,
        WhitenPCA,
        WhitenZCA,
    )
    from tenfold.rules.record import preset
    from tenfold.rules.schedules import Cosine, Exponential, InverseTime, Linear, NoDecay, OneCycle, Plateau, Step
    from tenfold.selection.api import CrossValidation, Search, cross_validate, search
    from tenfold.selection.audit import LeakAudit, audit
    from tenfold.selection.ensemble import Ensemble
    from tenfold.selection.model import Model, load
    from tenfold.selection.nested import Nested, nested_cross_validate

_HOME = {
    "tenfold.doctor.diagnosis": ("Diagnosis", "Finding"),
    "tenfold.doctor.measure.watch": ("watch",),
    "tenfold.doctor.module": ("diagnose",),
    "tenfold.doctor.preflight": ("preflight",),
    "tenfold.errors": ("BadInput", "Corrupt", "RunFailed", "Stopped", "TenfoldError"),
    "tenfold.estimators": ("Classifier", "Regressor"),
    "tenfold.recipe": ("MLP", "Layers", "Recipe", "Space"),
    "tenfold.recipe.layers": (
        "AvgPool",
        "ChannelDropout",
        "Conv",
        "Dense",
        "Dropout",
        "Flatten",
        "GlobalPool",
        "MaxPool",
        "Residual",
    ),
    "tenfold.rules.activations": (
        "ELU",
        "GELU",
        "SELU",
        "Identity",
        "LeakyReLU",
        "Maxout",
        "Mish",
        "PReLU",
        "ReLU",
        "SiLU",
        "Sigmoid",
        "Softplus",
        "Tanh",
    ),
    "tenfold.rules.augmentation": ("Augmentation",),
    "tenfold.rules.initialization": (
        "LSUV",
        "Constant",
        "He",
        "LeCun",
        "Normal",
        "Orthogonal",
        "Sparse",
        "UniformWithin",
        "Xavier",
        "Zeros",
    ),
    "tenfold.rules.losses": ("Absolute", "CrossEntropy", "Hinge", "Huber", "Poisson", "Squared"),
    "tenfold.rules.normalization": ("BatchNorm", "GroupNorm", "LayerNorm", "NoNormalization"),
    "tenfold.rules.optimizers": (
        "LBFGS",
        "SGD",
        "AMSGrad",
        "Adadelta",
        "Adagrad",
        "Adam",
        "AdamW",
        "GaussNewton",
        "HessianFree",
        "Lion",
        "Momentum",
        "Muon",
        "NAdam",
        "Nesterov",
        "Newton",
        "RMSProp",
    ),
    "tenfold.rules.preprocessing": (
        "PCA",
        "Center",
        "CenterChannel",
        "CenterImage",
        "MinMax",
        "NoPreprocessing",
        "Standardize",
        "StandardizeChannel",
        "WhitenPCA",
        "WhitenZCA",
    ),
    "tenfold.rules.record": ("preset",),
    "tenfold.rules.schedules": (
        "Cosine",
        "Exponential",
        "InverseTime",
        "Linear",
        "NoDecay",
        "OneCycle",
        "Plateau",
        "Step",
    ),
    "tenfold.selection.api": ("CrossValidation", "Search", "cross_validate", "search"),
    "tenfold.selection.audit": ("LeakAudit", "audit"),
    "tenfold.selection.nested": ("Nested", "nested_cross_validate"),
    "tenfold.selection.ensemble": ("Ensemble",),
    "tenfold.selection.model": ("Model", "load"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "ELU",
    "GELU",
    "LBFGS",
    "LSUV",
    "MLP",
    "PCA",
    "SELU",
    "SGD",
    "AMSGrad",
    "Absolute",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Augmentation",
    "AvgPool",
    "BadInput",
    "BatchNorm",
    "Center",
    "CenterChannel",
    "CenterImage",
    "ChannelDropout",
    "Classifier",
    "Constant",
    "Conv",
    "Corrupt",
    "Cosine",
    "CrossEntropy",
    "CrossValidation",
    "Dense",
    "Diagnosis",
    "Dropout",
    "Ensemble",
    "Exponential",
    "Finding",
    "Flatten",
    "GaussNewton",
    "GlobalPool",
    "GroupNorm",
    "He",
    "HessianFree",
    "Hinge",
    "Huber",
    "Identity",
    "InverseTime",
    "LayerNorm",
    "Layers",
    "LeCun",
    "LeakAudit",
    "LeakyReLU",
    "Linear",
    "Lion",
    "MaxPool",
    "Maxout",
    "MinMax",
    "Mish",
    "Model",
    "Momentum",
    "Muon",
    "NAdam",
    "Nested",
    "Nesterov",
    "Newton",
    "NoDecay",
    "NoNormalization",
    "NoPreprocessing",
    "Normal",
    "OneCycle",
    "Orthogonal",
    "PReLU",
    "Plateau",
    "Poisson",
    "RMSProp",
    "ReLU",
    "Recipe",
    "Regressor",
    "Residual",
    "RunFailed",
    "Search",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Space",
    "Sparse",
    "Squared",
    "Standardize",
    "StandardizeChannel",
    "Step",
    "Stopped",
    "Tanh",
    "TenfoldError",
    "UniformWithin",
    "WhitenPCA",
    "WhitenZCA",
    "Xavier",
    "Zeros",
    "__version__",
    "audit",
    "cross_validate",
    "diagnose",
    "load",
    "nested_cross_validate",
    "preflight",
    "preset",
    "search",
    "watch",
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
