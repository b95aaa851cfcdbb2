"""A diagnosis drawn: its panels, its page, the findings in a run's report, and hostile names."""

import copy
import json
import math
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from tenfold.doctor.causes import CAUSES
from tenfold.doctor.record import (
    CurvePoint,
    Curves,
    DataMoments,
    Facts,
    LayerNumbers,
    NonFinite,
    Operation,
    OptimizerFacts,
    ParameterFacts,
    Probe,
    Record,
    SimpleModel,
    Theory,
    Trial,
    UpdateSizes,
)
from tenfold.report import diagnosis_page, drawing, panels
from tenfold.report.run_page import render

from .test_hostile import ALLOWED, PAYLOADS

NAN, INF = math.nan, math.inf
QUANTILES = np.array([-3.0, -1.64, -0.67, 0.0, 0.67, 1.64, 3.0])  # of a standard normal


@dataclass
class Found:
    """A finding."""

    cause: str = "unscaled_inputs"
    probability: float = 0.91
    layer: str = "body.0"
    evidence: list = field(default_factory=lambda: ["column 4 has mean 8.2e3", "83 % of layer-1 units saturated"])
    remedy: str = "standardize the inputs"
    proof: str = "paired short run, 5 seeds: loss 0.69 -> 0.21 (5 of 5 better)"


def facts(depth=6, *, width=32, names="body.{}", steps=300):
    operations, parameters = [], []
    for i in range(depth):
        name = names.format(2 * i)
        last = i == depth - 1
        operations.append(
            Operation(name, "linear", "linear", 2 if last else width, width, f"{name}.weight", f"{name}.bias")
        )
        parameters += [ParameterFacts(f"{name}.weight", [width, width], True, True),
                       ParameterFacts(f"{name}.bias", [width], True, i > 0)]  # fmt: skip
        if not last:
            operations.append(Operation(names.format(2 * i + 1), "activation", "relu", width))
    operations.append(Operation("drop", "dropout", "dropout", rate=0.1))
    adam = OptimizerFacts("adam", 1e-3, weight_decay=1e-4)
    return Facts("classes", 2, operations, parameters, [adam], "CrossEntropyLoss", "mean", "", [32, 2], [32], 32, 512,
                 steps, 455)  # fmt: skip


def layer(place, op, scale, gradient, rng, dying):
    dead = (rng.random(op.units) < dying).astype(int).tolist() if op.kind == "activation" else []
    spread = (scale * QUANTILES if op.kind == "linear" else np.maximum(scale * QUANTILES, 0)).tolist()
    return LayerNumbers(
        place, 0.0, scale, scale, dead=float(np.mean(dead)) if dead else None, gradient=gradient, quantiles=spread,
        saturated=0.2 if dead else None, gradient_quantiles=(gradient * np.abs(np.linspace(0, 3, 7))).tolist(),
        dead_units=dead,
    )  # fmt: skip


def probe(state, step, known, *, decay, rng, dying=0.1):
    layers = []
    for place, op in enumerate(known.operations):
        depth = place / 2
        layers.append(layer(place, op, decay**depth, 0.01 * decay ** (len(known.operations) / 2 - depth), rng, dying))
    return Probe(state, step, layers, 0.69, 0.68, 0.4, 0.38)


