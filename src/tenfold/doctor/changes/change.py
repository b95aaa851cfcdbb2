"""A change of a training, by name: what the short paired trainings try, one at a time or together."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Change:
    """What is done differently; the defaults change nothing.

    lr: a factor. adam: Adam with this rate, 0 for the user's optimizer. batch: rows, 0 for the user's. longer: a
    factor of the updates. width: units that hidden layers have at least (only for recipes).
    """

    name: str
    standardize_inputs: bool = False
    standardize_targets: bool = False
    reinitialize: bool = False
    lr: float = 1.0
    adam: float = 0.0
    epsilon: bool = False
    relu: bool = False
    head: bool = False
    no_dropout: bool = False
    no_decay: bool = False
    clip: bool = False
    flip: bool = False
    mean_loss: bool = False
    batch: int = 0
    longer: int = 1
    unfreeze: bool = False
    training_mode: bool = False
    normalize: bool = False
    one_batch: bool = False
    whole: bool = False  # as many updates as a short training may have, whatever the user made


def combined(name: str, *changes: Change) -> Change:
    """All of them at once; where two set the same thing, the later one."""
    found: dict[str, object] = {}
    for change in changes:
        found |= {f.name: getattr(change, f.name) for f in fields(Change)
                  if f.name != "name" and getattr(change, f.name) != f.default}  # fmt: skip
    return Change(name, **found)  # type: ignore[arg-type]


_ALL = [
    Change("as_is"),
    Change("standardize_inputs", standardize_inputs=True),
    Change("standardize_targets", standardize_targets=True),
    Change("reinitialize", reinitialize=True),
    *(Change(f"lr_x{10**k}", lr=10.0**k) for k in (1, 2, 3)),
    *(Change(f"lr_d{10**k}", lr=10.0**-k) for k in (1, 2, 3)),
    Change("adam", adam=1e-3),
    Change("epsilon", epsilon=True),
    Change("activation", relu=True, reinitialize=True),
    Change("head", head=True),
    Change("no_dropout", no_dropout=True),
    Change("no_decay", no_decay=True),
    Change("clip", clip=True),
    Change("flip", flip=True),
    Change("mean_loss", mean_loss=True),
    Change("smaller_batch", batch=32),
    Change("larger_batch", batch=-32),
    Change("longer", longer=4),
    Change("unfreeze", unfreeze=True),
    Change("training_mode", training_mode=True),
    Change("normalize", normalize=True),
    Change("one_batch", one_batch=True, adam=3e-3, whole=True),
]
CHANGES: dict[str, Change] = {change.name: change for change in _ALL}
_SAME = combined(
    "right",
    *(
        CHANGES[n]
        for n in (
            "standardize_inputs",
            "standardize_targets",
            "reinitialize",
            "head",
            "no_dropout",
            "no_decay",
            "clip",
            "mean_loss",
            "unfreeze",
            "training_mode",
        )
    ),
)
CHANGES["right"] = combined("right", _SAME, Change("", adam=3e-3))
CHANGES["right_slow"] = combined("right_slow", _SAME, Change("", adam=5e-4))
CHANGES["right_relu"] = combined("right_relu", CHANGES["right"], Change("", relu=True, normalize=True))
CHANGES["right_long"] = combined("right_long", CHANGES["right"], Change("", batch=32, whole=True))
REFERENCES = ("right", "right_slow", "right_relu", "right_long")
SINGLE = tuple(name for name in CHANGES if name not in ("as_is", "one_batch", *REFERENCES))  # tried one at a time
