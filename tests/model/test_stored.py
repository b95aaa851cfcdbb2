"""A bundle whose hashes are right and whose content is no model is refused when it is loaded, in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
from tenfold.errors import Corrupt
from tenfold.store import read_bundle, write_bundle

FIXTURES = Path(__file__).parent.parent / "fixtures"
PARTS = ("spec", "arrays", "schema", "preprocess", "preprocess_arrays", "card", "meta")


def parts(name: str = "model_format_1") -> dict[str, Any]:
    bundle = read_bundle(FIXTURES / name)
    return {part: getattr(bundle, part) for part in PARTS}


def variants(value: Any) -> list[Any]:
    """Values of other types, and of the same type that cannot be."""
    wrong: list[Any] = [None, "text", [], {}, [[]], {"a": 1}, -1, 1.5, True, 10**30]
    if isinstance(value, list):
        wrong += [value[:-1], [*value, *value], [None, *value]]
    if isinstance(value, dict):
        wrong += [{**value, "other": 1}, dict(list(value.items())[1:])]
    return [other for other in wrong if type(other) is not type(value) or other != value]


def sites(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside a JSON value, but of at most three members of a list."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [path, *(place for key, member in inside for place in sites(member, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    copied = json.loads(json.dumps(value))
    if not path:
        return new
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return copied


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def predict(directory: Path, inputs: dict[str, Any]) -> np.ndarray:
    return tenfold.load(directory).predict_proba(inputs)


@pytest.fixture(scope="module")
def rows() -> Any:
    import pandas as pd

    frame = pd.DataFrame(json.loads((FIXTURES / "model_format_1_predictions.json").read_text())["rows"])
    frame["when"] = pd.to_datetime(frame["when"])
    return frame


def refused_or_right(path: Path, changed: dict[str, Any], rows: Any, wanted: np.ndarray) -> bool:
    """Whether a bundle is refused as damaged; else it must predict numbers, of whatever classes it names."""
    write_bundle(path, **changed)
    try:
        model = tenfold.load(path)
    except Corrupt as error:
        assert "\n" not in str(error)
        return True
    try:
        found = model.predict_proba(rows)
    except tenfold.BadInput:  # of a schema that asks for other columns than the rows have
        return False
    assert found.shape == wanted.shape
    assert np.isfinite(found).all()
    return False


@pytest.mark.slow
@pytest.mark.parametrize("part", ["spec", "schema", "preprocess"])
def test_no_other_value_anywhere_in_the_json_is_an_internal_error(tmp_path: Path, rows: Any, part: str) -> None:
    whole = parts()
    wanted = tenfold.load(FIXTURES / "model_format_1").predict_proba(rows)
    refused = tried = 0
    for path in sites(whole[part]):
        for new in variants(at(whole[part], path)):
            refused += refused_or_right(tmp_path / "m", {**whole, part: put(whole[part], path, new)}, rows, wanted)
            tried += 1
    assert tried > 30
    assert refused > tried / 3


def damaged_arrays(array: np.ndarray) -> list[np.ndarray | None]:
    """Wrong shapes, types and numbers; None: the array is left out."""
    found: list[np.ndarray | None] = [None, array[..., None], array.reshape(-1)[:-1], array.astype("int8")]
    found += [np.concatenate([array, array]), array.astype("float16"), np.zeros(array.shape, bool)]
    if array.dtype.kind == "f":
        for number in (np.nan, np.inf):
            changed = array.copy()
            changed.reshape(-1)[:1] = number
            found.append(changed)
        found.append(array.astype("float64" if array.dtype == np.float32 else "float32"))
    else:
        found += [array - 1000, array + 1000]
    return found


@pytest.mark.parametrize("part", ["arrays", "preprocess_arrays"])
def test_other_arrays_are_refused_or_do_no_harm(tmp_path: Path, rows: Any, part: str) -> None:
    whole = parts()
    wanted = tenfold.load(FIXTURES / "model_format_1").predict_proba(rows)
    for name, array in whole[part].items():
        for number, new in enumerate(damaged_arrays(array)):
            others = {key: value for key, value in whole[part].items() if key != name}
            changed = others if new is None else {**others, name: new}
            refused = refused_or_right(tmp_path / "m", {**whole, part: changed}, rows, wanted)
            same = new is not None and np.array_equal(new, array)
            precise = new is not None and new.dtype.kind == "f" and part == "preprocess_arrays"
            assert refused or same or precise or array.size == 0, (name, number)
    assert refused_or_right(tmp_path / "m", {**whole, part: {**whole[part], "other": np.zeros(2)}}, rows, wanted)


@pytest.mark.parametrize(
    ("part", "path", "new"),
    [
        ("spec", ("classes",), 3),
        ("spec", ("classes",), ["a"]),
        ("spec", ("classes",), ["a", "a"]),
        ("spec", ("recipe",), {"epochs": "many"}),
        ("spec", ("recipe",), None),
        ("spec", ("epochs",), None),
        ("spec", ("images",), {"height": 2, "width": 2, "channels": 1}),
        ("spec", ("members",), 2),
        ("schema", ("columns",), []),
        ("schema", ("task",), "regression"),
        ("preprocess", ("width",), 10**6),
        ("preprocess", ("target_scale",), [0.0]),
    ],
)
def test_a_part_that_does_not_fit_is_refused(tmp_path: Path, part: str, path: tuple[str, ...], new: Any) -> None:
    whole = parts()
    write_bundle(tmp_path / "m", **{**whole, part: put(whole[part], path, new)})
    with pytest.raises(Corrupt, match=r"/m"):
        tenfold.load(tmp_path / "m")


@pytest.mark.parametrize("name", ["model_format_1", "ensemble_format_1"])
def test_models_as_they_were_written_are_loaded(tmp_path: Path, name: str) -> None:
    write_bundle(tmp_path / "m", **parts(name))
    assert tenfold.load(tmp_path / "m").recipe == tenfold.load(FIXTURES / name).recipe


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "prelu": {"network": {"hidden": [5, 3], "activation": {"prelu": {"per": "channel"}}}},
    "parametric": {"network": {"hidden": [5, 3], "activation": {"parametric": "selu"}}},
    "maxout": {"network": {"hidden": [5, 3], "activation": "maxout"}},
    "batch norm": {"network": {"hidden": [5, 3], "normalization": "batch"}},
    "group norm": {"network": {"hidden": [6, 4], "normalization": {"group": {"groups": 2}}}},
    "linear": {"network": {"hidden": []}},
    "components": {"preprocess": "whiten_pca"},
    "limits": {"preprocess": "robust_clip"},
    "lines": {"preprocess": "quantile_normal"},
    "as it is": {"preprocess": "none"},
    "hinge": {"loss": "hinge"},
    "second order": {"optimizer": "lbfgs"},
}


def saved_and_loaded(path: Path, model: Any, x: Any) -> None:
    model.save(path)
    again = tenfold.load(path)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert repr(again) == repr(model)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_is_loaded_as_it_was_saved(tmp_path: Path, kind: str) -> None:
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    recipe = {"network": {"hidden": [4]}, "epochs": 1, "batch_size": 32, **KINDS[kind]}
    if kind == "second order":
        recipe["batch_size"] = "full"
    space = tenfold.Space.from_dict(recipe)
    saved_and_loaded(tmp_path / "m", tenfold.search(space, x[::3], y[::3], trials=1, folds=2).refit(), x)


@pytest.mark.parametrize("target", ["x", "label", "yes", "count"])
def test_every_kind_of_column_and_target_is_loaded_as_it_was_saved(tmp_path: Path, target: str) -> None:
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=60),
            "gap": np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60)),
            "label": rng.choice(["red", "green", "blue"], 60),
            "rare": rng.choice([f"level{i}" for i in range(20)], 60),
            "yes": rng.random(60) < 0.5,
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, 60), unit="D"),
            "count": rng.integers(0, 4, 60),
            "same": 1.0,
        }
    )
    x, y = frame.drop(columns=target), frame[target]
    space = tenfold.Space.from_dict({"network": {"hidden": [4]}, "epochs": 1, "batch_size": 16})
    saved_and_loaded(tmp_path / "m", tenfold.search(space, x, y, trials=1, folds=2).refit(), x)


@pytest.mark.parametrize("first", [{"dense": 4}, {"conv": {"channels": 3, "kernel": 3}}])
def test_models_of_images_are_loaded_as_they_were_saved(tmp_path: Path, first: dict[str, Any]) -> None:
    from sklearn.datasets import load_digits

    x, y = load_digits(n_class=3, return_X_y=True)
    images = x[:60].reshape(-1, 8, 8, 1)
    layers = [first, "batch_norm", "relu"] if "conv" in first else [first, "relu"]
    space = tenfold.Space.from_dict({"network": {"layers": layers}, "epochs": 1, "batch_size": 16})
    saved_and_loaded(tmp_path / "m", tenfold.search(space, images, y[:60], trials=1, folds=2).refit(), images)
