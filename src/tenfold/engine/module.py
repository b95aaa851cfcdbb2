"""A trained lane as an ordinary torch module that takes encoded, preprocessed rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.engine.layers import ActivationLayer, ImageLayer, ZeroColumns
from tenfold.engine.operations.operation import PlannedOp
from tenfold.engine.plan.shape import Layout
from tenfold.engine.plan.size import Image
from tenfold.engine.undisturbed import own_random_state

__all__ = ["ActivationLayer", "build_module", "lane_arrays", "with_dropout", "with_zero_columns"]


def lane_arrays(layout: Layout, width: int, w: Tensor, moments: Tensor) -> dict[str, np.ndarray]:
    """One lane's parameters by name, as `Pack.parameters` says. w: its row (1, layout.total); moments: its running
    moments (layout.moment_total,); width: the input columns of its fold, of those that the layout has."""
    arrays: dict[str, np.ndarray] = {}
    for slot, view in zip(layout.slots_of(width), layout.views(w), strict=True):
        array = slot.real(view)[0].cpu().numpy().copy()  # without the padding
        arrays[f"{slot.op}.{slot.kind}"] = array[0] if slot.is_vector else array
    row = moments.cpu().numpy()
    for number, (mean, var, _) in layout.moments.items():
        units = arrays[f"{number}.gamma"].size
        arrays[f"{number}.running_mean"] = row[mean : mean + units].copy()
        arrays[f"{number}.running_var"] = row[var : var + units].copy()
    return arrays


def build_module(steps: Sequence[PlannedOp], arrays: Mapping[str, np.ndarray], image: Image | None) -> nn.Sequential:
    """The network in evaluation mode. steps: of the recipe on its inputs; arrays: `Pack.parameters`; image: the size
    of what enters the network where that is an image. The module takes preprocessed rows, (rows, columns)."""
    dtype = torch.from_numpy(next(iter(arrays.values()))).dtype
    by_op: dict[int, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        number, kind = name.split(".", 1)
        by_op.setdefault(int(number), {})[kind] = array
    stack: list[list[nn.Module]] = [[ImageLayer(image)] if image is not None else []]
    with own_random_state():  # torch draws first weights, which are replaced at once
        for number, step in enumerate(steps):
            step.op.extend(stack, step.layer, by_op.get(number, {}))
    return nn.Sequential(*stack[0]).to(dtype).eval()


def with_zero_columns(network: nn.Sequential, columns: int) -> nn.Sequential:
    """The network on rows with fewer columns: the others are 0."""
    return nn.Sequential(ZeroColumns(columns), *network).eval()


def with_dropout(module: nn.Module) -> nn.Module | None:
    """A copy in evaluation mode whose dropout layers alone are in training mode; None where it has none."""
    copy = deepcopy(module).eval()
    layers = [part for part in copy.modules() if isinstance(part, nn.Dropout | nn.Dropout2d)]
    for part in layers:
        part.train()
    return copy if layers else None
