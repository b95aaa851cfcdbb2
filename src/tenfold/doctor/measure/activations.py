"""What the doctor asks of an activation by the name of its torch function.

Tenfold's rules state it themselves; the functions of torch that are no rule of Tenfold are listed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from tenfold.rules.activations import Activation

INF = math.inf


@dataclass(frozen=True)
class ActivationFacts:
    """The facts of one activation; see `ActivationRule` for gain (its `judged_gain`), rectifier and slope_scale.

    saturates: on both sides; output_range: what targets are compared with where it is behind the last layer.
    """

    gain: float = 1.0
    rectifier: bool = False
    saturates: bool = False
    slope_scale: float = 1.0
    output_range: tuple[float, float] = (-INF, INF)


TORCH_ONLY = {
    "relu6": ActivationFacts(math.sqrt(2), rectifier=True, saturates=True),
    "hardswish": ActivationFacts(1.68, rectifier=True),
    "celu": ActivationFacts(rectifier=True),
    "rrelu": ActivationFacts(rectifier=True),
    "softsign": ActivationFacts(saturates=True),
    "hardsigmoid": ActivationFacts(saturates=True, slope_scale=1 / 6),
    "hardtanh": ActivationFacts(saturates=True, output_range=(-1.0, 1.0)),
    "softmax": ActivationFacts(output_range=(0.0, 1.0)),
    "log_softmax": ActivationFacts(output_range=(-INF, 0.0)),
    **dict.fromkeys(
        ("hardshrink", "softshrink", "tanhshrink", "threshold", "logsigmoid", "softmin", "glu", "square", "exp", "sin"),
        ActivationFacts(),
    ),
}


def _facts_of(rule: Activation) -> ActivationFacts:
    low, high = rule.bounds
    # A dip below 0 with no end above (ELU, GELU, SiLU, ...) depends on alpha, which a call does not tell, or is small:
    # the judge was calibrated without it.
    bounds = (low, high) if low >= 0 or high < INF else (-INF, INF)
    return ActivationFacts(rule.judged_gain, rule.rectifier, all(rule.saturates), rule.slope_scale, bounds)


# A rule of Tenfold that torch has too replaces what is listed above.
ACTIVATIONS = TORCH_ONLY | {name: _facts_of(rule()) for rule in get_args(Activation) for name in rule.torch_functions}
UNKNOWN = ActivationFacts()


def activation_facts(name: str) -> ActivationFacts:
    """The facts of the torch function of that name; the defaults where it is none that is known."""
    return ACTIVATIONS.get(name, UNKNOWN)
