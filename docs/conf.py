"""How these pages become a site: `make docs`, with Sphinx, MyST and furo. A warning is an error.

The pages are plain Markdown that reads well where it lies. What only the site needs is added while they are read: the
tree of pages, and words instead of links to files that are no pages.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE.parent / "src" / "tenfold" / "_version.py").read_text(encoding="utf-8")
)

project, author, release = "Tenfold", "Tenfold developers", VERSION[1] if VERSION else ""
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme, html_title = "furo", f"Tenfold {release}"
html_copy_source, html_static_path = False, ["images"]
default_role = "code"
myst_heading_anchors = 4
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__, set_fit_request, set_score_request"}
highlight_language = "none"

PARTS = {
    "Start": ["overview", "installing", "commands", "python", "journeys/practitioner", "journeys/pytorch", "journeys/student"],
    "Choose": [
        "recipes", "tables", "modules", "activations", "embeddings", "preprocessing", "initialization", "normalization",
        "optimizers", "decay", "regularization", "losses", "convolution", "folklore",
    ],
    "Trust": [
        "your_file", "data", "selection", "watching", "statistics", "engine", "compiled", "cluster", "files", "export",
        "reliability", "benchmarks",
    ],
    "Diagnose": ["diagnosis", "causes/index"],
    "Reference": ["api", "architecture", "contributing", "log"],
}  # fmt: skip


def _tree(caption: str, pages: list[str]) -> str:
    heading = f":caption: {caption}\n" if caption else ""
    return "\n\n```{toctree}\n:hidden:\n" + heading + "\n" + "\n".join(pages) + "\n```\n"


def _adapt(app, name, source):
    """Links out of this folder become words; the first pages get the tree."""
    text = source[0]
    if name == "overview":
        text = (
            (HERE.parent / "README.md")
            .read_text(encoding="utf-8")
            .replace("](docs/", "](")
            .replace("docs/images/", "_static/")
        )
        text = re.sub(r"\[([^\]]*)\]\((?:bench/|constraints|README\.)[^)]*\)", r"\1", text)
    text = re.sub(r"\[([^\]]*)\]\(\.\./README\.md(#[\w-]+)?\)", r"[\1](overview.md\2)", text)
    text = re.sub(r"\[([^\]]*)\]\(\.\./constraints\.txt\)", r"\1", text)
    text = re.sub(r"\[([^\]]*)\]\((?:\.\./)+bench/[^)]*\)", r"\1", text)
    if name == "index":
        text += "".join(_tree(caption, pages) for caption, pages in PARTS.items())
    if name == "causes/index":
        text += _tree("", sorted(page.stem for page in (HERE / "causes").glob("*.md") if page.stem != "index"))
    source[0] = text


def _plain(app, what, name, obj, options, lines):
    """Docstrings are words with names in backticks: whatever else reStructuredText would read into them is escaped."""
    for number, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        lines[number] = "".join(
            part if part.startswith("`") else re.sub(r"([\\*|]|_(?!\w))", r"\\\1", part) for part in parts
        )


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", _adapt)
    app.connect("autodoc-process-docstring", _plain)
