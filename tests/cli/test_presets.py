"""`--recipe realmlp` and `tenfold recipes realmlp`: recipes by name, whose form the task decides."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tenfold.cli.options import recipe_options
from tenfold.errors import BadInput
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.recipe import Recipe
from tenfold.recipe.presets import recipe_preset

from .program import tenfold


def table(tmp_path, numbers):
    rows = [f"{i % 7},{i % 5},{i * 1.37 if numbers else 'yes' if i % 2 else 'no'}" for i in range(60)]
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("numbers", [False, True])
def test_the_task_decides_the_form(tmp_path, numbers):
    settings = Settings(data=str(table(tmp_path, numbers)), target="y", preset="realmlp")
    prepared = prepare(settings)
    assert prepared.settings.recipe == recipe_preset("realmlp", prepared.problem.task)
    assert prepared.settings.recipe.clip_predictions == numbers
    mine = replace(prepared.settings, recipe=Recipe(epochs=3))
    assert prepare(mine).settings.recipe == Recipe(epochs=3)
    assert Settings.of(json.loads(json.dumps(prepared.settings.to_dict()))) == prepared.settings


@pytest.mark.parametrize("name", ["realmlp", "tabm_mini"])
def test_fit_takes_a_preset(tmp_path, name):
    done = tenfold("fit", table(tmp_path, numbers=False), "--target", "y", "--recipe", name, "--dry-run")
    assert done.code == 0, done.err
    assert "1 recipe" in done.out


def test_a_preset_is_refused_beside_a_space_and_trials():
    with pytest.raises(BadInput, match="together with --recipe"):
        Settings(data="t.csv", preset="realmlp", trials=3)


def test_a_name_without_suffix_is_the_preset_and_a_full_path_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "realmlp").write_text("epochs: 3\n")
    (tmp_path / "mine").write_text("epochs: 4\n")
    assert recipe_options(None) == {}
    assert recipe_options(Path("realmlp")) == {"preset": "realmlp", "recipe": None}
    assert recipe_options(tmp_path / "realmlp")["recipe"].epochs == 3
    assert recipe_options(Path("mine"))["recipe"].epochs == 4
    with pytest.raises(BadInput, match="no such file or preset") as caught:
        recipe_options(Path("realmpl"))
    assert "realmlp, realmlp_s" in str(caught.value)
