"""The panels of a diagnosis, each drawn from a record alone; what was not measured is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

from tenfold.doctor.changes.all_changes import change_label
from tenfold.doctor.record import CurvePoint, LayerNumbers, Operation, Probe, ProbeState, Record, Trial
from tenfold.report.drawing import TINY, Colours, head, is_drawable, label, log_scale, name_rows, some
from tenfold.report.svg import drawable

BAND = (3e-4, 3e-2)  # healthy update sizes relative to the weights, as an order of magnitude
DECADES = (-7.0, 1.0)  # of relative update sizes, from the lower to the upper edge of a strip
ROWS = 16  # layers or parameters of one panel, evenly chosen where there are more
TIMES = 6  # moments of one panel of distributions, likewise
SMOOTH = 60  # points of a curve beyond which its running median is drawn
LEAST_SKILL = -1.0  # a skill below it is an arrow at the edge
SHOWN = ("linear", "conv", "recurrent", "attention", "embedding", "normalization", "activation")


def operation(record: Record, numbers: LayerNumbers) -> Operation | None:
    """What a layer's numbers are of."""
    operations = record.facts.operations
    return operations[numbers.operation] if 0 <= numbers.operation < len(operations) else None


def probe_times(record: Record) -> list[Probe]:
    """The network at the start, on its way (evenly chosen) and at the end."""
    times = [record.probe("start"), *(p for p in record.probes if p.state == "during"), record.probe("end")]
    return some([p for p in times if p is not None], TIMES)


