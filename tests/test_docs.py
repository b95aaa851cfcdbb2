"""The documentation holds: its code runs, its links lead somewhere, and its tables are those of the source."""

import dataclasses
import importlib.util
import inspect
import json
import os
import re
import runpy
import shlex
import typing
from pathlib import Path

import pytest
import typer

import tenfold
from tenfold.cli.main import app
from tenfold.data.columns.dates import DATE_RULES
from tenfold.data.columns.kinds import CELL_RULES
from tenfold.data.columns.missing import USUAL
from tenfold.data.columns.schema import KIND_NAMES
from tenfold.data.read.frames import BUNDLED
from tenfold.doctor.causes import CAUSES, SYMPTOMS
from tenfold.doctor.judge.judge import table as weights
from tenfold.recipe import MLP, Recipe, Space
from tenfold.recipe.grammar.field_kinds import Family, kinds
from tenfold.recipe.layers import Layer
from tenfold.report.diagnosis_page import PANELS
from tenfold.rules.record import rule_name
from tenfold.search.trial_outcome import Outcome
from tenfold.statistics.metrics import METRICS

ROOT = Path(__file__).parent.parent
CAUSE_PAGES = sorted((ROOT / "docs" / "causes").glob("*.md"))
JOURNEYS = sorted((ROOT / "docs" / "journeys").glob("*.md"))  # tests/test_journeys.py executes them
CHINESE = ROOT / "README.zh-CN.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *CAUSE_PAGES, *JOURNEYS, CHINESE]
MANUAL = [page for page in PAGES if page.name != "log.md"]  # the log says what was, not what is
FRAMEWORKS = r"^(?:import|from) (lightning|mlflow|transformers)\b"
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FOREIGN = ("python -m bench", ".venv/bin/python", "tensorboard ", "ray start")  # lines of other programs begin so
FAMILIES = {name: kind for record in (Recipe, MLP) for name, kind in kinds(record).items() if isinstance(kind, Family)}
for name in ("weight_decay_schedule", "dropout_schedule"):
    del FAMILIES[name]  # their rules are those of `decay`
RULES = [(family, name, rule) for family, kind in FAMILIES.items() for name, rule in kind.members.items()]
PAGE_OF = {
    "preprocess": "preprocessing.md", "activation": "activations.md", "embedding": "embeddings.md",
    "normalization": "normalization.md",
    "init": "initialization.md", "loss": "losses.md", "optimizer": "optimizers.md", "decay": "decay.md",
}  # fmt: skip


def text_of(name):
    return next(page for page in PAGES if page.name == name).read_text(encoding="utf-8")


