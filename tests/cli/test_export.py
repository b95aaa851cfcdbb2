"""`tenfold export RUN model.onnx`: the cells of a file, given to ONNX Runtime, are predicted as `predict` does."""

import csv
import json

import numpy as np
import pytest

from tenfold import load
from tenfold.export import onnx_check
from tenfold.export.onnx_check import OnnxCheck

from .program import rows, tenfold, write

runtime = pytest.importorskip("onnxruntime")
QUICK = "epochs: 4\nbatch_size: 32\n"


def mixed(count=160, seed=0):
    """Lines of a table with everything: numbers with gaps, a unit and a decimal comma, whole numbers of few values,
    many levels, yes and no, dates with times."""
    rng, lines = np.random.default_rng(seed), []
    for i in range(count):
        size, few, city, flag = rng.normal(50, 10), rng.integers(1, 6), rng.integers(12), rng.choice(["yes", "no"])
        when = f"{1 + i % 28:02d}.{1 + i % 12:02d}.{2019 + i % 3} {i % 24:02d}:30"
        price = 1000 + 10 * size + 20 * few + 5 * city + rng.normal(0, 5)
        gap = "" if i % 11 == 0 else f"{size:.2f}".replace(".", ",")
        cells = [
            gap,
            f"{few}",
            "" if i % 13 == 0 else f"city {city}",
            flag,
            when,
            f"{size / 7:.1f} kg".replace(".", ","),
        ]
        lines.append(";".join([*cells, f"{price:.3f}".replace(".", ",")]))
    return lines


def fit(folder, name, data, *more, recipe=QUICK):
    (folder / f"{name}.yaml").write_text(recipe)
    kind = "--space" if "space" in more else "--recipe"
    options = [option for option in more if option != "space"]
    out = folder / name
    done = tenfold("fit", data, kind, folder / f"{name}.yaml", "--folds", 2, "--device", "cpu", "--out", out, *options)
    assert done.code == 0, done.err
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def churn(folder):
    recipe = "network: {hidden: [8], embedding: pbld}\npreprocess: robust_clip\n" + QUICK
    return fit(folder, "churn", write(folder / "churn.csv", rows()), "--target", "churned", recipe=recipe)


def exported(folder, run, name):
    """The session of an exported run, and what the command said as JSON."""
    done = tenfold("export", run, folder / f"{name}.onnx", "--json")
    assert done.code == 0, done.err
    return runtime.InferenceSession(str(folder / f"{name}.onnx")), json.loads(done.out)


def cells(session, path, delimiter=","):
    """The cells of a file as a program would give them: numbers as numbers, everything else as its text."""
    with path.open() as file:
        lines = list(csv.DictReader(file, delimiter=delimiter))
    found = {}
    for value in session.get_inputs():
        texts = [line[value.name] for line in lines]
        if value.type == "tensor(double)":
            plain = [text.removesuffix(" kg").replace(",", ".") for text in texts]
            texts = np.array([float(text) if text else np.nan for text in plain])
        found[value.name] = np.array(texts, np.float64 if value.type == "tensor(double)" else object)[:, None]
    return found


def test_a_table_with_gaps_levels_and_dates(folder, churn):
    session, said = exported(folder, churn, "churn")
    assert list(said["inputs"]) == ["age", "income", "colour", "when"]
    assert said["rows"] == 72
    assert said["difference"] < 1e-6
    labels, probabilities = session.run(None, cells(session, folder / "churn.csv"))
    model = load(churn)
    np.testing.assert_allclose(probabilities, model.predict_proba(folder / "churn.csv"), atol=1e-5)
    assert labels.tolist() == model.predict(folder / "churn.csv").tolist()
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["left", "stayed"]'


@pytest.mark.parametrize("levels", ["target_means", "embedded"])
def test_a_regression_of_everything(folder, levels):
    header = "size;few;city;flag;when;weight;price"
    data = write(folder / "price.csv", mixed(), header)
    recipe = (
        "network: {hidden: [8], embedding: {ple: {bins: 4}}, scale: true}\npreprocess: quantile_normal\n"
        f"integers: categories\ncategories: {levels}\nclip_predictions: true\n" + QUICK
    )
    run = fit(folder, f"price-{levels}", data, "--target", "price", "--keep", "ensemble", recipe=recipe)
    session, said = exported(folder, run, f"price-{levels}")
    # a level that nobody has seen, and one that is missing
    data = write(folder / "new.csv", [line.replace("city 7", "elsewhere") for line in mixed(seed=3)], header)
    assert said["outputs"] == ["prediction"]
    assert said["networks"] == 2
    assert said["inputs"]["weight"] == "numbers, without 'kg'"
    given = cells(session, data, ";")
    # The file has its dates in another way than the model takes them.
    given["when"] = np.array([[f"{t[6:10]}-{t[3:5]}-{t[:2]} {t[11:]}"] for (t,) in given["when"].tolist()], object)
    expected = load(run).predict(data)
    np.testing.assert_allclose(session.run(None, given)[0], expected, atol=1e-5 * expected.std())


