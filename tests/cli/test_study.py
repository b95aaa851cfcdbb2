"""`tenfold study`: the list, one study with its page, and what it refuses."""

import json

from .program import tenfold


def test_the_list_has_every_chapter_and_verdict():
    done = tenfold("study")
    assert done.code == 0
    assert "gradients\n" in done.out
    assert "what-multiplies" in done.out
    assert "does not hold" in done.out
    listed = json.loads(tenfold("study", "--json").out)["chapters"]
    assert listed["gradients"][0]["name"] == "bouncing"


def test_one_study_prints_its_verdict_and_writes_its_page(tmp_path):
    page = tmp_path / "page.html"
    done = tenfold("study", "what-multiplies", "--seeds", "2", "--out", str(page))
    assert done.code == 0
    assert "does not hold" in done.out
    assert "512.0 times" in done.out
    assert "2 seeds" in done.out
    assert str(page) in done.out
    assert "<svg" in page.read_text("utf-8")
    found = json.loads(tenfold("study", "E2", "--seeds", "2", "--json", "-o", str(page)).out)
    assert found[0]["confirmed"] is True
    assert len(found[0]["numbers"]["inputs x 2"]) == 2


def test_another_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = tenfold("study", "bounce")
    assert done.code == 2
    assert "bouncing" in done.err
    assert list(tmp_path.iterdir()) == []