def section(text, heading):
    """What stands under a heading, up to the next one."""
    return re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def rows(text):
    """The rows of the tables in a text, as lists of cells."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def verbs():
    """Options of every verb, and under "" those of the program."""
    command = typer.main.get_command(app)
    found = {"": {opt for param in command.params for opt in param.opts}}
    for name, verb in command.commands.items():
        found[name] = {opt for param in verb.params for opt in param.opts if opt.startswith("-")}
    return found


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the data files and the finished run that the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    plans = ("basic", "plus", "pro")
    lines = [f"{20 + i % 50},{plans[i % 3]},{'yes' if i % 50 + i % 3 > 25 else 'no'}\n" for i in range(120)]
    (folder / "churn.csv").write_text("age,plan,churn\n" + "".join(lines))
    (folder / "new_customers.csv").write_text("plan,age\nplus,33\nother,61\n")
    (folder / "recipe.yaml").write_text("{network: {hidden: [8]}, epochs: 4}")
    before = Path.cwd()
    os.chdir(folder)
    try:
        command = "fit churn.csv --target churn --recipe recipe.yaml --folds 3 --out runs/churn-1 --device cpu"
        app(shlex.split(command), standalone_mode=False)
    finally:
        os.chdir(before)
    return folder


def runnable():
    """The pages with Python; experiments and proofs are slow."""
    slow = [*CAUSE_PAGES, CHINESE, ROOT / "docs" / "diagnosis.md"]
    return [pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page in slow else [])
            for page in PAGES if page not in JOURNEYS and blocks(page, "python")]  # fmt: skip


@pytest.mark.parametrize("page", runnable())
def test_the_python_blocks_run(page, workplace, monkeypatch, tmp_path):
    for path in workplace.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, block in enumerate(blocks(page, "python"), 1):
        code = compile(block, f"{page.name}, block {number}", "exec")
        # of a tool that nothing here needs, the syntax is all that can be checked without it (`make test-frameworks`)
        if all(importlib.util.find_spec(name) for name in re.findall(FRAMEWORKS, block, re.MULTILINE)):
            exec(code, names)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=lambda page: page.name)
def test_the_yaml_blocks_are_recipes_and_spaces(page):
    for block in blocks(page, "yaml"):
        space = Space.from_yaml(block)
        assert space.sample(2)
        if space.size == 1:
            assert Recipe.from_yaml(block) == space.sample(1)[0]
        assert set(re.findall(r"^(\w+):", block, re.MULTILINE)) == set(space.to_dict())


def test_every_option_of_fit_is_in_the_manual():
    said = set(OPTION.findall("".join(page.read_text(encoding="utf-8") for page in MANUAL)))
    assert {option for option in verbs()["fit"] if option.startswith("--")} - {"--help"} <= said
    table = section(text_of("commands.md"), "Options of fit")
    assert set(OPTION.findall(table)) == {o for o in verbs()["fit"] if o.startswith("--")} - {"--help"}


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.name)
def test_no_option_or_verb_is_mentioned_that_does_not_exist(page):
    known = verbs()
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if not line.startswith(FOREIGN)]
    assert set(OPTION.findall("\n".join(lines))) <= set().union(*known.values())
    code = [part for line in lines for part in re.findall(r"`([^`]+)`", line)] + lines
    for verb, rest in (found for part in code for found in re.findall(r"^(?:\$ )?tenfold ([a-z]+)([^`]*)", part)):
        assert verb in known, f"tenfold {verb}"
        used = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rest))
        assert used <= known[verb], f"tenfold {verb}{rest}"


def test_every_verb_is_in_the_table_of_commands():
    named = re.findall(r"^\| `tenfold (\w+)", section(text_of("commands.md"), "The commands"), re.MULTILINE)
    assert set(named) == set(verbs()) - {""}


@pytest.mark.parametrize(("family", "name", "rule"), RULES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_rule_is_described_with_its_defaults(family, name, rule):
    table = rows(section(text_of(PAGE_OF[family]), "The rules"))
    found = [row for row in table if row[0] == f"`{name}`"]
    assert [row[1] != "" for row in found] == [True]
    defaults = re.findall(r"`(\w+) = ([^`]+)`", " ".join(found[0][2:]))
    assert defaults == [(field.name, spelled(field.default)) for field in dataclasses.fields(rule)]


def spelled(value):
    """A default as a recipe file has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return value if isinstance(value, str) else f"{value:g}"


@pytest.mark.parametrize("family", FAMILIES)
def test_no_rule_is_described_that_does_not_exist(family):
    named = re.findall(r"^\| `(\w+)` \|", section(text_of(PAGE_OF[family]), "The rules"), re.MULTILINE)
    assert named == list(FAMILIES[family].members)


def test_lists_of_metrics_have_them_all():
    listed = next(row for row in rows(section(text_of("commands.md"), "Options of fit")) if row[0] == "`--metric`")
    assert re.findall(r"`(\w+)`", listed[1]) == list(METRICS)
    listed = inspect.getdoc(tenfold.cross_validate).split("- metric:", 1)[1].split("- device:", 1)[0]
    assert {name for name in METRICS if re.search(rf"\b{name}\b", listed)} == set(METRICS)


def test_every_layer_is_on_the_page_of_networks():
    page = text_of("convolution.md")
    activations = FAMILIES["activation"].members.values()
    layers = [layer for layer in typing.get_args(Layer) if layer not in activations]
    assert [rule_name(layer) for layer in layers if f"`{rule_name(layer)}" not in page] == []


