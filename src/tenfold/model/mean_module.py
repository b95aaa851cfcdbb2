"""Several networks as one torch module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.engine.layers import ClipLayer
from tenfold.model.member import Member
from tenfold.problem.outputs import MOST_LOG_RATE, output_bounds
from tenfold.recipe.recipe import loss_of


class TemperatureLayer(nn.Module):
    """The last layer of a classifier with a temperature: its logits, divided by it."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, logits: Tensor) -> Tensor:
        """(rows, classes) -> (rows, classes)."""
        return logits / self.temperature


class MeanModule(nn.Module):
    """The networks of several members, each on columns of its own, and the mean of their readable outputs."""

    def __init__(
        self, members: Sequence[Member], networks: Sequence[nn.Module], classification: bool, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        # of tensors that users' modules take all members get the same
        self.widths = [member.encoding.width for member in members] if members[0].tensors is None else None
        self.scales = [member.target_scale for member in members]
        self.bounds = [member.target_bounds for member in members]
        self.shares = [member.share for member in members]
        self.classification, self.temperature = classification, temperature
        self.rates = [loss_of(member.recipe, classification).link == "exp" for member in members]

    def forward(self, x: Any) -> Tensor:
        """(rows, sum of widths) -> mean probabilities (rows, classes), or numbers in the target's unit (rows, 1)."""
        # of each member (rows, width)
        columns = [x] * len(self.networks) if self.widths is None else torch.split(x, self.widths, 1)
        outputs = [self._readable(network(columns[m]), m) for m, network in enumerate(self.networks)]
        shares = torch.tensor(self.shares).to(outputs[0])[:, None, None]  # (members, 1, 1)
        return (torch.stack(outputs) * shares).sum(0) / shares.sum()

    def _readable(self, out: Tensor, member: int) -> Tensor:
        mean, std = self.scales[member]
        if self.classification:
            return (out / self.temperature).softmax(-1)
        found = out.clamp(max=MOST_LOG_RATE).exp() * mean if self.rates[member] else out * std + mean
        bounds = self.bounds[member]
        return found if bounds is None else found.clamp(*bounds)


def clipped_network(network: nn.Sequential, member: Member, classification: bool) -> nn.Sequential:
    """A member's network; where its predictions are cut to bounds, with the layer that cuts its outputs to them."""
    if member.target_bounds is None:
        return network
    link = loss_of(member.recipe, classification).link
    low, high = output_bounds(member.target_bounds, link, *member.target_scale)
    return nn.Sequential(*network, ClipLayer(low, high)).eval()


def with_temperature(network: nn.Sequential, temperature: float) -> nn.Sequential:
    """A classifier's network, whose logits are divided by the temperature."""
    return nn.Sequential(*network, TemperatureLayer(temperature)).eval()
