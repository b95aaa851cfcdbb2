"""YAML in, with the line and column of every value and without YAML's surprises; YAML out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from tenfold.errors import BadInput, clipped
from tenfold.recipe.grammar.faults import Fault, FieldPath, Source, raise_all

LARGEST = 1 << 20  # bytes of a recipe or space file
MOST_NODES = 20_000  # with those that anchors repeat: a few lines of anchors can stand for billions of values
DEEPEST = 60  # lists and mappings inside of each other
# YAML 1.1 reads 010 as 8, 0x10 as 16 and 1:30 as 90, which nobody means. It also takes 1e-3 for a text (the reader
# makes a number of it) and on, off, yes, no for true and false (which the message then shows).
PLAIN_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")}


def load_yaml(source: str | Path, *, made_by: str) -> tuple[Any, Source]:
    """Plain data of a YAML file or text, and the position of every value; an empty text is None, an empty file is
    refused with the command it is `made_by`.

    A `Path` is a file; so is a one-line string that ends in .yaml or .yml or names an existing file. Nothing but
    plain values is accepted: no tags, no second document, no repeated key, no numbers that YAML 1.1 reads in base
    8 or 60. Raises `BadInput` with line and column.
    """
    name, text = _read(source)
    if len(text) > LARGEST:
        raise BadInput("larger than 1 MiB", where=name, expected="YAML text of a few lines")
    try:
        node = yaml.compose(text, Loader=_loader(name))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise BadInput(_problem(error), where=place.removeprefix(":"), do="one `name: value` a line") from None
    except yaml.YAMLError as error:
        raise BadInput(f"not YAML text: {str(error).splitlines()[0]}", where=name) from None
    converter = _Converter(name)
    data = None if node is None else converter.value(node, (), ())
    if data is None and name and not converter.faults:
        raise BadInput(
            "is empty", where=name, expected="a field a line, such as `epochs: 40`", do=f"`{made_by}` writes one"
        )
    origin = Source(name, converter.marks)
    raise_all(converter.faults, origin)
    return data, origin


def _read(source: str | Path) -> tuple[str, str]:
    """(name, text) of a file, or ("", text)."""
    text = str(source)
    if isinstance(source, str) and ("\n" in text or not (text.lower().endswith((".yaml", ".yml")) or _is_file(text))):
        return "", text
    path = Path(source)
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput("larger than 1 MiB", where=str(path), expected="a YAML file of a few lines")
        return str(path), path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path), do="check the path") from None
    except UnicodeDecodeError:
        raise BadInput("is not UTF-8 text", where=str(path), do="save it as UTF-8") from None


def _loader(name: str) -> type[yaml.SafeLoader]:
    """A loader of the file of that name which stops where no recipe can be that long."""

    class _BoundedLoader(yaml.SafeLoader):
        nodes, depth = 0, 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.nodes, self.depth = self.nodes + 1, self.depth + 1
            where = f"{name}:{self.line + 1}".removeprefix(":")
            if self.nodes > MOST_NODES:
                raise BadInput(f"over {MOST_NODES:,} values", where=where, expected="a recipe or a space")
            if self.depth > DEEPEST:
                raise BadInput("nested too deeply", where=where, expected="the few levels of a recipe")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return _BoundedLoader


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _problem(error: yaml.MarkedYAMLError) -> str:
    if "'\\t'" in str(error.problem):
        return "a tab; YAML is indented with spaces"
    if "expected a single document" in str(error.context):
        return "a second document ('---'); one is expected"
    return f"not YAML: {error.context + ', ' if error.context else ''}{error.problem}"


class _Converter:
    """Makes plain data of the nodes of a YAML text; collects marks (line, column from 1) and faults by path.

    `yaml.safe_load` would do without the positions, and let the last of two equal keys win without a word.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: dict[FieldPath, tuple[int, int]] = {}
        self.faults: list[Fault] = []
        self.constructor = yaml.SafeLoader("")
        self.visited = itertools.count(1)

    def value(self, node: yaml.Node, path: FieldPath, above: tuple[int, ...]) -> Any:
        """The data of a node; above: the ids of the nodes that enclose it, to see an anchor that contains itself."""
        self.marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if id(node) in above or next(self.visited) > MOST_NODES:
            place = f"{self.name}:{Source('', self.marks).mark(path)}".removeprefix(":")
            raise BadInput("an anchor that contains itself or grows without end", where=place)
        if node.tag not in TAGS:
            short = clipped(node.tag.replace("tag:yaml.org,2002:", "!!"), 60)
            self.faults.append(Fault(path, f"the tag {short} is not allowed; only plain values are"))
            return None
        inside = (*above, id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i), inside) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, inside)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: FieldPath, above: tuple[int, ...]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(Fault(path, "a key that is a list or a mapping; expected a name"))
                continue
            key = str(key_node.value)
            inner = (*path, key)
            if key in data:
                line, _ = self.marks[inner]
                again = key_node.start_mark.line + 1
                self.faults.append(Fault(inner, f"written twice, in lines {line} and {again}; keep one"))
                continue
            # a list or mapping may begin lines below its key: then the key is the better place to point at
            mark = (value_node if isinstance(value_node, yaml.ScalarNode) else key_node).start_mark
            self.marks[inner] = (mark.line + 1, mark.column + 1)
            data[key] = self.value(value_node, inner, above)
        return data

    def _scalar(self, node: yaml.Node, path: FieldPath) -> Hashable:
        text, kind = str(node.value), node.tag.rsplit(":")[-1]
        base_60 = kind in ("int", "float") and ":" in text
        if base_60 or (kind == "int" and not PLAIN_INT.fullmatch(text)):
            self.faults.append(
                Fault(path, f"{text[:40]} is not a number in plain decimals (YAML may read another base)")
            )
            return None
        try:
            return self.constructor.construct_object(node)
        except (ValueError, KeyError, yaml.YAMLError):
            self.faults.append(Fault(path, f"{text[:40]!r} cannot be read as a {kind}"))
            return None


class _Dumper(yaml.SafeDumper):
    """Writes innermost lists and mappings on one line, but never the outermost mapping."""

    def serialize(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode) and node.value:
            node.flow_style = False
        super().serialize(node)


def dump_yaml(data: Any) -> str:
    """YAML text of plain data: keys in order, one a line, innermost lists and mappings on one line."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)


def write_text(text: str, path: str | Path | None) -> str:
    """The text; written to `path` (UTF-8) when one is given. Raises `BadInput` when it cannot be written."""
    if path is not None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadInput(f"cannot be written: {error.strerror}", where=str(path), do="check the path") from None
    return text
