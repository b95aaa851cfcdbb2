"""Usage and bad input: exit code 2, a message that names the place and one thing to do, no traceback, no torch."""

import json
import pickle
import subprocess
import sys

import pytest

from .program import SPACE, rows, tenfold, write


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a good table, a space and a recipe, and us in it."""
    write(tmp_path / "good.csv", rows())
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "recipe.yaml").write_text("epochs: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(done, *words):
    assert done.code == 2, (done.out, done.err)
    assert done.out == ""
    assert len(done.err.splitlines()) <= 12
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    for word in words:
        assert word in done.err, done.err


def changed(change):
    """The lines of the good table with every line's fields changed."""
    return [",".join(change(i, line.split(","))) for i, line in enumerate(rows())]


TABLES = {
    "no target column": (rows(), ["--target", "chruned"], ["bad.csv", "'chruned'", "'churned'"]),
    "no target named": (rows(), [], ["bad.csv", "--target"]),
    "one class": (changed(lambda i, f: [*f[:4], "left"]), None, ["'churned'", "'left'", "two classes"]),
    "no target at all": (changed(lambda i, f: [*f[:4], ""]), None, ["'churned'", "every row"]),
    "a class of one": (changed(lambda i, f: [*f[:4], "odd" if i == 3 else f[4]]), None, ["'odd'", "line 5"]),
    "few rows": (changed(lambda i, f: [*f[:4], "ab"[i % 2]])[:4], None, ["fewer than 5 folds", "try: --folds 2"]),
    "a short row": ([*rows()[:6], "40,2.5,red", *rows()[6:]], None, ["line 8", "3", "5"]),
    "text to regress": (rows(), ["--target", "churned", "--task", "regression"], ["'churned'", "line 2"]),
    "a date to learn": (rows(), ["--target", "when"], ["'when'", "date"]),
    "nothing to learn from": (changed(lambda i, f: ["1", "1", "1", "1", f[4]]), None, ["no column is left"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_used(name, here):
    lines, arguments, words = TABLES[name]
    write(here / "bad.csv", lines)
    arguments = ["--target", "churned"] if arguments is None else arguments
    done = tenfold("fit", "bad.csv", *arguments, "--out", "run")
    refused(done, *words)
    assert "try:" in done.err or "expected:" in done.err
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", ["empty.csv"]),
        ("page.csv", b"<!DOCTYPE html>\n<html><body><p>Not found</p></body></html>\n", ["page.csv", "HTML"]),
        ("header.csv", b"a,b,churned\n", ["header.csv"]),
        ("model.pkl", pickle.dumps({"x": 1}), ["model.pkl", "pickle"]),
        ("book.xlsx", b"PK\x03\x04rest", ["book.xlsx", "CSV"]),
        ("table.parquet", b"PAR1 but not really", ["table.parquet"]),
    ],
)
def test_a_file_that_is_no_table(name, content, words, here):
    (here / name).write_bytes(content)
    refused(tenfold("fit", name, "--target", "churned", "--out", "run"), *words)
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "recipe.yaml", "--space", "space.yaml"], ["both a recipe and a space"]),
        (["--recipe", "recipe.yaml", "--trials", "3"], ["--trials 3", "--recipe"]),
        (["--metric", "acuracy"], ["'acuracy'", "accuracy", "roc_auc"]),
        (["--metric", "rmse"], ["'rmse'", "classification"]),
        (["--task", "ranking"], ["ranking", "classification or regression"]),
        (["--device", "abacus"], ["abacus", "cpu"]),
        (["--device", "gpu"], ["tenfold: --device gpu\n  expected: cpu, cuda or auto\n"]),
        (["--task", "clasification"], ["try: --task classification"]),
        (["--trials", "1e3"], ["'1e3' is not a whole number"]),
        (["--holdout", "half"], ["'half' is not a number"]),
        (["--folds", "1"], ["--folds 1", "at least 2"]),
        (["--folds", "many"], ["--folds"]),
        (["--trials", "0"], ["--trials 0"]),
        (["--holdout", "2"], ["--holdout 2.0"]),
        (["--holdout", "0.999"], []),
        (["--seed", "-1"], ["--seed -1"]),
        (["--time-limit", "soon"], ["'soon'", "10m"]),
        (["--time-limit", "0"], ["time limit"]),
        (["--space", "nowhere.yaml"], ["nowhere.yaml"]),
        (["--out", "good.csv"], ["good.csv", "exists already"]),
        (["--out", "good.csv/run"], ["good.csv is a file", "give another --out"]),
        (["--out", "/proc/self/run"], ["/proc/self", "give another --out"]),
        (["--targt", "churned"], ["--targt", "--target"]),
        (["extra"], ["extra"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value else None,
)
def test_options_that_cannot_be(arguments, words, here):
    before = sorted(path.name for path in here.iterdir())
    refused(tenfold("fit", "good.csv", "--target", "churned", *arguments), *words)
    assert sorted(path.name for path in here.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch: 3\n", ["bad.yaml:1:8: epoch", "nearest: epochs"]),
        ("optimizer: {adma: {lr: 0.1}}\n", ["adma", "adam"]),
        ("optimizer: {adam: {lr: -1}}\n", ["lr", "> 0"]),
        ("loss: squared\n", ["squared", "regression"]),
        ("loss: mse\n", ["unknown name; nearest: squared"]),
        ("lr: 0.1\n", ["unknown field; it belongs elsewhere: optimizer: {adam: {lr: 1e-3}}"]),
        ("learning_rate: 0.1\n", ["unknown field; it belongs elsewhere: optimizer: {adam: {lr: 1e-3}}"]),
        ("optimizer: {adam: {learning_rate: 0.1}}\n", ["unknown field; nearest: lr"]),
        ("network: {hidden: [8]\n", ["line"]),
        ("- 1\n- 2\n", ["bad.yaml"]),
        ("network: {hidden: [[8], [9]]}\n", ["this is a space", "--space bad.yaml"]),
        ("network: {hidden: [8, [9]]}\n", ["hidden"]),
    ],
)
def test_recipe_files_that_cannot_be_read(text, words, here):
    (here / "bad.yaml").write_text(text)
    refused(tenfold("fit", "good.csv", "--target", "churned", "--recipe", "bad.yaml", "--out", "run"), *words)
    assert not (here / "run").exists()


NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "-1",
    "1e400",
    "1e308",
    "-1e308",
    "0x10",
    "",
    "9" * 31,
    "9" * 400,
    "9" * 5000,
    "-" + "9" * 400,
)
WHOLE = ("-0.5", "0.5", "1e3", "1e-400")


@pytest.mark.parametrize("option", ["--trials", "--folds", "--repeats", "--gap", "--seed", "--holdout", "--time-limit"])
def test_absurd_numbers_are_usage_errors_of_a_few_lines(option, here):
    timed = ["--time", "when"] if option == "--gap" else []
    arguments = ["fit", "good.csv", "--target", "churned", "--space", "space.yaml", "--dry-run", *timed]
    for value in [*NUMBERS, *(WHOLE if option not in ("--holdout", "--time-limit") else ())]:
        done = tenfold(*arguments, f"{option}={value}")
        assert (done.code, done.out) == (2, ""), value
        assert "internal error" not in done.err
        assert len(done.err) < 700, value


@pytest.mark.parametrize("hidden", ["1000000000", "1" + "0" * 30, "10000000, 10000000"])
def test_networks_that_no_memory_holds_are_refused_before_any_work(hidden, here):
    (here / "huge.yaml").write_text(f"network: {{hidden: [{hidden}]}}\n")
    done = tenfold("fit", "good.csv", "--target", "churned", "--recipe", "huge.yaml", "--out", "run")
    refused(done, "GB of memory to train", "GB of this machine", "try: fewer units or layers")
    assert not (here / "run").exists()


def test_a_file_that_is_not_there_and_a_set_that_is_unknown(here):
    refused(tenfold("fit", "god.csv", "--target", "churned"), "god.csv")
    refused(tenfold("fit", "sklearn:irs"), "try: sklearn:iris")