def test_every_field_of_a_recipe_is_described_with_its_default():
    table = {row[0].strip("`"): row for row in rows(section(text_of("recipes.md"), "Fields"))[2:]}
    plain = {**Recipe().to_dict(), **Recipe().to_dict()["network"]}
    assert set(table) == set(plain)
    for name, value in plain.items():
        if isinstance(value, bool):
            assert table[name][2] == spelled(value), name
        elif name not in ("network", "augment", "rate_factors"):
            said = table[name][2].strip("`")
            assert said == {None: "null", 0.0: "0"}.get(value if not isinstance(value, list) else "", str(value)), name


def test_the_rules_for_kinds_are_the_published_ones_in_order():
    table = rows(section(text_of("data.md"), "Kinds of cells"))[2:]
    assert [row[0].strip("`") for row in table] == [rule.name for rule in CELL_RULES]
    assert [row[2] for row in table] == [rule.kind for rule in CELL_RULES]
    assert [row[3] for row in table] == [rule.example for rule in CELL_RULES]
    formats = rows(section(text_of("data.md"), "Dates"))[2:]
    assert formats == [[rule.name, rule.example] for rule in DATE_RULES]


def test_missing_markers_kinds_and_bundled_sets_are_the_published_ones():
    text = text_of("data.md")
    said = re.findall(r"`([^`]+)`", section(text, "Missing cells"))
    assert {*said, ""} == set(USUAL)
    decided = {row[1].split(" ")[0].strip("`") for row in rows(section(text, "What becomes of a column"))[2:]}
    assert decided == set(KIND_NAMES)
    for name in BUNDLED:
        assert f"`{name}`" in text


def test_every_metric_and_outcome_is_described():
    table = {row[0].strip("`"): row for row in rows(section(text_of("statistics.md"), "Scores"))[2:]}
    assert set(table) == set(METRICS)
    for name, metric in METRICS.items():
        assert table[name][1].startswith(metric.task)
        assert (table[name][2] == "higher") == metric.higher_is_better
    for outcome in Outcome:
        for name in ("index.md", "files.md"):
            assert f"`{outcome.label}`" in text_of(name)


def test_every_file_of_a_run_is_described(workplace):
    text = text_of("files.md")
    run = workplace / "runs" / "churn-1"
    for folder, heading in ((run, "The run directory"), (run / "model", "model/")):
        named = {name for row in rows(section(text, heading))[2:] for name in re.findall(r"`([^`]+)`", row[0])}
        there = {path.name + "/" * path.is_dir() for path in folder.iterdir()}
        assert there == named
    for name in ("leaderboard.csv", "trials.csv", "metrics.csv"):
        header = (run / name).read_text().splitlines()[0].split(",")
        paragraph = next(part for part in section(text, "Tables").strip().split("\n\n") if part.startswith(f"`{name}`"))
        said = re.findall(r"`([^`]+)`", paragraph)[1:]
        assert [column for column in said if not column.startswith("fold_")] == [
            column for column in header if not column.startswith("fold_")
        ]


def test_every_field_of_the_summary_is_described(workplace):
    summary = json.loads((workplace / "runs" / "churn-1" / "summary.json").read_text())
    table = section(text_of("files.md"), "summary.json")
    named = {name for row in rows(table)[2:] for name in re.findall(r"`([^`]+)`", row[0])}
    inside = {f"best.{name}" for name in summary["best"]}
    assert named == set(summary) | inside
    for part in ("rows", "baselines", "outcomes", "test", "seconds"):
        line = next(row for row in rows(table) if row[0] == f"`{part}`")
        assert set(summary[part]) <= set(re.findall(r"`([^`]+)`", line[1])), part


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        goal = (page.parent / name).resolve() if name else page
        assert goal.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", goal.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.name)
