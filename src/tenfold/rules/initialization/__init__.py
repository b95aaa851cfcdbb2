"""Initial weights and biases: base draws, shared by all recipes of a fold and a seed, scaled by a rule.

`base_draw(rule.draw, rng, rows, columns)` is the draw; `rule.weights(base, fans)` and `rule.biases(base[0], fans)` are
the values that a layer starts with; `rule.variance(fans)` is the claim. A weight matrix has the inputs of a unit in
its rows (of a convolution: channels in * kernel^2) and the units in its columns.
"""

from tenfold.rules.initialization.base import Fans, Initial, base_draw
from tenfold.rules.initialization.data_driven import DataDriven, bias_draw, deviation_factor
from tenfold.rules.initialization.fixed import Constant, Normal, Sparse, UniformWithin, Zeros
from tenfold.rules.initialization.orthogonal import LSUV, Orthogonal, lsuv_factor
from tenfold.rules.initialization.scaled import He, LeCun, Xavier

Initialization = (
    Zeros | Constant | Normal | UniformWithin | LeCun | Xavier | He | Orthogonal | Sparse | LSUV | DataDriven
)

__all__ = [
    "LSUV", "Constant", "DataDriven", "Fans", "He", "Initial", "Initialization", "LeCun", "Normal", "Orthogonal",
    "Sparse", "UniformWithin", "Xavier", "Zeros", "base_draw", "bias_draw", "deviation_factor", "lsuv_factor",
]  # fmt: skip
