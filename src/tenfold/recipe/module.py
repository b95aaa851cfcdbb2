"""A torch module of the user's own as the network of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from tenfold.errors import BadInput, clipped
from tenfold.rules.fields import is_numeric

MAKE, GROUPS, LOSS = "make_model", "groups", "loss"


# One function of a `Module`, or several, or those by other names than their own.
GivenModules = Callable[..., Any] | Sequence[Callable[..., Any]] | Mapping[str, Callable[..., Any]] | None


class NoFunction(BadInput):
    """A network's function was not given, and its name is all that there is of it."""

    def __init__(self, found: str, *, where: str = "", expected: str = "", do: str = "", name: str = "") -> None:
        super().__init__(found, where=where, expected=expected, do=do)
        self.name = name


class ParameterGroup(NamedTuple):
    """Parameters whose names match a pattern (`fnmatch`): the factor of their learning rate, and whether weight decay,
    L1 and the limit of norms act on them; None: on those with two or more axes."""

    pattern: str
    rate: float = 1.0
    decay: bool | None = None


@dataclass(frozen=True, init=False, repr=False)
class Module:
    """A torch module as the network: `Module(make_model, width=32)`.

    make_model: a function (or a class) that returns a `torch.nn.Module`. Of its parameters, those called `input_shape`
    and `outputs` are given the shape of one row of X and the number of output units (one a class, one for a number);
    the others are `fields`, which a recipe sets and a space may vary: `Module(make_model, width=[32, 64])`. A field
    holds a number, text, true or false, None, or a tuple of them; a list is a choice. It must draw its initial weights
    from torch's generator. groups: by a pattern of parameters' names, `{"head.*": {"rate": 0.1, "decay": False}}`,
    the factor of the learning rate and whether decay acts on them; the last pattern that matches counts. By default
    decay acts on all learned parameters with two or more axes.

    loss: a function of the outputs and the targets of some rows that gives their mean loss (or one loss a row), in
    place of the recipe's; numbers come standardized, a target with more than two axes as it is.

    In plain data (a run, a saved model) only the function's name stands, and whoever opens them gives the function.
    Raises `BadInput` for a field that cannot be written down.
    """

    make_model: Any
    groups: tuple[ParameterGroup, ...]
    loss: Any
    fields: tuple[tuple[str, Any], ...]

    BY_FIELDS: ClassVar[bool] = True
    FIXED: ClassVar[tuple[str, ...]] = (MAKE, GROUPS, LOSS)  # fields that hold no sets, the first of them needed
    OPEN: ClassVar[str] = "module"  # the name under which its fields, whose names nobody knows, stand in plain data

    def __init__(
        self,
        make_model: Callable[..., Any] | str,
        groups: Any = None,
        loss: Callable[[Any, Any], Any] | str | None = None,
        **fields: Any,
    ) -> None:
        if not callable(make_model) and not (isinstance(make_model, str) and make_model):
            raise BadInput(f"a module made by {clipped(repr(make_model))}", expected="a function that returns one")
        if hasattr(make_model, "state_dict") and not isinstance(make_model, type):
            kind = type(make_model).__name__
            raise BadInput(f"a {kind}, one module", expected="a function that makes a new one", do=f"Module({kind})")
        taken = next((field for field in fields if hasattr(Module, field)), None)
        if taken is not None:
            raise BadInput(
                f"a field called {taken}, which a Module has already", do=f"{taken}_, and so in the function"
            )
        object.__setattr__(self, MAKE, make_model)
        object.__setattr__(self, GROUPS, _groups(groups))
        if loss is not None and not callable(loss) and not isinstance(loss, str):
            raise BadInput(f"loss={clipped(repr(loss))}", expected="a function of outputs and targets")
        object.__setattr__(self, LOSS, loss)
        object.__setattr__(self, "fields", tuple(sorted((name, _plain_value(name, v)) for name, v in fields.items())))

    def __getattr__(self, name: str) -> Any:
        # Of the fields; others are found before this is asked, but while a copy is being made nothing is there.
        for field, value in self.__dict__.get("fields", ()):
            if field == name:
                return value
        raise AttributeError(name)

    def __repr__(self) -> str:
        """As it is written in Python."""
        return f"Module({', '.join([self.name, *(f'{name}={value!r}' for name, value in self.fields)])})"

    @property
    def name(self) -> str:
        """What its function is called."""
        return function_name(self.make_model)

    @property
    def bound(self) -> bool:
        """Whether the function is there, and not its name alone."""
        return not isinstance(self.make_model, str)

    @property
    def has_sets(self) -> bool:
        """Whether a field holds what only a space may hold: a choice, or a range."""
        return any(isinstance(value, list | dict) for _, value in self.fields)

    def bind(self, functions: Mapping[str, Callable[..., Any]]) -> Module:
        """The same with the function of its name. Raises `BadInput` where there is none."""
        if self.bound:
            return self
        loss = functions.get(self.loss, self.loss) if isinstance(self.loss, str) else self.loss
        if self.name not in functions:
            given = f"given: {', '.join(functions)}" if functions else "none is given"
            name = clipped(self.name)
            raise NoFunction(
                f"the network is made by a function {name!r}; {given}",
                do=f"tenfold.load(path, module={name}), or --module FILE:{name} in a terminal", name=self.name,
            )  # fmt: skip
        return Module(functions[self.name], self.groups, loss, **dict(self.fields))

    def sequence(self) -> tuple[Any, ...]:
        """Layers of ours: none."""
        return ()

    def plain(self) -> dict[str, Any]:
        """As JSON-able data."""
        groups = {p: {"rate": r} | ({} if d is None else {"decay": d}) for p, r, d in self.groups}
        fields = {name: list(value) if isinstance(value, tuple) else value for name, value in self.fields}
        own = {} if self.loss is None else {LOSS: function_name(self.loss)}
        return {self.OPEN: {MAKE: self.name, **({GROUPS: groups} if groups else {}), **own, **fields}}

    def written(self) -> dict[str, Any]:
        """All that it was given, as it was given."""
        own = {} if self.loss is None else {LOSS: self.loss}
        return {MAKE: self.make_model, **({GROUPS: self.groups} if self.groups else {}), **own, **dict(self.fields)}

    @staticmethod
    def plain_field(name: str, node: Any, plain: Any) -> Any:
        """A field of a space as JSON-able data. node: what is in its tree; plain: as any other field would be."""
        if name == MAKE:
            return Module(node.value).name
        if name == LOSS:
            return function_name(node.value)
        if name == GROUPS:
            return Module("model", node.value).plain()[Module.OPEN][GROUPS]
        # a list in a space is a choice: a tuple stands in one of its own
        return [plain] if isinstance(getattr(node, "value", None), tuple) else plain

    def describe(self) -> str:
        """In words: "make_model(width=32)"."""
        own = [] if self.loss is None else [f"loss={function_name(self.loss)}"]
        return f"{self.name}({', '.join([*(f'{name}={value}' for name, value in self.fields), *own])})"


