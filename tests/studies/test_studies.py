"""Every study: complete, about rules that exist, confirmed by its own experiment, and shown on a page."""

import re

import numpy as np
import pytest
from markupsafe import escape

from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.words.explain import explain
from tenfold.studies.all_studies import CHAPTERS, chapters, studies, study_named
from tenfold.studies.page import study_page
from tenfold.studies.study import Bound, ClaimStudy, by_seed, run_study

STUDIES = studies()
QUICK = ("what-multiplies", "bouncing", "leaky-as-maximum", "elu-as-maximum", "centred-yet-saturated", "xaviers-name",
         "first-loss", "heavy-ball", "sign-of-the-velocity", "nesterov-lines", "adagrad-steps", "hessian-transposed",
         "leaving-saddles", "newton-without-rate", "gradient-check",
         "centring-and-zigzag", "principal-components", "mean-image", "order-of-the-rows",
         "undone", "not-gaussian", "through-the-batch", "exact-mean")  # fmt: skip
CAPITALS = ("ReLU", "ELU", "Xavier", "0.01", "L1", "PCA", "Adam", "RMSProp", "Newton")


def made(**changes):
    """A study of one drawn number."""
    parts = {
        "name": "a-coin", "claims": (), "told": "coins are fair", "verdict": "holds", "formula": "p = "
        "1/2", "done": "a coin",
        "follows": "nothing", "sources": ("none",), "measure": by_seed(lambda seed: {"x": seed}),
        "bounds": (Bound("x", 0, 3),), "say": lambda means: f"{means['x']:.1f}", "draw": lambda numbers: "<svg></svg>",
    }  # fmt: skip
    return ClaimStudy(**{**parts, **changes})


@pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))
def test_a_study_is_complete(study):
    for text in (study.told, study.formula, study.done, study.follows, *study.sources):
        assert text == text.strip() != ""
    assert all(re.fullmatch(r"[CEOS]\d+[a-z]?", claim) for claim in study.claims)
    assert study.claims
    assert study.told[0].islower() or study.told.split()[0].removesuffix("'s") in CAPITALS
    assert not study.told.endswith(".")
    assert study.done.endswith(".")
    assert study.follows.endswith(".")
    if study.recipe:
        Recipe.from_yaml(study.recipe)
    for rule in study.rules:
        assert explain(rule)


def test_names_and_chapters():
    assert tuple(chapters()) == CHAPTERS
    assert all(chapters().values())
    assert sum(map(len, chapters().values())) == len(STUDIES)
    assert study_named("E2").name == study_named("c08").name == "what-multiplies"
    with pytest.raises(BadInput, match=r"no study is called 'bouncin'\n.*bouncing"):
        study_named("bouncin")


def test_every_claim_of_the_list_is_there():
    """C29, that whitening is not used for images, is a matter of literature alone."""
    wanted = {f"C{n:02d}" for n in range(1, 70) if n != 29} | {"C07b", "C20b", "C20c", "C49b"}
    wanted |= {f"{kind}{n}" for kind, last in (("E", 39), ("O", 8), ("S", 5)) for n in range(1, last + 1)}
    assert {claim for study in STUDIES.values() for claim in study.claims} == wanted


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_study_is_confirmed(name):
    found = run_study(STUDIES[name], 2)
    assert found.broken == ()
    assert found.sentences.endswith(".")
    assert 20 < len(found.sentences.split()) < 120
    page = study_page([found])
    assert str(escape(found.study.verdict)) in page
    assert "<svg" in page
    assert "<script" not in page


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STUDIES if name not in QUICK])
def test_a_study_is_confirmed_over_ten_other_seeds(name):
    found = run_study(STUDIES[name], range(10, 20))
    assert found.broken == ()
    assert "<svg" in study_page([found])


def test_bounds():
    assert Bound("x", 1, 2).holds(np.array([1.0, 2.0]))
    assert Bound("x", 0.995, 0.995).holds(np.full(10, 0.995))
    assert not Bound("x", 0.995, 0.995).holds(np.full(10, 0.995 + 1e-9))
    assert not Bound("x", 1.6).holds(np.array([1.0, 2.0]))
    assert not Bound("x", high=1.4).holds(np.array([1.0, 2.0]))
    # A mean of 0.5 with a standard error of 0.5 is not clearly above 0.
    assert Bound("x", 0).holds(np.array([0.0, 1.0]))
    assert not Bound("x", 0, clear=True).holds(np.array([0.0, 1.0]))
    assert Bound("x", 0, clear=True).holds(np.array([0.9, 1.0]))
    assert not Bound("x", 0).holds(np.array([np.nan]))
    assert Bound("x", 0, 3, clear=True).words(np.array([5.0])) == (
        "x: 5, expected at least 0 and at most 3, by two standard errors"
    )
    with pytest.raises(BadInput, match="from 2 to 1"):
        Bound("x", 2, 1)


def test_seeds_are_a_number_or_named():
    study = made()
    assert run_study(study).seeds == tuple(range(10))
    found = run_study(study, [3, 1])
    assert found.numbers["x"].tolist() == [3, 1]
    assert found.means == {"x": 2}
    assert found.spread() == [("x", 2.0, pytest.approx(np.sqrt(2)))]
    assert found.broken == ()
    assert run_study(study).broken == ("x: 4.5, expected at least 0 and at most 3",)
    with pytest.raises(BadInput, match="over 0 seeds"):
        run_study(study, 0)
    with pytest.raises(AssertionError, match=r"x has shape \(1,\) for 2 seeds"):
        run_study(made(measure=lambda seeds: {"x": [1]}), 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"name": "A coin"}, "A coin"), ({"verdict": "maybe"}, "maybe"), ({"bounds": ()}, "no bounds")],
)
def test_a_study_checks_itself(change, words):
    with pytest.raises(BadInput, match=words):
        made(**change)


def test_a_page_says_what_is_not_confirmed_and_a_booklet_has_every_figure_under_names_of_its_own():
    quick = [run_study(STUDIES[name], 1) for name in QUICK[:3]]
    page = study_page(quick)
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "3 claims" in page
    assert all(f'<a href="#{found.study.name}">' in page for found in quick)
    assert "`" not in page
    broken = STUDIES["elu-as-maximum"]
    found = run_study(ClaimStudy(**{**broken.__dict__, "bounds": (Bound("too large at 5", high=1),)}), 1)
    assert "This run does not confirm the verdict. too large at 5: 142.4, expected at most 1" in study_page([found])