def record(depth=6, *, seed=0, steps=300, names="body.{}"):
    """A training of a network that loses its signal, with plausible numbers."""
    rng = np.random.default_rng(seed)
    known = facts(depth, steps=steps, names=names)
    at = np.arange(0, steps, max(1, steps // 200))
    losses = 0.15 + 0.6 * np.exp(-at / (steps / 4)) + rng.normal(0, 0.05, len(at))
    updates = []
    for step in range(0, steps, max(1, steps // 40)):
        ratio = [3e-3 * 10 ** rng.normal(0, 0.3) * 10 ** (-0.4 * (i // 2)) for i in range(2 * depth)]
        moved = [None if i == 1 else ratio[i] for i in range(2 * depth)]
        updates.append(UpdateSizes(step, moved, [0.0 if i == 3 else 1.0 for i in range(2 * depth)], [0.1] * 2 * depth))
    curves = Curves([CurvePoint(int(s), float(v)) for s, v in zip(at, losses, strict=True)],
                    [CurvePoint(int(s), float(v) + 0.05) for s, v in zip(at[::20], losses[::20], strict=True)],
                    [CurvePoint(int(s), float(10 ** rng.normal(0, 0.3))) for s in at], updates=updates,
                    validation_skill=0.7)  # fmt: skip
    probes = [probe("start", 0, known, decay=0.5, rng=rng),
              *(probe("during", k * steps // 6, known, decay=0.5 + k / 20, rng=rng) for k in range(1, 6)),
              probe("end", steps, known, decay=0.85, rng=rng, dying=0.6),
              probe("reference", 0, known, decay=1.0, rng=rng)]  # fmt: skip
    trials = [Trial("as_is", 100, [0.3, 0.35, 0.2], [0.25, 0.3, 0.22], [0.5, 0.5, 0.5]),
              Trial("standardize_inputs", 100, [0.9, 0.92, 0.9], [0.88, 0.85, 0.9], [0.1] * 3),
              Trial("lr_x1000", 100, [-1e9, NAN, None], [-1e9, NAN, None], [INF, NAN, None]),
              Trial("one_batch", 100, [0.8, 0.7, 0.7], [None] * 3, [0.1] * 3),
              Trial("clip", 100, [None] * 3, [None] * 3, [None] * 3)]  # fmt: skip
    proofs = [replace(trials[0]), replace(trials[1]), replace(trials[3], change="control: lr_x10")]
    inputs = DataMoments(
        512, 30, 60.0, 240.0, -3.0, 4200.0, worst=[23.0, 880.6, 569.4], spread=9e4, offset=5.0, condition=None
    )
    return Record(known, inputs, None, curves, probes, Theory(0.66, math.log(2), 0.0, None), trials,
                  [SimpleModel("linear model", 0.92, 1e-9)], proofs, {"curvature": 41.2},
                  ["the largest curvature eigenvalue: only on request"])  # fmt: skip


def diverged(depth=6):
    """The same training, lost at update 20: NaN, infinities, None and empty lists wherever they may be."""
    good = record(depth)
    layers = [replace(n, rms=(NAN, INF, 0.0)[i % 3], mean=NAN, gradient=(None, 0.0, NAN)[i % 3], quantiles=[],
                      gradient_quantiles=[0.0] * 7 if i % 2 else [NAN] * 7, dead=NAN) for i, n in
              enumerate(good.probes[0].layers)]  # fmt: skip
    end = replace(good.probes[0], state="end", layers=layers, train_loss=NAN, eval_loss=INF, skill=None)
    curves = replace(
        good.curves,
        loss=[CurvePoint(p.step, p.value if p.step < 20 else (NAN, INF)[p.step % 2]) for p in good.curves.loss],
        gradient_norm=[CurvePoint(i, NAN) for i in range(100)],
        updates=[replace(u, update=[NAN, None, 0.0, INF] * depth) for u in good.curves.updates],
        non_finite=NonFinite(20, "gradient of body.0.weight", "body.0"),
    )  # fmt: skip
    inputs = replace(good.inputs, mean=NAN, std=INF, worst=[NAN, NAN, NAN], non_finite=0.01)
    theory = Theory(NAN, INF, None, None)
    return replace(good, curves=curves, probes=[good.probes[0], end], theory=theory, inputs=inputs,
                   trials=[Trial("as_is", 5, [NAN, INF], [None, None], [NAN, NAN])])  # fmt: skip


def empty():
    bare = Facts("numbers", 0, [], [], [], "", "", "unknown", [], [], 0, 0, 0)
    return Record(bare)


def judged(found=None, *, findings=None, notes=()):
    findings = [Found(), Found("lr_too_high", 0.06, "", [], "", "")] if findings is None else findings
    whole = found or record()
    notes = [*whole.notes, *notes]
    sick = 0.97 if findings else 0.02
    return SimpleNamespace(healthy=not findings, probability=sick, findings=findings, record=whole, notes=notes)


RECORDS = {
    "plain": record,
    "diverged": diverged,
    "empty": empty,
    "deep": lambda: replace(record(20), curves=Curves([]), trials=[], proofs=[]),
    "one": lambda: record(1),
}


# ---- what is drawn -----------------------------------------------------------------------------------------------


def drawn(draw, found):
    figure = mpl.figure.Figure()
    axes = figure.subplots()
    draw(axes, found, drawing.LIGHT)
    return axes


def line(axes, name):
    return next(found for found in axes.lines if found.get_label() == name)


def test_signal_by_depth_is_the_rms_of_the_layers_with_weights():
    axes = drawn(panels.signal, record(6))
    for name, decay in (("start", 0.5), ("end", 0.85), ("right initialization", 1.0)):
        assert list(line(axes, name).get_xdata()) == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(line(axes, name).get_ydata(), decay ** np.arange(6), rtol=1e-12)
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low < 0.5**5
    assert high > 1


def test_gradient_by_depth_falls_from_output_to_input():
    axes = drawn(panels.draw_gradient, record(6))
    np.testing.assert_allclose(line(axes, "start").get_ydata(), 0.01 * 0.5 ** (6 - np.arange(6)), rtol=1e-12)


def test_zero_and_not_finite_are_marked_and_not_measured_is_not():
    good = record(4)
    values = {0: 0.0, 2: NAN, 4: None, 6: 2.0}
    layers = [replace(n, gradient=values.get(n.operation)) for n in good.probes[0].layers]
    axes = drawn(panels.draw_gradient, replace(good, probes=[Probe("start", 0, layers)]))
    marks = {found.get_marker(): list(found.get_xdata()) for found in axes.lines[1:] if found.get_label()[0] == "_"}
    assert marks == {"v": [1], "x": [2]}
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [NAN, NAN, NAN, 2.0])


def test_relative_updates_are_log10_of_step_over_weight():
    sizes = [UpdateSizes(0, [1e-3, None, 0.0], [1.0, 1.0, 2.0], [None] * 3),
             UpdateSizes(5, [4e-2, None, 3.0], [4.0, 1.0, 0.0], [None] * 3)]  # fmt: skip
    parameters = [ParameterFacts(name, [1], True, True) for name in "abc"]
    found = replace(record(), facts=replace(facts(), parameters=parameters), curves=Curves([], updates=sizes))
    (a, steps, first), (c, _, third) = panels.relative_updates(found)
    assert (a, c) == ("a", "c")
    assert list(steps) == [0, 5]
    np.testing.assert_allclose(first, [-3, -2], rtol=1e-12)
    assert third[0] == -INF
    assert math.isnan(third[1])  # no ratio to a weight of zero


def test_the_healthy_band_of_a_strip_is_where_its_values_are():
    sizes = [UpdateSizes(i, [ratio], [1.0], [None]) for i, ratio in enumerate((*panels.BAND, 1e-7, 10.0))]
    found = replace(record(), facts=replace(facts(), parameters=[ParameterFacts("w", [1], True, True)]),
                    curves=Curves([], updates=sizes))  # fmt: skip
    axes = drawn(panels.updates, found)
    low, high, bottom, top = next(one for one in axes.lines if len(one.get_ydata()) == 4).get_ydata()
    box = axes.patches[0].get_bbox()
    np.testing.assert_allclose(sorted((low, high)), (box.ymin, box.ymax), rtol=1e-12)
    np.testing.assert_allclose((bottom, top), (0.42, -0.42), atol=1e-12)  # y grows downwards


@pytest.mark.parametrize("span", [1, 2, 5, 8])
def test_the_running_median_is_that_of_a_plain_loop(span):
    values = np.random.default_rng(3).normal(size=40)
    values[[3, 4, 20, *range(28, 38)]] = NAN
    before, after = span // 2, span - 1 - span // 2
    padded = [values[0]] * before + list(values) + [values[-1]] * after
    slow = []
    for i in range(len(values)):
        window = sorted(v for v in padded[i : i + span] if not math.isnan(v))
        n = len(window)
        slow.append((window[(n - 1) // 2] + window[n // 2]) / 2 if n else NAN)
    np.testing.assert_allclose(panels.running_median(values, span), slow, rtol=1e-12)


def test_bands_hold_the_moments_of_each_layer_then_the_reference():
    layers = panels.bands(record(3), "quantiles")
    assert [name for name, _ in layers] == [f"body.{i}" for i in range(5)]  # not the dropout
    for _, bars in layers:
        assert [state for state, _ in bars] == ["start", "during", "during", "during", "during", "end", "reference"]
    np.testing.assert_allclose(layers[2][1][0][1], 0.5 * QUANTILES)
    assert panels.bands(diverged(), "quantiles")[0][1] == [("start", QUANTILES.tolist())]


def test_outputs_of_very_different_sizes_get_a_scale_that_shows_both():
    assert drawn(panels.activations, record(3)).get_xscale() == "linear"
    wild = record(3)
    layers = [
        replace(n, quantiles=(1e6 * QUANTILES).tolist()) if n.operation == 0 else n for n in wild.probes[0].layers
    ]
    axes = drawn(panels.activations, replace(wild, probes=[replace(wild.probes[0], layers=layers)]))
    assert axes.get_xscale() == "symlog"
    assert len(axes.get_xticks()) <= 9


def test_a_cell_of_the_map_is_coloured_where_the_unit_is_dead():
    axes = drawn(panels.dead, record(3))
    end = record(3).probe("end")
    cells = [c for c in axes.collections if len(c.get_facecolor())
             and mpl.colors.to_hex(c.get_facecolor()[0]) == drawing.LIGHT.accent]  # fmt: skip
    units = [n.dead_units for n in end.layers if n.dead_units]
    assert [len(c.get_paths()) for c in cells] == [sum(one) for one in units]
    places = [round(path.vertices[:, 0].min() * 32) for path in cells[0].get_paths()]
    assert places == [i for i, gone in enumerate(units[0]) if gone]
    start = record(3).probe("start").layers[1].dead
    assert panels.dead_maps(record(3))[0][2] == f"{100 * start:.0f} → {100 * np.mean(units[0]):.0f} %"


def test_trials_stand_by_mean_skill_under_the_unchanged_one():
    rows = panels.ranked(record().trials)
    assert [trial.change for trial, _ in rows] == ["as_is", "standardize_inputs", "one_batch", "lr_x1000"]
    np.testing.assert_allclose(rows[2][1], [0.8, 0.7, 0.7])  # no held-out rows: those trained on
    np.testing.assert_array_equal(rows[3][1], [-1, -1, NAN])
    axes = drawn(panels.trials, record())
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "unchanged", "standardize inputs", "one batch", "learning rate × 1000"]  # fmt: skip
    dashed = next(one for one in axes.lines if one.get_linestyle() == "--")
    np.testing.assert_allclose(dashed.get_xdata()[0], np.mean([0.25, 0.3, 0.22]))


def test_only_landmarks_in_reach_of_the_loss_are_drawn():
    texts = {text.get_text() for text in drawn(panels.loss, record()).texts}
    assert {"constant output", "equal odds"} <= texts
    far = replace(record(), theory=Theory(0.66, 1e6, -1e6))
    texts = {text.get_text() for text in drawn(panels.loss, far).texts}
    assert texts == {"constant output"}


@pytest.mark.parametrize("name", ["x" * 50, "мир", "層", "$\\frac{", "a\x00b", "\ud800", "", "\u202e"])
def test_a_label_is_short_and_has_only_characters_of_the_font(name):
    text = drawing.label(name)
    assert len(text) <= 20
    font = mpl.font_manager.get_font(mpl.font_manager.findfont("DejaVu Sans"))
    assert all(font.get_char_index(ord(c)) for c in text)
    if len(name) > 20:
        assert text == "…" + name[-19:]


# ---- figures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["diverged", "empty", *(pytest.param(n, marks=pytest.mark.slow) for n in ("deep", "one"))]
)
def test_no_number_breaks_a_figure_and_nothing_is_warned_of(name, tmp_path):
    figure = diagnosis_page.figure(RECORDS[name]())
    figure.savefig(tmp_path / "figure.png", dpi=30)  # outside of the style, as a user does
    assert (tmp_path / "figure.png").stat().st_size > 500


def test_every_panel_is_there_and_alone_where_it_has_data():
    found = record()
    titles = [axes.get_title(loc="left") for part in diagnosis_page.figure(found).subfigs for axes in part.axes]
    assert sorted(titles) == sorted(["Loss", "Gradient norm", "Signal by depth", "Gradient by depth",
        "Dead units by layer", "Outputs by layer and time", "Gradients by layer and time", "Update sizes by parameter",
        "Short trainings by change", "Paired trainings by remedy"])  # fmt: skip
    assert [panel.name for panel in diagnosis_page.panels_with_data(found)] == [
        panel.name for panel in diagnosis_page.PANELS
    ]
    assert set(diagnosis_page.CAPTIONS) == {panel.name for panel in diagnosis_page.PANELS}
    assert [panel.name for panel in diagnosis_page.panels_with_data(replace(found, probes=[], trials=[]))] == [
        "loss", "norm", "updates", "proofs"]  # fmt: skip
    assert diagnosis_page.panels_with_data(empty()) == []


def test_the_style_of_the_caller_stays():
    before = dict(mpl.rcParams)
    diagnosis_page.figure(record(1, steps=9))
    diagnosis_page.pictures(replace(record(1), trials=[], probes=[]))
    assert dict(mpl.rcParams) == before


# ---- the page ----------------------------------------------------------------------------------------------------


def said(page, elements):
    return re.sub(r"\s+", " ", " ".join(elements(page).text))


@pytest.fixture(scope="module")
def plain_page():
    return diagnosis_page.page(judged(notes=["it overfits late"]), title="my net")


def test_the_page_says_verdict_findings_and_what_was_not_measured(plain_page, elements):
    page = plain_page
    text = said(page, elements)
    assert "Not healthy (p = 0.97). Most likely cause: unscaled inputs (0.91)." in text
    for part in ("unscaled inputs", "0.91", "column 4 has mean 8.2e3", "standardize the inputs", "(5 of 5 better)",
                 "learning rate too high", "0.06", "it overfits late", "only on request", "my net",
                 "adam, learning rate 0.001, weight decay 0.0001", "CrossEntropyLoss, mean", "512 of 455",
                 "constant output 0.66", "linear model (p = 1e-09) 0.92", "curvature 41.2"):  # fmt: skip
        assert part in text, part
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Findings",
        "What was recorded",
        "Measures",
        "What could not be measured",
    ]
    assert page.count("<svg") == len(diagnosis_page.PANELS)
    assert all(line in text for pair in diagnosis_page.CAPTIONS.values() for line in pair)


def test_a_healthy_page_has_no_findings(elements):
    page = diagnosis_page.page(judged(empty(), findings=[]), title="x")
    assert "Healthy (p = 0.98)" in said(page, elements)
    assert "Findings" not in page


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in ("deep", "one") else ()) for n in RECORDS]
)
def test_no_number_breaks_the_page_and_no_bare_nan_is_printed(name, plain_page, elements):
    page = plain_page if name == "plain" else diagnosis_page.page(judged(RECORDS[name]()), title=name)
    assert not re.search(r"\b(nan|None|inf)\b", said(page, elements))
    for figure in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert "nan" not in "".join(re.findall(r'\sd="([^"]*)"', figure))
        ElementTree.fromstring(figure)
    ids = Counter(re.findall(r'\bid="([^"]*)"', page))
    assert max(ids.values(), default=1) == 1
    if name == "diverged":
        assert "gradient of body.0.weight , at update 20" in said(page, elements)


def test_the_same_record_gives_the_same_bytes_also_from_json():
    once = replace(record(2), trials=[], proofs=[], probes=[])
    again = Record.from_json(once.to_json())
    same = diagnosis_page.page(judged(once), title="x") == diagnosis_page.page(judged(again), title="x")
    assert same  # without a comparison of long texts where they differ


@pytest.mark.parametrize("seed", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_any_numbers_can_be_drawn(seed):
    rng = np.random.default_rng(seed)
    wild = [NAN, INF, -INF, 0.0, -0.0, 1e308, -1e308, 5e-324, 1.0, 1e25, 1e-25]
    plain = json.loads(replace(record(2, steps=8), proofs=[]).to_json())

    def shaken(value):
        if isinstance(value, dict):
            return {k: v if k in ("step", "operation", "steps", "facts") else shaken(v) for k, v in value.items()}
        if isinstance(value, list):
            return [shaken(v) for v in value]
        if not isinstance(value, float) or rng.random() < 0.3:
            return value
        return wild[rng.integers(len(wild))] if seed % 2 else float(rng.normal() * 10 ** rng.uniform(-40, 40))

    found = Record.from_json(json.dumps(shaken(plain)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnosis_page.figure(found)
        diagnosis_page.page(judged(found), title="x")


# ---- hostile names -----------------------------------------------------------------------------------------------


def hostile_diagnosis():
    """Every name and sentence of a diagnosis replaced by payloads in turn."""
    turn = -1

    def payload():
        nonlocal turn
        turn += 1
        return PAYLOADS[turn % len(PAYLOADS)]

    good = record(3)
    known = good.facts
    operations = [replace(op, name=payload(), rule=payload()) for op in known.operations]
    attacked = replace(
        good,
        facts=replace(known, operations=operations, criterion=payload(), after=payload(), reduction=payload(),
                      parameters=[replace(p, name=payload()) for p in known.parameters],
                      optimizers=[replace(known.optimizers[0], rule=p) for p in PAYLOADS]),
        curves=replace(good.curves, non_finite=NonFinite(3, payload(), payload())),
        trials=[replace(good.trials[1], change=payload()) for _ in PAYLOADS],
        baselines=[SimpleModel(payload(), 0.5, 0.5)],
        extra=dict.fromkeys(PAYLOADS, 1.0),
        notes=PAYLOADS,
    )  # fmt: skip
    findings = [Found(p, 0.5, payload(), [payload(), payload()], payload(), payload()) for p in PAYLOADS]
    return judged(attacked, findings=findings, notes=[p + " " for p in PAYLOADS])


@pytest.fixture(scope="module")
def hostile_page():
    return diagnosis_page.page(hostile_diagnosis(), title=PAYLOADS[0])


def test_hostile_names_are_text(hostile_page, elements):
    tags = elements(hostile_page).tags
    assert {tag for tag, _ in tags} <= ALLOWED | {"br"}
    names = {name for _, attributes in tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "srcdoc", "action", "data")]
    links = [v for _, attributes in tags for name, v in attributes.items() if name.endswith("href")]
    assert all(link.startswith("#") for link in links)
    text = "".join(elements(hostile_page).text)
    assert [p for p in PAYLOADS if p.isprintable() and p not in text] == []
    hostile_page.encode("utf-8")
    assert not re.search("[\x00-\x08\u202e]", hostile_page)
    for figure in re.findall(r"<svg.*?</svg>", hostile_page, re.DOTALL):
        ElementTree.fromstring(figure)


@pytest.mark.parametrize("policy", [True, False])
def test_a_hostile_page_opens_no_dialog_and_asks_for_nothing(browser, tmp_path, hostile_page, policy):
    path = tmp_path / "diagnosis.html"
    path.write_text(hostile_page if policy else re.sub(r"<meta http-equiv[^>]*>", "", hostile_page), encoding="utf-8")
    assert browser.open(path) == ([], [])


@pytest.fixture(scope="module")
def long_page():
    long = "w" * 3000
    found = judged(
        record(1, names=long + "{}"), findings=[Found(long, 0.5, long, [long] * 3, long, long)], notes=[long]
    )
    return diagnosis_page.page(found, title=long)


@pytest.mark.parametrize("width", [400, 1400])
def test_neither_page_scrolls_sideways(browser, tmp_path, hostile_page, long_page, width):
    path = tmp_path / "diagnosis.html"
    for page in (hostile_page, long_page):
        path.write_text(page, encoding="utf-8")
        browser.open(path, width)
        assert browser.value("document.documentElement.scrollWidth") <= width


# ---- findings in the report of a run -----------------------------------------------------------------------------

SUMMED = {
    "cause": "init_scale_too_large", "words": "initial weights too large", "probability": 0.93, "trials": 9, "of": 240,
    "recipes": 3, "where": "all with normal(1) initialization", "evidence": ["9 of 240 trials diverged"],
    "remedy": "He initialization", "proof": "5 of 5 folds better",
}  # fmt: skip


def test_the_report_of_a_run_tells_its_findings(data, elements):
    data["summary"]["findings"] = [{"cause": "lr_too_high", "probability": 0.2}, SUMMED]
    page = render(data)
    text = said(page, elements)
    assert "<h2>Why recipes failed</h2>" in page
    parts = ("initial weights too large", "9 of 240 trials in 3 recipes", SUMMED["where"],
             "9 of 240 trials diverged", "He initialization", SUMMED["proof"], "learning rate too high")  # fmt: skip
    for part in parts:
        assert part in text, part
    assert text.index("initial weights too large") < text.index("learning rate too high")  # by probability


@pytest.mark.parametrize("findings", [[], *(pytest.param(f, marks=pytest.mark.slow) for f in (None, "missing"))])
def test_without_findings_the_section_is_absent(data, findings):
    plain = render(copy.deepcopy(data))
    if findings != "missing":
        data["summary"]["findings"] = findings
    assert "Why recipes failed" not in plain
    same = render(data) == plain
    assert same


def test_hostile_findings_are_text_in_the_report(data, elements):
    data["summary"]["findings"] = [
        {**SUMMED, "cause": p, "words": p, "where": p, "evidence": [p], "remedy": p, "proof": p} for p in PAYLOADS
    ]
    found = elements(render(data))
    assert {tag for tag, _ in found.tags} <= ALLOWED | {"br"}
    text = "".join(found.text)
    assert [p for p in PAYLOADS if p.isprintable() and p not in text] == []


def test_a_finding_needs_only_its_cause():
    (row,) = diagnosis_page.findings_section([{"cause": "depth"}])
    assert row == {"words": CAUSES["depth"].words, "probability": "–", "seen": "", "where": "",
                   "evidence": [], "remedy": "", "proof": ""}  # fmt: skip
    assert diagnosis_page.findings_section([{**SUMMED, "recipes": 1}])[0]["seen"] == "9 of 240 trials in 1 recipe"