def function_name(function: Any) -> str:
    """What a function is called; it may be its name already."""
    return function if isinstance(function, str) else str(getattr(function, "__name__", type(function).__name__))


def functions_by_name(given: GivenModules) -> dict[str, Callable[..., Any]]:
    """The functions that somebody gives for the names of networks. Raises `BadInput` where two have one name."""
    if isinstance(given, Mapping):
        return dict(given)
    functions: list[Any] = [] if given is None else [given] if callable(given) else list(given)
    found: dict[str, Callable[..., Any]] = {}
    for function in functions:
        name = function_name(function)
        if found.get(name, function) is not function:
            raise BadInput(f"two functions are called {clipped(name)}", do="give one of them another name")
        found[name] = function
    return found


def cannot_judge(recipe: Any, target_axes: int) -> str:
    """Why the doctor cannot judge lanes of a recipe, "" if it can: what it knows of losses and skill is of one class or
    one number for each row. target_axes: of y."""
    if isinstance(recipe.network, Module) and recipe.network.loss is not None:
        return "its loss is a function of your own, of which the doctor does not know what it should come to"
    return "" if target_axes == 1 else "its target has several numbers for each row"


def _groups(given: Any) -> tuple[ParameterGroup, ...]:
    if given is None:
        return ()
    if isinstance(given, tuple) and all(isinstance(item, ParameterGroup) for item in given):
        return given
    expected = 'a mapping, {"head.*": {"rate": 0.1, "decay": False}}'
    if not isinstance(given, Mapping):
        raise BadInput(f"groups {clipped(repr(given))}", expected=expected)
    found: list[ParameterGroup] = []
    for pattern, options in given.items():
        known = isinstance(options, Mapping) and set(options) <= {"rate", "decay"}
        rate, decay = (options.get("rate", 1.0), options.get("decay")) if known else (None, None)
        if not is_numeric(rate) or not 0 <= rate < float("inf") or decay not in (None, True, False):
            raise BadInput(f"group {clipped(pattern)!r}: {clipped(repr(options))}", expected=expected)
        found.append(ParameterGroup(str(pattern), float(rate), decay))
    return tuple(found)


def _plain_value(name: str, value: Any) -> Any:
    """A field's value as plain data: a scalar, a tuple of them, or a set of such values, of which only a space may
    hold any."""
    if isinstance(value, list):
        return [_plain_value(name, item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain_value(name, item) for item in value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # of numpy
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BadInput(
        f"{name}={clipped(repr(value))}, a {type(value).__name__}",
        where="Module",
        expected="a number, text, True, False, None or a tuple of them: what a file can hold",
        do="make it in the function, from a number or a word",
    )