def test_a_run_is_no_data(here):
    (here / "runs" / "one").mkdir(parents=True)
    (here / "runs" / "one" / "run.db").write_bytes(b"")
    refused(tenfold("fit", "runs"), "runs: holds runs of tenfold, such as 'one'", "expected: data")
    refused(tenfold("fit", "runs/one"), "runs/one: a run of tenfold")


def test_a_target_that_names_the_rows_and_groups_that_are_few(here):
    lines = [f"C{i},{line}" for i, line in enumerate(rows())]
    write(here / "ids.csv", lines, "customer id,age,income,colour,when,churned")
    refused(tenfold("fit", "ids.csv", "--target", "customer id"), "90 values occur once: this looks like an ID")
    refused(tenfold("fit", "ids.csv", "--target", "churned", "--groups", "colour"), "try: --folds 2, or more rows")


def test_an_existing_directory_is_never_written(here):
    (here / "run").mkdir()
    refused(tenfold("fit", "good.csv", "--target", "churned", "--out", "run"), "run", "exists already")
    assert list((here / "run").iterdir()) == []


def test_explain_says_all_about_a_rule(here):
    done = tenfold("recipes", "--explain", "adam")
    assert done.code == 0
    assert done.out.startswith("adam (optimizer)\n")
    for word in ("Formula ", "Shapes ", "Defaults ", "Convention ", "Claim ", "Choose ", "Source "):
        assert f"\n  {word}" in done.out
    assert all(len(line) <= 110 for line in done.out.splitlines())
    found = json.loads(tenfold("recipes", "--explain", "none", "--json").out)["rules"]
    assert [rule["family"] for rule in found] == ["preprocess", "normalization", "embedding", "decay"]
    refused(tenfold("recipes", "--explain", "adma"), "'adma'", "nearest: adam", "optimizer: sgd", "layer: dense")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["space", "good.csv", "--keep", "x"], ["no such option: --keep", "expected: tenfold space DATA [OPTIONS]"]),
        (["export", "run"], ["missing argument 'FILE'", "expected: tenfold export RUN FILE [OPTIONS]"]),
        (["fit", "good.csv", "--folds", "x"], ["invalid value for '--folds': 'x' is not a whole number, such as 10"]),
        (["fit"], ["missing argument 'DATA'", "try: tenfold fit --help"]),
        (["fitt"], ["no such command 'fitt'", "Did you mean 'fit'", "try: tenfold --help"]),
        (["fit", "good.csv", "--recipe", "recipe.yaml", "--proposals", "grid"],
         ["--proposals grid together with --recipe, which is one recipe"]),
    ],
    ids=lambda value: " ".join(value) if value[0].isalpha() else "",
)  # fmt: skip
def test_wrong_usage_is_said_as_all_errors_are(arguments, words, here):
    done = tenfold(*arguments)
    refused(done, *words)
    assert done.err.startswith("tenfold: ")
    assert len(done.err.splitlines()) <= 3
    assert "\u2502" not in done.err  # no box


def test_debug_shows_the_traceback(here):
    done = tenfold("fit", "nowhere.csv", "--debug")
    assert done.code == 2
    assert done.err.startswith("Traceback")
    assert "BadInput: nowhere.csv" in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0), (["fit", "--help"], 0), (["--version"], 0), (["recipes"], 0), (["fit"], 2), (["fitt"], 2),
        (["recipes", "--explain", "conv"], 0), (["recipes", "--explain", "x"], 2),
        (["fit", "a", "--x"], 2), (["fit", "a", "--folds", "x"], 2), (["fit", "nowhere.csv"], 2), (["check", "x"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value else None,
)  # fmt: skip
def test_answers_that_need_no_torch(arguments, code):
    """In processes of their own: what is imported, and that nothing is slow about it."""
    program = "import sys; from tenfold.cli.main import run\n"
    program += f"sys.argv = ['tenfold', *{arguments!r}]\n"
    program += "print('CODE', run(), [m for m in ('torch', 'sklearn', 'scipy', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == f"CODE {code} []", done.stderr
