"""A model as one ONNX file: the columns as the user has them go in, labels and probabilities or numbers come out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tenfold.data.columns.schema import Schema
from tenfold.data.read.images import ImageContract
from tenfold.errors import BadInput
from tenfold.export.onnx_columns import OnnxColumns, add_columns, column_in_words
from tenfold.export.onnx_encoding import add_encoding
from tenfold.export.onnx_graph import OnnxGraph
from tenfold.export.onnx_network import add_network
from tenfold.model.member import Member
from tenfold.model.model import Model
from tenfold.problem.outputs import MOST_LOG_RATE
from tenfold.recipe.recipe import loss_of

Array = np.ndarray
IMAGES = "images"  # the name of the input of a model of images
FLOATS = {np.dtype(np.float32): "FLOAT", np.dtype(np.float64): "DOUBLE"}


def onnx_model(model: Model, about: str = "") -> Any:
    """The model as an ONNX model (`onnx.ModelProto`).

    Inputs: for every column that is used one of its name, (rows, 1): double for numbers, NaN where one is missing; text
    for categories, dates and yes or no, "" where one is missing. Of images one, "images": (rows, height, width,
    channels), uint8 or double as in training. Outputs: `label` (rows,) and `probabilities` (rows, classes), or
    `prediction` (rows,) in the target's unit. The metadata say what each input takes, and name the classes.

    Raises `BadInput` for a model of a plain matrix, whose columns have no names, and for a network with a step that has
    no counterpart in ONNX.
    """
    graph = OnnxGraph(input_words(model))
    columns = _pixels(graph, model.contract) if model.contract else add_columns(graph, used_schema(model))
    parts = [_readable(graph, model, member, columns) for member in model.members]
    mean = _weighted(graph, model, parts)
    if model.classes:
        winner = graph.call("ArgMax", mean, axis=1, keepdims=0)
        classes = np.asarray(model.classes)
        text = classes.dtype.kind in "UO"
        labels = graph.call("Gather", graph.constant(classes if text else classes.astype(np.int64)), winner, axis=0)
        graph.output("label", labels, "STRING" if text else "INT64", ["rows"])
        kind = FLOATS[_dtype_of(model.members[0])]
        graph.output("probabilities", mean, kind, ["rows", len(model.classes)])
    else:
        graph.output("prediction", graph.call("Squeeze", mean, graph.constant(np.array([1]))), "DOUBLE", ["rows"])
    return graph.model(about, _facts(model))


def input_words(model: Model) -> dict[str, str]:
    """What each input takes, in words, by its name."""
    if model.contract is not None:
        return {IMAGES: f"{model.contract.size} pixels of type {pixel_kind(model.contract)}"}
    return {column.name: column_in_words(column) for column in used_schema(model).used}


def used_schema(model: Model) -> Schema:
    """The contract of a table's columns. Raises `BadInput` for a model of an array, whose columns have no names."""
    if model.schema is None:
        raise BadInput("a model of an array without names of columns", expected="one of a table or of images")
    return model.schema


def pixel_kind(contract: ImageContract) -> str:
    """The type of the pixels that the ONNX model takes."""
    return "uint8" if contract.pixels == "uint8" else "float64"


def _facts(model: Model) -> dict[str, str]:
    facts = {"inputs": json.dumps(input_words(model)), "recipe": model.recipe.describe()}
    if model.classes:
        facts["classes"] = json.dumps([c.item() if isinstance(c, np.generic) else c for c in model.classes])
    return facts if model.schema is None else {**facts, "target": model.schema.target}


def _pixels(graph: OnnxGraph, contract: ImageContract) -> OnnxColumns:
    """The pixels of images as numbers (rows, height width channels): `pixel_inputs`."""
    kind = {"uint8": "UINT8", "float64": "DOUBLE"}[pixel_kind(contract)]
    given = graph.input(IMAGES, kind, ["rows", *contract.image])
    row = graph.call("Flatten", given, axis=1)
    known = contract.pixel_range
    if kind == "UINT8":
        row = graph.call("Div", graph.cast(row, "DOUBLE"), graph.constant(np.float64(255)))
    elif known is not None:
        width = graph.constant(np.float64((known.high - known.low) or 1.0))
        row = graph.call("Div", graph.call("Sub", row, graph.constant(np.float64(known.low))), width)
    return OnnxColumns(row, ())


def _readable(graph: OnnxGraph, model: Model, member: Member, columns: OnnxColumns) -> str:
    """What people read of one member: probabilities (rows, classes), or numbers in the target's unit (rows, 1)."""
    network = member.network(len(model.classes) or 1, model.image)
    encoded = add_encoding(graph, columns, member, image=model.contract is not None)
    out = add_network(graph, network, graph.cast(encoded, FLOATS[_dtype_of(member)]), member.encoding.width)
    if model.classes:
        if model.temperature != 1:
            out = graph.call("Div", out, graph.constant(np.asarray(model.temperature, _dtype_of(member))))
        return graph.call("Softmax", out, axis=-1)
    out = graph.cast(out, "DOUBLE")
    mean, std = (graph.constant(np.float64(value)) for value in member.target_scale)
    if loss_of(member.recipe, classification=False).link == "exp":
        most = graph.constant(np.float64(MOST_LOG_RATE))
        found = graph.call("Mul", graph.call("Exp", graph.call("Min", out, most)), mean)
    else:
        found = graph.call("Add", graph.call("Mul", out, std), mean)
    if member.target_bounds is None:
        return found
    low, high = (graph.constant(np.float64(bound)) for bound in member.target_bounds)
    return graph.call("Min", graph.call("Max", found, low), high)


def _dtype_of(member: Member) -> np.dtype[Any]:
    return next(iter(member.weights.values())).dtype


def _weighted(graph: OnnxGraph, model: Model, parts: list[str]) -> str:
    """The mean over the members, weighted by their shares."""
    if len(parts) == 1:
        return parts[0]
    dtype = _dtype_of(model.members[0]) if model.classes else np.float64
    whole = sum(member.share for member in model.members)
    shares = (graph.constant(np.asarray(member.share / whole, dtype)) for member in model.members)
    return graph.call("Sum", *(graph.call("Mul", part, share) for part, share in zip(parts, shares, strict=True)))