def running_median(values: np.ndarray, span: int) -> np.ndarray:
    """The running median over `span` values, the same number of values; NaN where all of them are."""
    padded = np.pad(values, (span // 2, span - 1 - span // 2), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, span)
    any_known: np.ndarray = np.any(np.isfinite(windows), axis=1)
    known = np.where(any_known[:, None], windows, 0.0)
    return np.where(any_known, np.nanmedian(known, 1), np.nan)


def _series(axes: Any, points: Sequence[CurvePoint], name: str, ink: Colours) -> np.ndarray:
    """Single values pale, their running median thick; the values."""
    steps, values = np.array([p.step for p in points], float), drawable([p.value for p in points])
    if len(points) > SMOOTH:
        axes.plot(steps, values, color=ink.soft, linewidth=0.6, alpha=0.55)
        axes.plot(steps, running_median(values, max(5, len(points) // 30)), color=ink.accent, linewidth=2, label=name)
    else:
        axes.plot(steps, values, "o-", color=ink.accent, linewidth=1.6, markersize=2.5, label=name)
    return values


def _first_non_finite(axes: Any, record: Record, ink: Colours) -> None:
    lost = record.curves.non_finite
    if lost is not None:
        axes.axvline(lost.step, color=ink.ink, linewidth=1, linestyle=(0, (1, 1.5)))
        late = lost.step > max(1, record.facts.steps) / 2
        axes.annotate(f"not finite: {label(lost.what, 34)}", (lost.step, 0.5), (-4 if late else 4, 0),
                      xycoords=axes.get_xaxis_transform(), textcoords="offset points", rotation=0, fontsize=8.5,
                      ha="right" if late else "left", bbox={"fc": ink.page, "ec": "none", "pad": 1.5})  # fmt: skip


def _time(axes: Any, record: Record, steps: Sequence[int]) -> None:
    last = max([*steps, record.facts.steps, 1])
    axes.set_xlim(-0.01 * last, 1.01 * last)
    axes.set_xlabel("update")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def landmarks(record: Record) -> list[tuple[str, float]]:
    """Names and values of what the loss is compared with."""
    theory = record.theory
    found = [("constant output", theory.constant), ("equal odds", theory.chance), ("perfect output", theory.perfect)]
    return [(name, value) for name, value in found if value is not None and is_drawable(value)]


def _name_landmarks(axes: Any, near: Sequence[tuple[str, float]]) -> None:
    """Names at the right edge, at least a line apart, in the order of their values."""
    axes.set_ylim(axes.get_ylim())  # nothing moves them any more
    heights = sorted((float(axes.transAxes.inverted().transform(axes.transData.transform((0, value)))[1]), name)
                     for name, value in near)  # fmt: skip
    last = -1.0
    for height, name in heights:
        last = max(height, last + 0.085)
        axes.text(1.02, last, name, transform=axes.transAxes, va="center", fontsize=8.5)


def loss(axes: Any, record: Record, ink: Colours) -> None:
    """The loss of training batches and of batches without gradients, and landmarks in reach of them."""
    curves = record.curves
    seen = _series(axes, curves.loss, "training batches", ink)
    if curves.validation:
        held = drawable([p.value for p in curves.validation])
        axes.plot([p.step for p in curves.validation], held, "o-" if len(held) <= SMOOTH else "-", color=ink.ink,
                  linewidth=1, markersize=2.5, label="without gradients")  # fmt: skip
        seen = np.concatenate([seen, held])
    seen = seen[np.isfinite(seen)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    logarithmic = low > TINY and high > 100 * low
    reach = (low / 10, high * 10) if logarithmic else (2 * low - high, 2 * high - low)
    near = [(name, value) for name, value in landmarks(record) if reach[0] <= value <= reach[1]]
    if logarithmic:
        log_scale(axes, [low, high, *(value for _, value in near)])
    for _, value in near:
        axes.axhline(value, color=ink.ink, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
    _name_landmarks(axes, near)
    _first_non_finite(axes, record, ink)
    axes.grid(axis="y")
    _time(axes, record, [p.step for p in (*curves.loss, *curves.validation)])
    head(axes, "Loss", legend=True)


def gradient_norm(axes: Any, record: Record, ink: Colours) -> None:
    """The norm of the whole gradient at each update, on a log scale."""
    values = _series(axes, record.curves.gradient_norm, "norm", ink)
    log_scale(axes, values)
    _first_non_finite(axes, record, ink)
    axes.grid(axis="y")
    _time(axes, record, [p.step for p in record.curves.gradient_norm])
    head(axes, "Gradient norm")


def relative_updates(record: Record) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Of each parameter that was updated: name, updates (T,), and log10 of |w_after - w_before| / |w| (T,); -inf where
    it did not move, NaN where unknown."""
    found = []
    sampled = record.curves.updates
    steps = np.array([u.step for u in sampled], float)
    for place, parameter in enumerate(record.facts.parameters):
        pairs = [(u.update[place], u.weight[place]) if place < min(len(u.update), len(u.weight)) else (None, None)
                 for u in sampled]  # fmt: skip
        moved, weight = (drawable([pair[i] for pair in pairs]) for i in (0, 1))
        if np.isfinite(moved).any():
            with np.errstate(all="ignore"):
                ratio = np.where(weight > TINY, moved / np.where(weight > TINY, weight, 1.0), np.nan)
                found.append((parameter.name, steps, np.log10(ratio)))
    return found


def strips(record: Record) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Those of them that are drawn."""
    return some(relative_updates(record), ROWS)


def updates(axes: Any, record: Record, ink: Colours) -> None:
    """A strip a parameter: relative update sizes over time, the healthy order of magnitude shaded."""
    rows = strips(record)
    low, high = DECADES
    place = lambda exponent: 0.42 - 0.84 * (np.clip(exponent, low, high) - low) / (high - low)  # noqa: E731
    right = axes.get_yaxis_transform()
    for row, (_, steps, exponents) in enumerate(rows):
        axes.axhspan(*(row + place(math.log10(edge)) for edge in BAND), color=ink.accent, alpha=0.2, linewidth=0)
        axes.plot(steps, row + place(exponents), "-" if len(steps) > SMOOTH else ".-", color=ink.ink, linewidth=0.9,
                  markersize=2.5)  # fmt: skip
        sizes = 10 ** exponents[~np.isnan(exponents)]
        middle = "–" if not len(sizes) else f"{np.median(sizes):.0e}" if np.median(sizes) > 0 else "0"
        axes.text(1.02, row, middle, transform=right, va="center", fontsize=8.5)
    name_rows(axes, [name for name, _, _ in rows], ink)
    _first_non_finite(axes, record, ink)
    _time(axes, record, [u.step for u in record.curves.updates])
    head(axes, "Update sizes by parameter")


def depths(record: Record) -> list[int]:
    """The operations whose outputs are followed through the depth: those with weights, or all where fewer than two."""
    weighted = [i for i, op in enumerate(record.facts.operations) if op.weight and op.kind != "normalization"]
    return weighted if len(weighted) > 1 else list(range(len(record.facts.operations)))


def profile(record: Record, probe: Probe, read: str) -> tuple[np.ndarray, list[float | None]]:
    """A number of the layers by depth: places from 1 (layers,), and its values; None where not measured."""
    places = {index: depth for depth, index in enumerate(depths(record), 1)}
    rows = [(places[n.operation], getattr(n, read)) for n in probe.layers if n.operation in places]
    return np.array([place for place, _ in rows], float), [value for _, value in rows]


def _by_depth(axes: Any, record: Record, read: str, ink: Colours) -> None:
    """Lines for start, end and reference; a triangle at the bottom for zero, a cross at the top for not finite."""
    looks: list[tuple[ProbeState, str, Any, float]] = [
        ("reference", ink.ink, (0, (1, 1.4)), 1.6),
        ("start", ink.soft, (0, (5, 2)), 1.4),
        ("end", ink.accent, "-", 2.0),
    ]
    every: list[float | None] = []
    edge = axes.get_xaxis_transform()
    for state, colour, dashes, width in looks:
        probe = record.probe(state)
        if probe is None or not was_measured(probe, read):
            continue
        places, raw = profile(record, probe, read)
        values = drawable(raw)
        every += raw
        name = "right initialization" if state == "reference" else state
        axes.plot(places, np.where(values > TINY, values, np.nan), color=colour, linestyle=dashes, linewidth=width,
                  marker="o", markersize=3.2, label=name)  # fmt: skip
        lost = np.array([v is not None and not is_drawable(v) for v in raw], bool)
        for mark, where, height in (("v", values <= TINY, 0.03), ("x", lost, 0.97)):
            axes.plot(
                places[where], np.full(int(where.sum()), height), mark, color=colour, transform=edge, markersize=5
            )
    log_scale(axes, every)
    count = len(depths(record))
    axes.set_xlim(0.7, count + 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(min(10, max(1, count)), integer=True))
    axes.set_xlabel("layer, from input to output")
    axes.grid(axis="y")


def was_measured(probe: Probe, read: str) -> bool:
    """Whether any layer has this number."""
    return any(getattr(numbers, read) is not None for numbers in probe.layers)


def signal(axes: Any, record: Record, ink: Colours) -> None:
    """Root mean square of the layers' outputs by depth."""
    _by_depth(axes, record, "rms", ink)
    head(axes, "Signal by depth", legend=True)


def draw_gradient(axes: Any, record: Record, ink: Colours) -> None:
    """Root mean square of the gradient with respect to the layers' outputs by depth."""
    _by_depth(axes, record, "gradient", ink)
    head(axes, "Gradient by depth", legend=True)


def bands(record: Record, read: str) -> list[tuple[str, list[tuple[str, list[float]]]]]:
    """Of each layer (evenly chosen): its name, and (state, quantiles) at some moments, then of the reference."""
    reference = record.probe("reference")
    probes = [*probe_times(record), *([reference] if reference else [])]
    found: dict[int, list[tuple[str, list[float]]]] = {}
    for probe in probes:
        for numbers in probe.layers:
            known_operation = operation(record, numbers)
            values = getattr(numbers, read)
            if known_operation and known_operation.kind in SHOWN and len(values) == 7 and all(map(is_drawable, values)):
                found.setdefault(numbers.operation, []).append((probe.state, values))
    return some([(record.facts.operations[place].name, found[place]) for place in sorted(found)], ROWS)


def _bars(axes: Any, layers: Sequence[tuple[str, list[tuple[str, list[float]]]]], low: float, ink: Colours) -> None:
    """A bar a moment: thin from 5 to 95 %, thick from 25 to 75 %, a stroke at the median; nothing under `low`."""
    looks = {"start": (ink.soft, 1.0), "end": (ink.accent, 1.0), "reference": (ink.ink, 1.0)}
    drawn: dict[tuple[str, float], list[list[float]]] = {}
    for row, (_, bars) in enumerate(layers):
        gap = 0.84 / max(len(bars), 3)
        for turn, (state, values) in enumerate(bars):
            y = row + gap * (turn - (len(bars) - 1) / 2)
            drawn.setdefault(looks.get(state, (ink.accent, 0.5)), []).append([y, *(max(v, low) for v in values[1:6])])
    for (colour, alpha), places in drawn.items():
        y, *edges = np.array(places).T
        axes.hlines(y, edges[0], edges[4], color=colour, linewidth=0.8, alpha=alpha)
        axes.hlines(y, edges[1], edges[3], color=colour, linewidth=3.2, alpha=alpha)
        axes.plot(edges[2], y, "|", color=ink.page, markersize=4, markeredgewidth=1.2)
    name_rows(axes, [name for name, _ in layers], ink)
    for name, colour, alpha in (("start", ink.soft, 1), ("on its way", ink.accent, 0.5), ("end", ink.accent, 1),
                                ("right initialization", ink.ink, 1)):  # fmt: skip
        axes.plot([], [], color=colour, alpha=alpha, linewidth=3.2, label=name)


def activations(axes: Any, record: Record, ink: Colours) -> None:
    """Quantile bands of the layers' outputs; a scale that is logarithmic away from zero where sizes differ much."""
    layers = bands(record, "quantiles")
    _bars(axes, layers, -math.inf, ink)
    sizes = np.array([max(abs(values[1]), abs(values[5])) for _, bars in layers for _, values in bars])
    small = float(np.quantile(sizes[sizes > TINY], 0.1)) if (sizes > TINY).any() else 1.0
    if sizes.max() > 20 * small:
        near = 10.0 ** math.ceil(math.log10(small))
        axes.set_xscale("symlog", linthresh=near)
        locator = SymmetricalLogLocator(base=10, linthresh=near)
        locator.set_params(numticks=5)
        axes.xaxis.set_major_locator(locator)
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(0, color=axes.xaxis.label.get_color(), linewidth=0.6, zorder=0.5)
    axes.set_xlabel("output")
    head(axes, "Outputs by layer and time", legend=True)


def gradients(axes: Any, record: Record, ink: Colours) -> None:
    """Quantile bands of the absolute gradients with respect to the layers' outputs, on a log scale."""
    layers = bands(record, "gradient_quantiles")
    values = np.array([values[1:6] for _, bars in layers for _, values in bars])
    high = float(values.max())
    log_scale(axes, values[values > max(TINY, high * 1e-12)], "x")
    _bars(axes, layers, axes.get_xlim()[0], ink)
    axes.set_xlabel("absolute gradient")
    head(axes, "Gradients by layer and time", legend=True)


def dead_maps(record: Record) -> list[tuple[str, list[int], str]]:
    """Of each activation layer (evenly chosen): name, its first units (1 where dead), and the share of dead units at
    the start and at the end."""
    start, end = record.probe("start"), record.probe("end")
    last = end if end is not None and any(n.dead_units for n in end.layers) else start
    before = {n.operation: n.dead for n in start.layers} if start is not None else {}
    found = []
    for numbers in last.layers if last is not None else []:
        whose = operation(record, numbers)
        if whose is not None and numbers.dead_units:
            shares = [before.get(numbers.operation), numbers.dead] if last is end else [numbers.dead]
            percent = " → ".join(f"{100 * s:.0f}" if s is not None and is_drawable(s) else "–" for s in shares)
            found.append((whose.name, numbers.dead_units, percent + " %"))
    return some(found, ROWS)


def dead(axes: Any, record: Record, ink: Colours) -> None:
    """A row a layer, a cell a unit: dark where it is dead."""
    layers = dead_maps(record)
    right = axes.get_yaxis_transform()
    for row, (_, units, shares) in enumerate(layers):
        width, seam = 1 / len(units), 0.12 / len(units) if len(units) <= 64 else 0.0
        for state, colour in ((0, ink.line), (1, ink.accent)):
            cells = [(i * width, width - seam) for i, unit in enumerate(units) if bool(unit) == bool(state)]
            axes.broken_barh(cells, (row - 0.33, 0.66), facecolor=colour, linewidth=0)
        axes.text(1.02, row, shares, transform=right, va="center", fontsize=8.5)
    name_rows(axes, [name for name, _, _ in layers], ink)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    head(axes, "Dead units by layer")


def skills(trial: Trial) -> np.ndarray:
    """Skill of each seed on rows that were held out, or else on those trained on; not below LEAST_SKILL, which
    is also that of outputs that are not finite; NaN where unknown."""
    chosen = [h if h is not None else s for h, s in zip(trial.held_out, trial.skill, strict=False)]
    found = [math.nan if v is None else max(v, LEAST_SKILL) if is_drawable(v) else LEAST_SKILL for v in chosen]
    return np.array(found, float)


def ranked(found: Sequence[Trial]) -> list[tuple[Trial, np.ndarray]]:
    """Trials with a skill: the unchanged one, then the others, best mean first."""
    scored = [(trial, skills(trial)) for trial in found]
    scored = [(trial, values) for trial, values in scored if np.isfinite(values).any()]
    return sorted(scored, key=lambda pair: (pair[0].change != "as_is", -float(np.nanmean(pair[1]))))


def _trials(axes: Any, found: Sequence[Trial], title: str, ink: Colours) -> None:
    rows = ranked(found)
    for same, colour in ((True, ink.ink), (False, ink.accent)):
        mine = [(row, values) for row, (trial, values) in enumerate(rows) if (trial.change == "as_is") == same]
        dots = np.array([(value, row) for row, values in mine for value in values if value > LEAST_SKILL]).reshape(
            -1, 2
        )
        means = np.array([np.nanmean(values) for _, values in mine])
        below = [row for row, values in mine if (values <= LEAST_SKILL).any()]
        axes.plot(*dots.T, "o", color=colour, markersize=4.5, alpha=0.65, markeredgewidth=0)
        axes.plot(means, [row for row, _ in mine], "|", color=colour, markersize=10, markeredgewidth=1.8)
        axes.plot(np.full(len(below), 0.01), below, "<", color=colour, markersize=5,
                  transform=axes.get_yaxis_transform())  # fmt: skip
        if same and mine:
            axes.axvline(means[0], color=colour, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0.5)
    name_rows(axes, [change_label(trial.change) for trial, _ in rows], ink, 28)
    lowest = min(float(np.nanmin(values)) for _, values in rows)
    axes.set_xlim(max(LEAST_SKILL, min(-0.05, lowest - 0.05)) - 0.03, 1.04)
    axes.set_xlabel("skill: 0 is a constant answer, 1 is perfect")
    head(axes, title)


def trials(axes: Any, record: Record, ink: Colours) -> None:
    """Skill by change, a dot a seed, against the unchanged training."""
    _trials(axes, record.trials, "Short trainings by change", ink)


def proofs(axes: Any, record: Record, ink: Colours) -> None:
    """The same of the paired proofs: the remedies and a random other change."""
    _trials(axes, record.proofs, "Paired trainings by remedy", ink)
