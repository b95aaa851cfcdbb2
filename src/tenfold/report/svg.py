"""From a matplotlib figure to an <svg> element of the page: its colours and fonts, the same bytes every time."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
INK, SOFT, LINE, ACCENT, PAGE = "#010203", "#010204", "#010205", "#010206", "#010207"
VARIABLES = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", ACCENT: "var(--accent)", PAGE: "var(--page)"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: smaller, selectable, in the page's font
    "svg.hashsalt": "tenfold",
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.major.pad": 7,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
}
HUGE = 1e30  # nothing beyond it is drawn


def drawable(values: Any) -> np.ndarray:
    """Numbers as float64; None, infinities and what is beyond 1e30 become NaN, which a figure leaves out."""
    array = np.array(values, dtype=object)
    numbers = np.array([np.nan if v is None else float(v) for v in array.ravel()], np.float64).reshape(array.shape)
    return np.where(np.abs(numbers) < HUGE, numbers, np.nan)


def to_svg(figure: Figure, name: str, label: str) -> Markup:
    """The figure as an <svg> element. name: prefix of its ids, unique in the page; label: what it shows, in words.

    Colours become the page's variables, so that the figure follows light and dark; no size, so that CSS decides.
    """
    out = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(out.getvalue())
    for element in list(root):
        if element.tag.endswith("metadata"):
            root.remove(element)
    for element in root.iter():
        element.attrib.update({key: _mended(key, value, name) for key, value in element.attrib.items()})
    for size in ("width", "height"):
        root.attrib.pop(size)
    root.attrib.update({"role": "img", "aria-label": label})
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _mended(key: str, value: str, name: str) -> str:
    """One attribute: ids kept apart from those of other figures, colours as variables, two decimals in paths."""
    if key == "id":
        return f"{name}-{value}"
    if key.endswith("href"):
        return value.replace("#", f"#{name}-", 1)
    value = value.replace("url(#", f"url(#{name}-")
    for colour, variable in VARIABLES.items():
        value = value.replace(colour, variable)
    return re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", value) if key == "d" else value


def style() -> Any:
    """The context in which figures are drawn and written."""
    return mpl.rc_context(STYLE)
