"""Activation functions: what turns a layer's sum z into its output.

A new one is a file (or a record in the file of its kind), its import, and one line in the union; `ActivationRule` lists
what it must state. The claims are tested: `gain` (torch's 1 for sigmoid and 5/3 for tanh; for the others
1 / sqrt(E[f(z)^2]), which keeps the second moment under z ~ N(0, 1): He's sqrt(2) for ReLU),
`mean` and `second_moment` under N(0, 1), `bounds` of the output and whether the
derivative vanishes (`saturates`) to the left and to the right.
`monotone` activations never fall, so they commute with a maximum. The formula of a `learned` one takes parameters of
the network instead of the record's numbers.

Formulas are functions of a tensor and of the record's numbers. A pack applies each distinct record to the block of its
lanes that have it.
"""

from tenfold.rules.activations.bounded import Sigmoid, Tanh, sigmoid, tanh
from tenfold.rules.activations.maxout import Maxout, maxout, maxout_channels
from tenfold.rules.activations.parametric import Parametric, parametric
from tenfold.rules.activations.rectified import (
    ELU,
    SELU,
    Identity,
    LeakyReLU,
    PReLU,
    ReLU,
    elu,
    leaky_relu,
    prelu,
    relu,
)
from tenfold.rules.activations.smooth import GELU, Mish, SiLU, Softplus

Activation = (
    Sigmoid  # the order of the pages
    | Tanh
    | ReLU
    | LeakyReLU
    | PReLU
    | ELU
    | Maxout
    | GELU
    | SiLU
    | SELU
    | Mish
    | Softplus
    | Parametric
    | Identity
)

__all__ = [
    "ELU", "GELU", "SELU", "Activation", "Identity", "LeakyReLU", "Maxout", "Mish", "PReLU", "Parametric", "ReLU",
    "SiLU", "Sigmoid", "Softplus", "Tanh", "elu", "leaky_relu", "maxout", "maxout_channels", "parametric", "prelu",
    "relu", "sigmoid", "tanh",
]  # fmt: skip
