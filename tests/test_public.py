"""The public face: every name is there, documented and typed, and importing it is cheap."""

import ast
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tenfold
from tenfold.recipe.words.explain import catalogue

HEAVY = ("torch", "sklearn", "matplotlib", "duckdb", "pandas", "polars", "pyarrow", "scipy")


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_of_the_design_are_importable():
    wanted = {"Recipe", "Space", "MLP", "Adam", "cross_validate", "search", "load", "Classifier", "Regressor"}
    assert wanted <= set(tenfold.__all__)
    assert set(tenfold.__all__) <= set(dir(tenfold))
    for name in tenfold.__all__:
        assert getattr(tenfold, name) is not None
    assert "tenfold.api" in tenfold.search.__module__  # the function, not the module of that name


def test_every_rule_and_layer_is_public():
    rules = {entry.rule for entry in catalogue()}
    assert {rule.__name__ for rule in rules} <= set(tenfold.__all__)
    assert all(getattr(tenfold, rule.__name__) is rule for rule in rules)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No tenfold attribute study"):
        _ = tenfold.study


@pytest.mark.parametrize("name", [n for n in tenfold.__all__ if not n.startswith("_")])
def test_every_public_name_is_documented(name):
    thing = getattr(tenfold, name)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        for part, value in vars(thing).items():
            if inspect.isfunction(value) and not part.startswith("_"):
                assert inspect.getdoc(value), f"{name}.{part}"


def test_a_name_is_found_where_type_checkers_look_for_it():
    home = Path(inspect.getfile(tenfold))
    imports = ast.parse(home.with_suffix(".pyi").read_text()).body[1:]
    named = [alias for node in imports if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(alias.name for alias in named) == sorted(tenfold.__all__)
    assert all(alias.asname == alias.name for alias in named)  # which is how a stub says that a name is public
    assert (home.parent / "py.typed").exists()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed")
def test_a_type_checker_knows_every_public_type():
    command = [sys.executable, "-m", "pyright", "--verifytypes", "tenfold", "--ignoreexternal", "--outputjson"]
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # it asks `python`
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=here)
    symbols = {symbol["name"]: symbol for symbol in json.loads(done.stdout)["typeCompleteness"]["symbols"]}
    homes = {f"{getattr(tenfold, name).__module__}." for name in tenfold.__all__ if name != "__version__"}
    public = {name: symbol for name, symbol in symbols.items() if name.startswith(tuple(homes))}
    assert {f"{getattr(tenfold, name).__module__}.{name}" for name in ("search", "Adam", "Recipe", "watch")} <= set(
        public
    )
    unknown = {
        name: [one["message"] for one in symbol["diagnostics"]]
        for name, symbol in public.items()
        if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]
    }
    bases = {"tenfold.estimators.Classifier", "tenfold.estimators.Regressor", "tenfold.estimators._Network"}
    assert set(unknown) == bases, unknown  # which scikit-learn does not type


def test_importing_it_imports_nothing_heavy():
    code = f"import sys, tenfold; tenfold.__version__; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code) == "[]\n"


def test_recipes_and_spaces_need_no_torch():
    code = "import sys, tenfold; r = tenfold.Recipe(optimizer=tenfold.Adam(lr=1e-3)); r.to_yaml(); "
    code += "tenfold.Space.from_dict({'epochs': [1, 2]}).sample(2); print('torch' in sys.modules)"
    assert python(code) == "False\n"


def test_the_example_of_the_design_works():
    network = tenfold.MLP(hidden=(128, 128), activation="relu")
    recipe = tenfold.Recipe(network=network, optimizer=tenfold.Adam(lr=1e-3))
    assert tenfold.Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert tenfold.Recipe.from_dict(recipe.to_dict()) == recipe
    assert len(tenfold.Space.from_dict({"epochs": [1, 2, 3]}).sample(64, seed=0)) == 3


def test_errors_are_one_family():
    for error in (tenfold.BadInput, tenfold.Corrupt, tenfold.RunFailed, tenfold.Stopped):
        assert issubclass(error, tenfold.TenfoldError)
    assert issubclass(tenfold.BadInput, ValueError)
