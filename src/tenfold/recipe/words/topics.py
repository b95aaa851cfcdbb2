"""Words of a recipe that are no rules: the values of its fields, and its presets, for `tenfold recipes --explain`."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Topic:
    """name: as it is written; place: where; summary: what it does; choose: when to choose it; source: who says so."""

    name: str
    place: str
    summary: str
    choose: str = ""
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data."""
        return {"name": self.name, "family": self.place, "summary": self.summary, "choose": self.choose,
                "source": self.source}  # fmt: skip

    def lines(self, width: int, label: int) -> list[str]:
        """For people to read, wrapped."""
        found = [f"{self.name} ({self.place})"]
        found += textwrap.wrap(
            self.summary, width, initial_indent=" " * (label + 2), subsequent_indent=" " * (label + 2)
        )
        for name, text in (("Choose", self.choose), ("Source", self.source)):
            if text:
                first = f"  {name:<{label}}"
                found += textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * (label + 2))
        return found


TOPICS = (
    Topic(
        "categories", "field",
        "How the categories of a table enter a network: one_hot (the default), one input for each level; target_means, "
        "the mean target of each level beside them; embedded, eight learned numbers of each level in their place. The "
        "last two act on categories of more than eight levels, and leave the others as they are.",
        "one_hot for few levels; try target_means or embedded where a category has dozens.",
    ),
    Topic(
        "one_hot", "categories",
        "One input for each frequent level of a category, which is 1 for the rows that have it, and one for all other "
        "levels.", "few levels, or a network of your own.",
    ),
    Topic(
        "target_means", "categories",
        "Beside the inputs of its levels, a category of more than eight levels gives the mean target of each row's "
        "level: of training rows only, smoothed towards the mean of all, and for a training row without the part that "
        "it lies in, so that no row sees its own target.",
        "many levels that are rare each, such as postal codes.",
        "Micci-Barreca 2001, a preprocessing scheme for high-cardinality categorical attributes",
    ),
    Topic(
        "embedded", "categories",
        "In place of an input for each level, a category of more than eight levels is looked up in a table of eight "
        "learned numbers for each level, which are trained with the network. Rare and unseen levels share a row.",
        "many levels and enough rows of each; not for a network of your own, which brings its own embeddings.",
        "Guo & Berkhahn 2016, entity embeddings of categorical variables",
    ),
    Topic(
        "integers", "field",
        "How whole numbers of 3 to 50 distinct values enter a network: numbers (the default), as numbers alone; "
        "categories, as numbers and as categories too.",
        "categories where the numbers are codes (a month, a kind), or their effect goes up and down.",
    ),
    Topic(
        "realmlp", "preset",
        "RealMLP-TD: three layers of 256 units with parametric activations behind PBLD embeddings and a scaling layer, "
        "rates by kind of parameter, 256 epochs. `tenfold recipes realmlp` prints it, --recipe realmlp trains it.",
        "a table of some thousand rows, where you want one strong recipe and no search.",
        "Holzmueller, Grinsztajn & Steinwart 2024, Better by default, table A.1",
    ),
    Topic(
        "realmlp_s", "preset",
        "RealMLP-TD-S, the simple form of RealMLP: no embedding, dropout, weight decay or parametric activations.",
        "as realmlp, in less time.", "Holzmueller, Grinsztajn & Steinwart 2024, Better by default",
    ),
    Topic(
        "tabm_mini", "preset",
        "TabM-mini: eight views of every row through shared layers, each with an output of its own, behind PLE "
        "embeddings; the mean of the views predicts.",
        "a table where an ensemble helps and one network is to be kept.",
        "Gorishniy, Kotelnikov & Babenko 2025, TabM",
    ),
)  # fmt: skip