def test_a_blend_of_two_recipes_with_a_column_named_as_an_output(folder):
    lines = [line.replace("left", "0").replace("stayed", "1") for line in rows()]
    data = write(folder / "blend.csv", lines, "label,income,probabilities,when,churned")
    space = "network: {hidden: [8], activation: [relu, tanh]}\npreprocess: [none, min_max]\nepochs: 3\nbatch_size: 32\n"
    run = fit(folder, "blend", data, "space", "--trials", 4, "--target", "churned", "--keep", "blend", recipe=space)
    session, said = exported(folder, run, "blend")
    assert said["outputs"] == ["label_", "probabilities_"]
    labels, probabilities = session.run(None, cells(session, data))
    np.testing.assert_allclose(probabilities, load(run).predict_proba(data), atol=1e-5)
    assert labels.tolist() == load(run).predict(data).tolist()


@pytest.mark.parametrize("kind", ["uint8", "float64"])
def test_images(folder, kind):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 6, 5, 3)), np.repeat(["a", "b"], 20)
    x[20:, :3] //= 4
    pixels = x.astype(kind) if kind == "uint8" else x * 7.5 - 20
    np.savez(folder / f"{kind}.npz", x=pixels, y=y)
    recipe = "network: {layers: [{conv: 4}, batch_norm, relu, max_pool, flatten]}\n" + QUICK
    run = fit(folder, f"run-{kind}", folder / f"{kind}.npz", recipe=recipe)
    session, said = exported(folder, run, kind)
    assert list(said["inputs"]) == ["images"]
    labels, probabilities = session.run(None, {"images": pixels})
    model = load(run)
    np.testing.assert_allclose(probabilities, model.predict_proba(pixels), atol=1e-5)
    assert labels.tolist() == model.predict(pixels).tolist()
    done = tenfold("export", run, folder / f"{kind}.py")
    assert done.code == 0, done.err
    assert "HEIGHT, WIDTH, CHANNELS = 6, 5, 3" in (folder / f"{kind}.py").read_text()


def test_what_is_said(folder, churn):
    done = tenfold("export", churn, folder / "said.onnx")
    first, *lines = done.out.splitlines()
    assert first.startswith(
        f"{folder}/said.onnx: the mean of 2 networks; on 72 development rows it differs from predict by at most"
    )
    assert lines[0] == "  input age: numbers"
    assert lines[-2:] == ["  output label", "  output probabilities"]


def test_a_model_that_differs_is_not_left(folder, churn, monkeypatch):
    monkeypatch.setattr(onnx_check, "check_onnx", lambda *_: OnnxCheck(72, 2e-3, 4))
    done = tenfold("export", churn, folder / "other.onnx")
    assert (done.code, done.out) == (1, "")
    assert "differs from predict by up to 0.002 on 72 rows, and 4 rows have another class" in done.err
    assert not (folder / "other.onnx").exists()


def test_places_and_names_that_do_not_fit(folder, churn, tmp_path):
    assert "ends in .onnx or .py" in tenfold("export", churn, tmp_path / "model.pt").err
    assert "no such directory" in tenfold("export", churn, tmp_path / "no" / "model.onnx").err
    (tmp_path / "model.onnx").mkdir()
    assert "is a folder" in tenfold("export", churn, tmp_path / "model.onnx").err
    assert "outside it" in tenfold("export", churn, churn / "model" / "m.onnx").err
    done = tenfold("export", tmp_path / "nothing", tmp_path / "m.onnx")
    assert done.code == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "model.onnx"]


def test_data_that_changed_are_noticed(folder, tmp_path):
    data = write(tmp_path / "d.csv", rows(60))
    run = fit(tmp_path, "run", data, "--target", "churned")
    write(data, rows(60, seed=1))
    done = tenfold("export", run, tmp_path / "m.onnx")
    assert done.code == 2
    assert "not those that the run was started with" in done.err
    assert not (tmp_path / "m.onnx").exists()


def test_without_the_packages_the_line_to_type_is_said(folder, churn, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    done = tenfold("export", churn, tmp_path / "m.onnx")
    assert done.code == 2
    assert "pip install 'tenfold[onnx]'" in done.err
