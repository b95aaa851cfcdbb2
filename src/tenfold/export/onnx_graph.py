"""A graph of ONNX operations that grows node by node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from tenfold.errors import BadInput

Array = np.ndarray
# RegexFullMatch, StringSplit and Gelu are of set 20; ONNX Runtime knows them from 1.20 on.
OPERATORS, LEARNING_OPERATORS, FORMAT = 20, 3, 9
LEARNING = "ai.onnx.ml"


def onnx_library(name: str = "onnx") -> Any:
    """The package `onnx`, or a module of that name of the same extra. Raises `BadInput` where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise BadInput(
            "an ONNX file takes the packages onnx and onnxruntime", do="pip install 'tenfold[onnx]'"
        ) from error


class OnnxGraph:
    """Nodes, constants, inputs and outputs; a value is known by its name. inputs: the names that the user gives, which
    no value inside takes."""

    def __init__(self, inputs: Iterable[str]) -> None:
        self._onnx = onnx_library()
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._taken = set(inputs)

    def input(self, name: str, kind: str, shape: Sequence[int | str]) -> str:
        """What the user gives under that name. kind: an ONNX type, such as DOUBLE. Gives the name."""
        self._inputs.append(self._value(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: str, shape: Sequence[int | str]) -> str:
        """Let a value be put out; gives its name, which has a _ behind it where an input has that name."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._value(name, kind, shape))
        return name

    def constant(self, value: Any) -> str:
        """An array of numbers, truths or texts; equal ones are stored once."""
        array = np.asarray(value)
        text = array.dtype.kind in "UO"
        key = (str(array.dtype), array.shape, tuple(array.ravel()) if text else array.tobytes())
        if key not in self._constants:
            name = self._name("constant")
            if text:
                cells = [str(cell).encode() for cell in array.ravel()]
                made = self._onnx.helper.make_tensor(name, self._onnx.TensorProto.STRING, array.shape, cells)
            else:
                made = self._onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            self._constants[key] = made
        return self._constants[key].name

    def call(self, operation: str, *values: str, domain: str = "", named: str = "", **attributes: Any) -> str:
        """The first output of an operation on values. named: what an error at run time shows."""
        made = self._name(operation.lower())
        outputs = [made, self._name("count")] if operation == "StringSplit" else [made]
        node = self._onnx.helper.make_node(operation, values, outputs, domain=domain, name=named, **attributes)
        self._nodes.append(node)
        return made

    def cast(self, value: str, kind: str) -> str:
        """The value as another ONNX type, such as FLOAT."""
        return self.call("Cast", value, to=getattr(self._onnx.TensorProto, kind))

    def side_by_side(self, values: Sequence[str]) -> str:
        """Values (rows, columns) as one."""
        return values[0] if len(values) == 1 else self.call("Concat", *values, axis=1)

    def model(self, about: str, facts: Mapping[str, str]) -> Any:
        """The whole as an ONNX model, checked. facts: texts by name that it carries."""
        from tenfold._version import __version__

        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, "tenfold", self._inputs, self._outputs, initializer=list(self._constants.values())
        )
        operators = [helper.make_opsetid("", OPERATORS), helper.make_opsetid(LEARNING, LEARNING_OPERATORS)]
        model = helper.make_model(
            graph, opset_imports=operators, ir_version=FORMAT, producer_name="tenfold", producer_version=__version__,
            doc_string=about,
        )  # fmt: skip
        helper.set_model_props(model, dict(facts))
        self._onnx.checker.check_model(model)
        return model

    def _value(self, name: str, kind: str, shape: Sequence[int | str]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, getattr(self._onnx.TensorProto, kind), shape)

    def _name(self, kind: str) -> str:
        number = len(self._taken)
        while f"{kind}_{number}" in self._taken:
            number += 1
        self._taken.add(f"{kind}_{number}")
        return f"{kind}_{number}"
