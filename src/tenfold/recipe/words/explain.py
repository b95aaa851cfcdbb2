"""All rules and layers by name, and what each record documents of itself: `tenfold recipes --explain NAME`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tenfold.errors import BadInput
from tenfold.formatting import nearest
from tenfold.recipe.grammar.faults import OTHER_NAMES
from tenfold.recipe.grammar.field_kinds import Either, Family, Fields, LayerList, kinds
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.words.topics import TOPICS, Topic
from tenfold.rules.record import SECTIONS, sections

LABEL = 12  # columns of a section's name
WIDEST = 110
SHOWN = ("Formula", "Shapes", "Defaults", "Options", "Convention", "Presets", "Claim", "Choose", "Source")


@dataclass(frozen=True)
class Entry:
    """A rule under the name that recipe files use for it in one place: a field, or a list of layers."""

    place: str
    name: str
    rule: type

    @property
    def defaults(self) -> dict[str, Any]:
        """Its fields, as it is built without arguments."""
        default = self.rule()
        return {field: getattr(default, field) for field in kinds(self.rule)}

    @property
    def presets(self) -> dict[str, dict[str, Any]]:
        """Libraries, with the fields that reproduce their defaults."""
        return getattr(self.rule, "PRESETS", {})

    @property
    def names(self) -> dict[str, str]:
        """Its name in every place where the rule may be used."""
        return {entry.place: entry.name for entry in catalogue() if entry.rule is self.rule}

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        text = sections(self.rule)
        documented = {section.lower(): text[section] for section in SECTIONS if section in text}
        defaults = {field: list(value) if isinstance(value, tuple) else value for field, value in self.defaults.items()}
        head = {"name": self.name, "family": self.place, "names": self.names, "summary": text[""]}
        return {**head, **documented, "defaults": defaults, "presets": self.presets}


def catalogue() -> list[Entry]:
    """All rules and layers, place by place in the order of a recipe's fields."""
    return list(_entries(Recipe))


def _entries(record: type) -> Iterator[Entry]:
    families = [kind for kind in kinds(record).values() if isinstance(kind, Family)]
    for field, kind in kinds(record).items():
        match kind:
            case Family(rules) if any(set(rules) < set(other.rules) for other in families):
                pass  # schedules of other things than the rate are those of `decay`
            case Family():
                yield from (Entry(field, name, rule) for name, rule in kind.members.items())
            case LayerList(family):
                yield from (Entry("layer", name, rule) for name, rule in family.members.items())
            case Fields(rule):
                yield Entry(field, field, rule)
            case Either(records):
                for inner in records:
                    yield from _entries(inner)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


# In letters alone: names that courses and other libraries use, of rules and of their families.
CALLED_HERE = {_letters(other): names[-1] for other, names in OTHER_NAMES.items()} | {
    "learningratedecay": "decay", "lrdecay": "decay", "scheduler": "decay", "initialization": "init",
    "preprocessing": "preprocess",
}  # fmt: skip


def explain(name: str) -> list[Entry | Topic]:
    """The rules of that name (of a file or of Python, however it is spelled), each once; and what is no rule.

    Raises `BadInput` with the nearest name and all names by place.
    """
    asked = _letters(CALLED_HERE.get(_letters(name), name))
    matching: dict[type, Entry] = {}
    places: dict[str, dict[str, type]] = {}
    for entry in catalogue():
        if asked in (_letters(entry.name), _letters(entry.rule.__name__)):
            matching.setdefault(entry.rule, entry)
        # a rule that has the same name in two places is listed in the first
        if not any(names.get(entry.name) is entry.rule for names in places.values()):
            places.setdefault(entry.place, {})[entry.name] = entry.rule
    topics = [topic for topic in TOPICS if _letters(topic.name) == asked]
    if matching or topics:
        return [*matching.values(), *topics]
    if asked in map(_letters, places):
        place = next(place for place in places if _letters(place) == asked)
        members = list(places[place])
        raise BadInput(
            f"{place} has several rules: {', '.join(members)}", do=f"tenfold recipes --explain {members[-1]}"
        )
    alone = [place for place, names in places.items() if list(names) == [place]]
    others = [*alone, *(topic.name for topic in TOPICS)]
    near = nearest(name, [*(known for names in places.values() for known in names), *others], likeness=0.5)
    lines = {place: names for place, names in places.items() if place not in alone} | {"others": others}
    listed = "\n".join(f"  {place}: {', '.join(names)}" for place, names in lines.items())
    hint = f"; nearest: {near}" if near else ""
    raise BadInput(f"unknown name {name[:40]!r}{hint}; there are\n{listed}")


def explanation(entry: Entry | Topic, *, width: int = WIDEST) -> str:
    """The entry for people to read: its name and place, the summary, then its sections, wrapped."""
    if isinstance(entry, Topic):
        return "\n".join(entry.lines(max(min(width, WIDEST), 40), LABEL)) + "\n"
    text = sections(entry.rule)
    presets = (f"{library} ({yaml_fields(fields) or 'as here'})" for library, fields in entry.presets.items())
    text |= {"Defaults": yaml_fields(entry.defaults), "Presets": "; ".join(presets)}
    places: dict[str, list[str]] = {}
    for place, name in entry.names.items():
        places.setdefault(name, []).append(place)
    head = ", ".join(f"{name} ({', '.join(where)})" for name, where in places.items())
    lines = [head, *_wrapped(text[""], "", width)]
    for section in SHOWN:
        if text.get(section):
            lines += _wrapped(text[section], section, width)
    return "\n".join(lines) + "\n"


def _wrapped(text: str, label: str, width: int) -> list[str]:
    indent = " " * (LABEL + 2 if label else 2)
    first = f"  {label:<{LABEL}}" if label else indent
    return textwrap.wrap(
        text, max(min(width, WIDEST), 40), initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    )


def yaml_fields(fields: dict[str, Any]) -> str:
    """ "lr: 0.001, beta1: 0.9", as YAML has it."""
    return ", ".join(f"{field}: {yaml_value(value)}" for field, value in fields.items())


def yaml_value(value: Any) -> str:
    """A field's value as YAML has it, numbers as short as they are exact."""
    if isinstance(value, tuple):
        return "[]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return value
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
