"""TensorBoard's own reader gives back the curves of metrics.csv."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest

from tenfold.errors import BadInput, RunFailed
from tenfold.run import tensorboard_log
from tenfold.run.tensorboard_log import TensorBoardLog
from tenfold.search.so_far import TrialEpoch

from ..cli.program import SPACE, rows, tenfold, write

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
NAMES = {"train_loss": "train loss", "loss": "validation loss", "score": "validation accuracy"}


def read(directory):
    """{recipe: {tag: {step: value}}}, and the texts."""
    scalars, texts = {}, {}
    for folder in sorted(directory.iterdir()):
        found = accumulators.EventAccumulator(str(folder), size_guidance={"scalars": 0})
        found.Reload()
        number = int(folder.name.removeprefix("recipe-"))
        scalars[number] = {
            tag: {event.step: event.value for event in found.Scalars(tag)} for tag in found.Tags()["scalars"]
        }
        [text] = found.Tensors("recipe/text_summary")
        texts[number] = text.tensor_proto.string_val[0].decode()
    return scalars, texts


def test_a_search_is_logged_epoch_by_epoch(tmp_path):
    write(tmp_path / "churn.csv", rows())
    (tmp_path / "space.yaml").write_text(SPACE)
    done = tenfold(
        "fit", tmp_path / "churn.csv", "--target", "churned", "--space", tmp_path / "space.yaml", "--trials", 4,
        "--folds", 2, "--strategy", "halving", "--keep", "refit", "--out", tmp_path / "run", "--audit",
        "--tensorboard", tmp_path / "logs" / "churn",
    )  # fmt: skip
    assert done.code == 0, done.err
    scalars, texts = read(tmp_path / "logs" / "churn")
    expected = defaultdict(dict)
    with (tmp_path / "run" / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            place = int(row["recipe"]), int(row["epoch"])
            for column, name in NAMES.items():
                expected[place[0], f"fold {row['fold']}/{name}"][place[1]] = float(row[column])
    for number in {n for n, _ in expected}:
        for name in NAMES.values():
            parts = [expected[number, f"fold {fold}/{name}"] for fold in range(2)]
            expected[number, name] = {epoch: np.mean([part[epoch] for part in parts]) for epoch in parts[0]}
    assert {(n, tag) for n, tags in scalars.items() for tag in tags} == set(expected)
    for (number, tag), curve in expected.items():
        assert scalars[number][tag].keys() == curve.keys()
        # event files hold single precision
        np.testing.assert_allclose(list(scalars[number][tag].values()), list(curve.values()), rtol=1e-6)
    assert all("Adam" in text for text in texts.values())


def test_folds_that_come_later_enter_the_mean(tmp_path):
    log = TensorBoardLog(tmp_path, "R2", lambda number: f"the recipe {number}")
    log.epochs([TrialEpoch(3, 0, 1, 2.0, 4.0, 0.5), TrialEpoch(3, 1, 1, 4.0, 6.0, 0.7)])
    log.flush()
    log.epochs([TrialEpoch(3, 2, 1, 9.0, 5.0, 0.9)])
    log.flush()
    scalars, texts = read(tmp_path)
    assert scalars[3]["train loss"] == {1: 5.0}
    assert scalars[3]["validation R2"] == {1: pytest.approx(0.7)}
    assert scalars[3]["fold 2/validation loss"] == {1: 5.0}
    assert texts == {3: "the recipe 3"}


def test_a_disk_that_refuses_is_one_line(tmp_path):
    log = TensorBoardLog(tmp_path, "R2", str)
    (tmp_path / "recipe-000").write_text("in the way")
    log.epochs([TrialEpoch(0, 0, 1, 2.0, 4.0, 0.5)])
    with pytest.raises(RunFailed, match=r"--tensorboard: .* cannot be written: "):
        log.flush()
    with pytest.raises(BadInput, match="recipe-000: File exists"):
        TensorBoardLog(tmp_path / "recipe-000", "R2", str)


def test_without_the_package_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard_log, "find_spec", lambda name: None)
    done = tenfold("fit", "sklearn:iris", "--tensorboard", tmp_path / "logs", "--out", tmp_path / "run")
    assert done.code == 2
    assert "pip install 'tenfold[tensorboard]'" in done.err
    assert not (tmp_path / "run").exists()
