"""The winner of a run on images as a plain PyTorch program, of `templates/image_program.j2`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.data.read.image_files import KEPT, SIDE
from tenfold.errors import BadInput
from tenfold.export.program import (
    about_program,
    draw_line,
    heaviest_member,
    in_docstring,
    literal,
    refuse_unknown,
    rendered,
    training_lines,
)
from tenfold.model.member import Member
from tenfold.model.model import Model
from tenfold.problem.from_file import Prepared
from tenfold.rules.record import rule_name

if TYPE_CHECKING:
    from torch import nn

PREPROCESSING = ("none", "center", "standardize", "center_image", "center_channel", "standardize_channel")
LINEAR = "nn.Linear | nn.Conv2d"


def image_program(model: Model, prepared: Prepared, name: str) -> str:
    """The text of a program that trains the heaviest recipe of a model on images as the run did.

    name: of the program's file. Raises `BadInput` that names what the program has no lines for.
    """
    contract, member = model.contract, heaviest_member(model)
    assert contract is not None
    recipe, source = member.recipe, prepared.settings.data
    kind = "folder" if Path(source).is_dir() else "npz" if Path(source).suffix == ".npz" else ""
    if not kind:
        what = "the training program reads a folder of images, or an .npz file with x and y"
        raise BadInput(what, where=source, do="an .onnx file")
    if contract.pixels != "uint8" and (kind == "folder" or contract.pixels != "float64" or recipe.augment.active):
        what = f"pixels of type {contract.pixels}, for which the training program has no lines"
        raise BadInput(what, where=source, do="an .onnx file")
    refuse_unknown(recipe, bool(model.classes), PREPROCESSING)
    layers, residual = _layers(model, member)
    init = rule_name(recipe.init)
    if init == "data_driven" or recipe.rate_factors.fan_in:
        what = "init data_driven" if init == "data_driven" else "rate_factors fan_in"
        raise BadInput(f"the training program for images has no lines for {what}", do="an .onnx file")
    return rendered(
        "image_program.j2",
        name=in_docstring(name),
        title=in_docstring(f"Trains the network that predicts the {prepared.target!r} of {prepared.name!r}."),
        about=about_program(model, member), kind=kind, height=contract.height, width=contract.width,
        channels=contract.channels, byte_pixels=contract.pixels == "uint8", low=contract.low, high=contract.high,
        kept=KEPT, side=SIDE, classes=literal(list(map(str, model.classes))) if model.classes else "",
        layers=layers, residual=residual, draw=draw_line(recipe.init), preprocess=rule_name(recipe.preprocess),
        augment=recipe.augment, clip_predictions=recipe.clip_predictions, views=False, linear_layers=LINEAR,
        dropouts="nn.Dropout | nn.Dropout2d",
        batch_inputs="scale(moved(x[rows]))" if recipe.augment.active else "scale(x[rows])",
        temperature=model.temperature if len(model.members) == 1 else 1,
        **training_lines(model, member, prepared, set(), linear=LINEAR),
    )  # fmt: skip


def _layers(model: Model, member: Member) -> tuple[list[str], bool]:
    """The lines of the layers, as torch writes them, and whether there are blocks with a shortcut among them. Raises
    `BadInput` that names a layer of which torch has none."""
    from tenfold.engine.layers import ImageLayer

    modules = list(member.network(len(model.classes) or 1, model.image))
    flat = [] if modules and isinstance(modules[0], ImageLayer) else ["nn.Flatten()"]
    lines = [*flat, *(_line(module) for module in modules if not isinstance(module, ImageLayer))]
    return lines, any("Residual(" in line for line in lines)


def _line(module: nn.Module) -> str:
    """The expression that makes a layer."""
    from torch import nn

    from tenfold.engine.layers import ActivationLayer, Conv2d, GlobalMaxLayer, ResidualLayer

    if isinstance(module, ActivationLayer):
        made: Any = module.rule.torch_layer()
        if made is None:
            name = rule_name(module.rule)
            raise BadInput(f"the training program has no lines for the layer {name}", do="an .onnx file")
        return f"nn.{made!r}"
    if isinstance(module, GlobalMaxLayer):
        return "nn.AdaptiveMaxPool2d(1)"
    if isinstance(module, ResidualLayer):
        return f"Residual({_line(module.body)}, {_line(module.shortcut)})"
    if isinstance(module, nn.Sequential):
        return f"nn.Sequential({', '.join(map(_line, module))})"
    if isinstance(module, Conv2d) or type(module).__module__.startswith("torch.nn"):
        return f"nn.{module!r}"
    raise BadInput(f"the training program has no lines for the layer {type(module).__name__}", do="an .onnx file")
