"""The pages' templates: everything escaped, numbers and names printed as `tenfold.report.words` says."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from tenfold.report import words


def code(text: str) -> Markup:
    """A sentence with `code` in backticks, escaped."""
    parts = re.split(r"`([^`]+)`", text)
    return Markup().join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


@cache
def template(name: str) -> Template:
    """A template of this package by its file name."""
    environment = Environment(
        loader=PackageLoader("tenfold.report"),
        autoescape=True,
        finalize=words.page_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (words.score, words.whole_number, words.percent, words.duration, words.when, words.short, words.unbroken)
    environment.filters.update({function.__name__: function for function in (*filters, code)})
    return environment.get_template(name)
