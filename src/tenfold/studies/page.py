"""The page of a study, and the booklet of all."""

from __future__ import annotations

from collections.abc import Sequence

from tenfold.report.template import template
from tenfold.studies.all_studies import chapters
from tenfold.studies.study import Found


def study_page(found: Sequence[Found]) -> str:
    """One page with these studies, chapter by chapter as the booklet has them."""
    chapter_of = {study.name: chapter for chapter, part in chapters().items() for study in part}
    order, places = list(chapter_of), list(chapters())
    chosen = sorted(found, key=lambda one: order.index(one.study.name))
    parts = [
        {
            "study": one.study,
            "found": one,
            "place": places.index(chapter_of[one.study.name]),
            "chapter": chapter_of[one.study.name].replace("_", "-").capitalize(),
            "picture": one.study.draw(one.numbers).svg(one.study.name),
        }
        for one in chosen
    ]
    if len(chosen) == 1:
        title, several = chosen[0].study.name.replace("-", " ").capitalize(), ""
    else:
        title = "What is told of training networks"
        several = f"{len(chosen)} claims, each measured over {len(chosen[0].seeds)} seeds on this machine."
    return template("study.html.j2").render(title=title, several=several, studies=parts)
