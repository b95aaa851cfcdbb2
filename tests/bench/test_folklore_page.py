"""docs/folklore.md is what bench/studies.py makes of the committed numbers, and they are those of today's studies."""

import json

import pytest
from bench.studies import FILE, PAGE, entry, page

from tenfold.studies.all_studies import studies
from tenfold.studies.study import run_study

REPORT = json.loads(FILE.read_text(encoding="utf-8"))


def test_the_page_is_made_of_the_committed_numbers():
    assert PAGE.read_text(encoding="utf-8") == page(REPORT), "run `python -m bench.studies --page`"


def test_every_study_was_measured_and_confirmed_its_verdict():
    assert list(REPORT["studies"]) == list(studies()), "run `python -m bench.studies --missing`"
    for name, study in studies().items():
        kept = REPORT["studies"][name]
        assert (kept["verdict"], kept["confirmed"], kept["seeds"]) == (study.verdict, True, study.seeds), name
        assert [number["name"] for number in kept["numbers"]] == list(dict.fromkeys(b.name for b in study.bounds)), name


def test_what_is_kept_of_a_study_is_what_the_page_shows():
    kept = entry(run_study(studies()["elu-as-maximum"]))
    assert kept["numbers"] == REPORT["studies"]["elu-as-maximum"]["numbers"]
    changed = {**REPORT, "studies": {**REPORT["studies"], "elu-as-maximum": {**kept, "sentences": "a * b < c."}}}
    assert (
        "### elu-as-maximum\n\n“ELU is max(a (e^x - 1), x)”: **does not hold** (C20b, E9).\n\na \\* b \\< c.\n"
        in page(changed)
    )
    with pytest.raises(KeyError):
        page({"studies": {}})
