"""What `fit` was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from tenfold.data.columns.characters import composed
from tenfold.data.read.options import DEFAULT, ReadOptions
from tenfold.errors import BadInput, clipped
from tenfold.executors.choose import check_place

if TYPE_CHECKING:
    from tenfold.recipe.own_functions import OwnFunctions
    from tenfold.recipe.recipe import Recipe
    from tenfold.recipe.spaces.space import Space

# The values of an option. Written out, so that a usage error answers without loading what implements them.
STRATEGIES = ("exhaustive", "halving", "hyperband", "racing")
PROPOSALS = ("random", "sobol", "grid", "coarse-to-fine", "model")
RULES = ("best", "one-se")
WAYS = ("refit", "refits", "ensemble", "blend", "both")
MOST_REPEATS, MOST_TRIALS = 100, 100_000
MOST_ROWS = 10**12  # that folds and gaps are counted in
LONGEST = 366 * 86400.0  # seconds of a time limit
DEVICE = re.compile(r"auto|cpu|(cuda|mps|xpu)(:\d+)?")


@dataclass(frozen=True)
class Settings:
    """What `fit` was asked for.

    recipe, space: None for the default space of the data. preset: the name of a recipe that depends on the task; the
    recipe itself is beside it once the task is known. time_limit: seconds. groups, time: names of columns. drop:
    names of columns that are left out. metrics: that are reported besides the one that selects, which is the first of
    them unless `metric` says another. test: a file of test rows instead of a held-out share. no_test: leave the test
    rows sealed. strategy None: halving from 16 recipes on or under a time limit, else exhaustive. reading: how files
    are read. executor, address: where packs are trained, see `opened_cluster`. modules: functions of the user's own, of
    which a run stores the names alone; they bind those of the recipe and the space, and the first one makes the network
    where these name none.
    """

    data: str
    target: str | None = None
    trials: int | None = None
    recipe: Recipe | None = None
    preset: str | None = None
    space: Space | None = None
    strategy: str | None = None
    proposals: str = "random"
    folds: int = 5
    repeats: int = 1
    groups: str | None = None
    time: str | None = None
    gap: int = 0
    drop: tuple[str, ...] = ()
    holdout: float = 0.2
    test: str | None = None
    no_test: bool = False
    nested: bool = False
    audit: bool = False
    rule: str = "best"
    keep: str = "blend"
    task: str | None = None
    metric: str | None = None
    metrics: tuple[str, ...] = ()
    device: str = "auto"
    seed: int = 0
    time_limit: float | None = None
    reading: ReadOptions = DEFAULT
    executor: str = "local"
    address: str | None = None
    modules: OwnFunctions | None = None

    def __post_init__(self) -> None:
        for name in ("target", "groups", "time"):  # as the names of columns are
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else composed(value))
        object.__setattr__(self, "drop", tuple(map(composed, self.drop)))
        self._bind()
        one = self.recipe is not None or self.preset is not None
        if one and self.space is not None:
            raise BadInput("both a recipe and a space are given", do="--recipe FILE or --space FILE, not both")
        if self.trials is not None and (not 1 <= self.trials <= MOST_TRIALS or one):
            found = f"--trials {clipped(self.trials)}" + (" together with --recipe" if one else "")
            most = f"at least 1, at most {MOST_TRIALS}"
            raise BadInput(found, expected=f"a number of recipes to sample, {most}, from a space")
        if not 0 <= self.holdout < 1:
            raise BadInput(f"--holdout {self.holdout}", expected="a share in [0, 1); 0 seals no test rows")
        for name, least, most in (("folds", 2, MOST_ROWS), ("repeats", 1, MOST_REPEATS), ("gap", 0, MOST_ROWS)):
            value = getattr(self, name)
            if not least <= value <= most:
                end = f"at least {least}, at most {most}"
                do = f"--{name} {5 if name == 'folds' else least}"
                raise BadInput(f"--{name} {clipped(value)}", expected=end, do=do)
        if self.time_limit is not None and not 0 < self.time_limit <= LONGEST:
            found = f"a time limit of {clipped(f'{self.time_limit:g}')} seconds"
            raise BadInput(found, expected="more than 0 seconds, at most 366 days", do="--time-limit 10m")
        if not 0 <= self.seed < 2**63:
            raise BadInput(f"--seed {clipped(self.seed)}", expected="an integer from 0 to 2^63 - 1")
        self._check_words()
        self._check_together()
        check_place(self.executor, self.address)
        if self.executor == "ray":
            if self.device not in ("auto", "cpu"):
                found = f"--device {self.device} with --engine ray, whose workers have a core each"
                raise BadInput(found, do="--device cpu, or --engine local")
            object.__setattr__(self, "device", "cpu")

    @property
    def asks_metric(self) -> bool:
        """Whether a metric is named, so that none is chosen by default."""
        return self.metric is not None or bool(self.metrics)

    def _bind(self) -> None:
        """Put the functions of the user's own into the recipe and the space."""
        if self.preset is not None and self.recipe is None and self.modules:
            raise BadInput(
                f"--module together with --recipe {self.preset}", expected="a recipe for a network of your own"
            )
        if self.recipe is None and self.space is None:
            return
        from tenfold.recipe.own_functions import OwnFunctions
        from tenfold.recipe.spaces.own_networks import space_of_own_networks, with_own_network

        given = self.modules or OwnFunctions()
        if self.recipe is not None:
            object.__setattr__(self, "recipe", with_own_network(self.recipe, given))
        if self.space is not None:
            object.__setattr__(self, "space", space_of_own_networks(self.space, given))

    def _check_words(self) -> None:
        if not DEVICE.fullmatch(self.device):
            raise BadInput(f"--device {self.device}", expected="cpu, cuda or auto")
        words = {"strategy": STRATEGIES, "proposals": PROPOSALS, "rule": RULES, "keep": WAYS}
        for name, allowed in words.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise BadInput(f"--{name} {value}", expected=f"one of: {', '.join(allowed)}")

    def _check_together(self) -> None:
        raced = self.strategy not in (None, "exhaustive")
        if self.proposals != "random" and (self.recipe is not None or self.preset is not None):
            raise BadInput(
                f"--proposals {self.proposals} together with --recipe, which is one recipe",
                expected="--space FILE, from which recipes are proposed", do="leave one of the two out",
            )  # fmt: skip
        if self.proposals == "grid" and self.space is None:
            raise BadInput(
                "--proposals grid without a space of your own", expected="--space FILE, whose sets are lists of values",
                do="tenfold space DATA --target COL prints one to edit",
            )  # fmt: skip
        if self.gap and self.time is None:
            raise BadInput(f"--gap {self.gap} without --time", do="--time COL, or no gap")
        if self.nested and (raced or self.proposals not in ("random", "sobol", "grid") or self.time is not None):
            found = "--nested together with " + (
                "--time" if self.time else "a race" if raced else f"--proposals {self.proposals}"
            )
            raise BadInput(found, expected="an exhaustive search over rows without an order", do="leave --nested out")
        if self.audit and self.strategy == "exhaustive":
            raise BadInput(
                "--audit of an exhaustive search", expected="a race, which drops recipes", do="--strategy halving"
            )
        if self.no_test and self.holdout == 0 and self.test is None:
            raise BadInput(
                "--no-test cannot be used with --holdout 0", expected="test rows that stay sealed", do="leave one out"
            )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "modules"}
        plain = {name: value.to_dict() for name in ("recipe", "space") if (value := values[name]) is not None}
        return {**values, **plain, "reading": self.reading.to_dict()}

    @staticmethod
    def of(values: dict[str, Any], modules: OwnFunctions | None = None) -> Settings:
        """The inverse of `to_dict`: the settings of a stored run."""
        from tenfold.recipe.recipe import Recipe
        from tenfold.recipe.spaces.space import Space

        recipe, space = values["recipe"], values["space"]
        return Settings(**{
            **values,
            "recipe": None if recipe is None else Recipe.from_dict(recipe),
            "space": None if space is None else Space.from_dict(space),
            "drop": tuple(values["drop"]),  # JSON has lists
            "metrics": tuple(values.get("metrics", ())),
            "reading": ReadOptions.of(values["reading"]) if "reading" in values else DEFAULT,
            "modules": modules,
        })  # fmt: skip
