"""How the predictions of several views of a row become one: the mean of what people read, as an output of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.losses import Link

# What the compiled lanes call the mean over views under each link.
NATIVE_MEANS: dict[Link, int] = {"identity": 0, "scores": 0, "softmax": 1, "exp": 2}


def view_mean(outputs: Any, link: Link) -> Any:
    """One output for the k views of each row: outputs (..., k, B, C) -> (..., B, C).

    softmax: the logarithm of the mean of the views' probabilities, which are logits of just that mean. exp: the
    logarithm of the mean of their rates. identity and scores: the mean.
    """
    if link not in ("softmax", "exp"):
        return outputs.mean(-3)
    # Over the last axis but one, as the cross-entropy: neighbouring numbers are rows, of which there are many.
    logs = outputs.transpose(-1, -2)  # (..., k, C, B)
    logs = logs.log_softmax(-2) if link == "softmax" else logs
    return (logs.logsumexp(-3) - math.log(outputs.shape[-3])).transpose(-1, -2)


@dataclass(frozen=True)
class ViewMean:
    """The mean over views that fits the link of a recipe's loss."""

    link: Link

    formula: ClassVar[Any] = staticmethod(view_mean)
