"""What every activation states of itself, for the layers above: initialization, packs, and the doctor."""

from __future__ import annotations

from typing import Any, ClassVar

from tenfold.rules.record import Rule, numbers


class ActivationRule(Rule):
    """What all activations have. A rule states, as a class variable or as a property of its numbers: `formula`,
    `monotone`, `gain`, `mean`, `second_moment`, `bounds`, `saturates`, `native`, `rectifier`, `suited_init` and
    `judged_gain`.

    rectifier: nearly flat to the left of 0 and linear to the right, so a unit whose sums are all negative may die.
    slope_scale: the size of f' where the activation does not saturate; f' far below it is dead or saturated.
    suited_init: the initialization that a repaired recipe takes for it.
    torch_functions: the names of torch's functions that compute it, in place too, the plain one first.
    torch_layer_name: its layer in torch.nn, built from the rule's numbers in their order; None where torch has none, or
    where it learns parameters, which the network operation sets.
    native: its name in the table of engine/native/source/activations.h, where its formula and slope are compiled; None
    where only packs train it.

    Two gains, on purpose. `gain` is what `gain: activation` draws weights with: it keeps the second moment under z
    ~ N(0, 1), or is torch's convention (5/3 for tanh). `judged_gain` is what the doctor holds the weights of any
    network against, and draws a right start with: one rounded number for each of torch's functions, since a traced
    call does not tell the slope or alpha; for tanh 1.1, close to its slope at 0, because with 5/3 the usual weights
    of gain 1 would look too small. The judge's weights were fitted with these numbers (bench/doctor/calibrate.py).
    """

    learned: ClassVar[bool] = False
    slope_scale: ClassVar[float] = 1.0
    torch_functions: ClassVar[tuple[str, ...]]
    torch_layer_name: ClassVar[str | None]

    @property
    def native_number(self) -> float:
        """The one number that its compiled formula takes; 0 where that takes none."""
        return 0.0

    def torch_layer(self) -> Any | None:
        """torch's own layer for this rule, such as nn.ELU(alpha); None where `torch_layer_name` is."""
        if self.torch_layer_name is None:
            return None
        from torch import nn

        return getattr(nn, self.torch_layer_name)(*numbers(self))