def test_every_path_and_module_that_is_mentioned_exists(page):
    text = page.read_text(encoding="utf-8")
    homes = (ROOT, ROOT / "src", ROOT / "src" / "tenfold", page.parent)
    paths = set(re.findall(r"(?<![\w./-])(?:[\w-]+/)+[\w-]+\.(?:py|yaml|cpp)\b", text))
    assert [path for path in paths if not any((home / path).exists() for home in homes)] == []
    names = set(re.findall(r"(?<![\w/.])tenfold(?:\.[A-Za-z]\w*)+", text)) - {"tenfold.MyActivation"}  # an example
    assert [name for name in names if not exists(name)] == []


def exists(name):
    """Whether it names a module of the package, or something in one."""
    parts, thing = name.split("."), tenfold
    for length, part in enumerate(parts[1:], 2):
        try:
            thing = getattr(thing, part) if hasattr(thing, part) else importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            return False
    return True


def test_every_page_is_on_the_map():
    for page in [page for page in PAGES[1:] if page not in (*JOURNEYS, CHINESE)]:
        there = page.parent / "index.md"
        assert page == there or f"({page.name})" in there.read_text(encoding="utf-8")
    inside = ["causes/index.md", *(f"journeys/{page.name}" for page in JOURNEYS)]
    assert all(f"({name})" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8") for name in inside)


def test_every_page_is_on_the_site():
    conf = runpy.run_path(str(ROOT / "docs" / "conf.py"))
    named = [name for part in conf["PARTS"].values() for name in part]
    there = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES[1:-1]}
    assert {name for name in there if not name.startswith("causes/")} - {"index"} | {"causes/index"} == set(named)
    assert conf["release"] == tenfold.__version__


def test_every_public_name_is_in_the_reference():
    named = re.findall(r"^\.\. auto(?:class|function|exception):: tenfold\.(\w+)$", text_of("api.md"), re.MULTILINE)
    assert sorted([*named, "__version__"]) == sorted(tenfold.__all__)


def test_every_cause_and_symptom_is_in_its_table():
    text = (ROOT / "docs" / "causes" / "index.md").read_text(encoding="utf-8")
    causes = [row[:2] for row in rows(section(text, "The causes"))[2:]]
    assert causes == [[f"[`{code}`]({code}.md)", cause.words] for code, cause in CAUSES.items()]
    symptoms = rows(section(text, "Symptoms"))[2:]
    assert [row[:2] for row in symptoms] == [[f"`{code}`", words] for code, words in SYMPTOMS.items()]
    assert all(named in CAUSES for row in symptoms for named in re.findall(r"\[(\w+)\]", row[2]))
    for page in ("README.md", "diagnosis.md"):
        assert f"{len(CAUSES)} causes" in text_of(page)


def test_every_cause_has_a_page():
    assert {page.stem for page in CAUSE_PAGES} == set(CAUSES) | {"index"}
    parts = ["What it looks like", "Why", "How it is told apart", "Remedy", "Experiment"]
    for code in CAUSES:
        text = text_of(f"{code}.md")
        assert f"\n\n`{code}`: " in text, code
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == parts, code
        if code == "missing_regularization":
            continue  # a note, no finding
        assert f'"{code}"' in blocks(ROOT / "docs" / "causes" / f"{code}.md", "python")[0], code


@pytest.mark.parametrize("code", CAUSES)
def test_the_evidence_of_a_cause_is_that_of_the_table(code):
    known = {name for row in weights().values() for name in row} - {"rest"}
    said = set(re.findall(r"`([a-z]\w+)`", section(text_of(f"{code}.md"), "How it is told apart")))
    assert said <= known
    row = {name: weight for name, weight in weights()[code].items() if name != "rest"}
    assert max(row, key=row.__getitem__) in said


def test_every_panel_is_described():
    named = [row[0] for row in rows(section(text_of("diagnosis.md"), "Drawings"))[2:]]
    titles = [panel.title.removesuffix(" by update") for panel in PANELS]
    assert named == titles


def test_the_changelog_has_the_version_that_is_built():
    from tenfold import __version__

    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == __version__
