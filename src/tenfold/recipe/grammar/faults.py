"""Faults of a recipe or a space: each with its path, and all reported at once."""

from __future__ import annotations

import numbers
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenfold.errors import BadInput
from tenfold.formatting import nearest

FieldPath = tuple[str | int, ...]  # names of fields and rules, numbers of items: ("optimizer", 1, "adam", "lr")
MOST_LISTED = 10  # faults of one message, which has room for twelve lines
OTHER_NAMES = {  # names that other libraries use, and what they are called here
    "mse": ("squared",), "mean_squared_error": ("squared",), "l2_loss": ("squared",), "squared_error": ("squared",),
    "mae": ("absolute",), "mean_absolute_error": ("absolute",), "l1_loss": ("absolute",), "smooth_l1": ("huber",),
    "bce": ("cross_entropy",), "ce": ("cross_entropy",), "nll": ("cross_entropy",), "log_loss": ("cross_entropy",),
    "learning_rate": ("lr",), "glorot": ("xavier",), "kaiming": ("he",), "swish": ("silu",), "batchnorm": ("batch",),
    "batch_norm": ("batch", "batch_norm"), "layer_norm": ("layer", "layer_norm"), "wd": ("weight_decay",),
    "batch_normalization": ("batch", "batch_norm"), "layer_normalization": ("layer", "layer_norm"),
    "batchnorm1d": ("batch", "batch_norm"), "batchnorm2d": ("batch", "batch_norm"),
    "layernorm": ("layer", "layer_norm"),
    "kaiming_normal": ("he",), "kaiming_uniform": ("he",), "he_init": ("he",), "glorot_uniform": ("xavier",),
    "glorot_normal": ("xavier",), "xavier_uniform": ("xavier",), "xavier_normal": ("xavier",), "relus": ("relu",),
    "sgd_with_momentum": ("momentum",), "sgd_momentum": ("momentum",), "heavy_ball": ("momentum",),
    "nesterov_momentum": ("nesterov",), "softmax_cross_entropy": ("cross_entropy",),
    "cross_entropy_loss": ("cross_entropy",), "mse_loss": ("squared",), "cosine_annealing": ("cosine",),
    "min_max_scaler": ("min_max",), "whitening": ("whiten_zca",), "zca": ("whiten_zca",),
    "pca_whitening": ("whiten_pca",),
    "standard": ("standardize",), "standard_scaler": ("standardize",), "minmax": ("min_max",), "sigma": ("std",),
}  # fmt: skip
OTHER_PLACES = {  # fields that are often written at the top of a recipe, and where they belong
    "lr": "optimizer: {adam: {lr: 1e-3}}", "learning_rate": "optimizer: {adam: {lr: 1e-3}}",
    "hidden": "network: {hidden: [64, 64]}", "layers": "network: {layers: [{dense: 64}, relu]}",
    "activation": "network: {activation: relu}", "normalization": "network: {normalization: batch}",
    "dropout": "network: {dropout: 0.2}", "warmup": "decay: {cosine: {warmup: 0.05}}",
    "warm_up": "decay: {cosine: {warmup: 0.05}}", "momentum": "optimizer: {momentum: {lr: 1e-2}}",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is wrong at a path, in one line."""

    path: FieldPath
    what: str


@dataclass(frozen=True)
class Source:
    """Where the data came from: a file's name (or nothing) and the (line, column) of each path in it, from 1.

    Positions are kept apart from the data, because most faults are found long after the text was read: when a value
    is held against its field, or a record is built.
    """

    name: str = ""
    marks: Mapping[FieldPath, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: FieldPath) -> tuple[int, int]:
        """(line, column) of the path, or of what encloses it: an absent field has none; (0, 0) when unknown."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.marks:
                return self.marks[path[:end]]
        return 0, 0

    def mark(self, path: FieldPath) -> str:
        """ "line:column" of the path; nothing when unknown."""
        line, column = self.place(path)
        return f"{line}:{column}" if line else ""


def spell(path: FieldPath) -> str:
    """("optimizer", 1, "adam") -> "optimizer[1].adam"."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def raise_all(faults: Iterable[Fault], source: Source) -> None:
    """Raise one `BadInput` that lists the faults (the first ten), each with its place, if there are any."""
    distinct = sorted(dict.fromkeys(faults), key=lambda fault: source.place(fault.path))
    if not distinct:
        return
    if len(distinct) == 1:
        only = distinct[0]
        place = ":".join(part for part in (source.name, source.mark(only.path)) if part)
        raise BadInput(only.what, where=": ".join(part for part in (place, spell(only.path)) if part))
    lines = [f"{len(distinct)} faults"]
    lines += ["  " + f"{source.mark(fault.path)} {_line(fault)}".strip() for fault in distinct[:MOST_LISTED]]
    if len(distinct) > MOST_LISTED:
        lines.append(f"  and {len(distinct) - MOST_LISTED} more")
    raise BadInput("\n".join(lines), where=source.name)


def _line(fault: Fault) -> str:
    return f"{spell(fault.path)}: {fault.what}" if fault.path else fault.what


def unknown(name: object, known: Iterable[str]) -> str:
    """ "unknown name; nearest: adam; one of: sgd, ..." (the nearest only if one is alike enough)."""
    names = list(known)
    asked = str(name).lower().replace("-", "_").replace(" ", "_")
    place = OTHER_PLACES.get(asked, "")
    if place.split(":")[0] in names:
        hint = f"it belongs elsewhere: {place}"
    else:
        same = [candidate for candidate in OTHER_NAMES.get(asked, ()) if candidate in names]
        near = same[0] if same else nearest(asked, names, likeness=0.5)
        hint = f"nearest: {near}" if near else ""
    return "; ".join(part for part in ("unknown name", hint, f"one of: {', '.join(names) or 'nothing'}") if part)


def in_words(value: Any) -> str:
    """A value that was found, in words: "the text 'abc'", "a list of 3", "nothing", "true (a boolean)"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (a boolean)"
    if isinstance(value, str):
        return f"the text {reprlib.repr(value)}"
    if isinstance(value, numbers.Real):
        return str(value)
    if isinstance(value, Mapping):
        return f"a mapping ({reprlib.repr(', '.join(map(str, value)))[1:-1]})" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, type):
        return f"the class {value.__name__} (write {value.__name__}())"
    return f"a {type(value).__name__}: {reprlib.repr(value)}"
