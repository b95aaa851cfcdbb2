"""Initial weights and biases that are fitted to the training rows, unit by unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from tenfold.rules.fields import Within
from tenfold.rules.initialization.base import Fans, Initial


@dataclass(frozen=True, kw_only=True)
class DataDriven(Initial):
    """Every unit's sum has standard deviation 1 over the training rows, and its kink lies among them.

    Formula: w ~ N(0, 1 / inputs), divided by the standard deviation of x w over training rows; then
    b = - sum_i c_i x_i w, x_i so many random training rows for each unit, c_i random shares: from Exp(1), divided by
    their sum. x: what enters the layer, once the layers before it have been drawn so; layer by layer.
    Shapes: W (inputs, units), b (units,); of a convolution every place of an image is a row.
    Options: bias_rows - training rows that a bias is drawn from, 0 for `bias`; bias - a number, like_weights, or normal
    (of size 1), where bias_rows is 0; zero_last - whether the output layer starts at 0.
    Convention: RealMLP's weight_init_mode std and bias_init_mode he+5 (Steinwart 2019), the output layer too; over at
    most 1,024 training rows. A unit that is the same on all rows keeps its weights.
    Claim: standard deviation 1 to rounding, for any activations and inputs. For ReLU's relatives the hyperplane at
    which a unit bends passes between training rows, so no unit starts dead.
    Choose: for tables with inputs of unlike scales, with rate_factors {fan_in: true}; worth about 1 % of the error.
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3; Steinwart 2019, A sober look at neural network
    initializations.
    """

    bias_rows: Annotated[int, Within(ge=0)] = 5

    NAME: ClassVar[str] = "data_driven"
    MAIN: ClassVar[str] = "bias_rows"
    unit_deviation: ClassVar[bool] = True

    def biases(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        """0 until the rows decide, where they do."""
        return np.zeros_like(base) if self.bias_rows else super().biases(base, fans)

    def variance(self, fans: Fans) -> None:
        return None  # the data decide it

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return base / math.sqrt(fans.fan_in)


def deviation_factor(deviation: Any) -> Any:
    """What a unit's weights are multiplied by: 1 / deviation, 1 where that is 0. deviation: an array or a tensor."""
    return 1 / (deviation + (deviation <= 0))


def bias_draw(rng: np.random.Generator, rows: int, some: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    """For each unit `some` of so many rows, and their shares, which add up to 1: (some, units) each."""
    chosen = rng.integers(0, rows, (some, units))
    shares = rng.exponential(size=(some, units))
    return chosen, shares / shares.sum(0)
