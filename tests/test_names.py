"""One name, one thing: no class, public function or type alias is defined twice with two meanings. And every public
method says what it does, itself or in the method that it overrides."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections import defaultdict
from pathlib import Path

import pytest

import tenfold

PACKAGE = Path(tenfold.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def definitions(tree: ast.Module) -> dict[str, str]:
    """Classes, public functions and type aliases of a module: name -> the code of an alias, "" for the others.

    An alias that is written the same everywhere (`Array = np.ndarray`) has one meaning and may be repeated.
    """
    names: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                names[name] = ""
            case ast.FunctionDef(name=name) if not name.startswith("_"):
                names[name] = ""
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.isupper() and not name.startswith(
                "_"
            ):
                names[name] = ast.unparse(value)
    return names


def duplicates(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    """Names with more than one meaning, and where they are defined."""
    places: dict[str, list[str]] = defaultdict(list)
    meanings: dict[str, set[str]] = defaultdict(set)
    for place, tree in trees.items():
        for name, code in definitions(tree).items():
            places[name].append(place)
            meanings[name].add(code or place)
    return {name: where for name, where in places.items() if len(meanings[name]) > 1}


def test_no_name_is_defined_twice():
    trees = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
    assert duplicates(trees) == {}


def test_a_second_definition_would_be_found():
    trees = {
        "a.py": ast.parse("class Plan: ...\nArray = np.ndarray\ndef _helper(): ...\nKind = Literal['x']"),
        "b.py": ast.parse("def Plan(): ...\nArray = np.ndarray\ndef _helper(): ...\nKind = Literal['y']"),
    }
    assert duplicates(trees) == {"Plan": ["a.py", "b.py"], "Kind": ["a.py", "b.py"]}


def protocol_methods() -> set[str]:
    """Methods that a protocol of the package documents: a class that keeps it need not repeat what they do."""
    classes = [
        node
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
    ]
    methods = [method for node in classes for method in node.body if isinstance(method, ast.FunctionDef)]
    return {method.name for method in methods if ast.get_docstring(method)}


PROTOCOL_METHODS = protocol_methods()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_methods_say_what_they_do(path):
    if path.name == "__init__.py":
        return
    name = ".".join(["tenfold", *path.relative_to(PACKAGE).with_suffix("").parts])
    module = importlib.import_module(name)
    public = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == name and not value.__name__.startswith("_")
    ]
    # Of records that are used alike, as the members of a union in one file, one documents a method for all.
    documented = {method for owner in public for method, value in vars(owner).items() if inspect.getdoc(value)}
    silent = []
    for owner in public:
        for method, value in vars(owner).items():
            written_here = inspect.isfunction(value) and value.__name__ == method and not method.startswith("_")
            if (
                written_here
                and method not in PROTOCOL_METHODS | documented
                and not inspect.getdoc(getattr(owner, method))
            ):
                silent.append(f"{owner.__name__}.{method}")
    assert silent == []
