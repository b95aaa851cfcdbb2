"""A diagnosis as figures and as a page of its own; and the section of a run's report about what was unhealthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from tenfold.doctor.causes import cause_words
from tenfold.doctor.diagnosis import Diagnosis, Finding, diagnosis_verdict
from tenfold.doctor.record import CurvePoint, Record
from tenfold.report import panels, words
from tenfold.report.drawing import LIGHT, THEMED, Colours, is_drawable
from tenfold.report.measures import layers, measures
from tenfold.report.svg import to_svg
from tenfold.report.template import template

WIDTH = 5.0  # inches of a panel
HEIGHT = 2.7  # of one without a row a layer
LAYERS = 60  # rows of the table of layers
Draw = Callable[[Any, Record, Colours], None]


@dataclass(frozen=True)
class Panel:
    """A panel. rows: how many it has for a record, 0 where there is nothing to draw; each: inches a row, 0 where the
    height is the same for any number."""

    name: str
    title: str
    rows: Callable[[Record], int]
    each: float
    draw: Draw

    def height(self, record: Record) -> float:
        """Inches; 0 where there is nothing to draw."""
        rows = self.rows(record)
        return 0.0 if not rows else HEIGHT if not self.each else 0.95 + self.each * rows


def _known(points: Sequence[CurvePoint]) -> int:
    return sum(is_drawable(point.value) for point in points)


def _followed(read: str) -> Callable[[Record], int]:
    states = ("start", "end", "reference")
    return lambda record: sum(panels.was_measured(p, read) for p in map(record.probe, states) if p is not None)


def _bands(read: str) -> Callable[[Record], int]:
    return lambda record: len(panels.bands(record, read))


PANELS: tuple[Panel, ...] = (
    Panel("loss", "Loss by update", lambda r: _known(r.curves.loss) + _known(r.curves.validation), 0.0, panels.loss),
    Panel("norm", "Gradient norm by update", lambda r: _known(r.curves.gradient_norm), 0.0, panels.gradient_norm),
    Panel("signal", "Signal by depth", _followed("rms"), 0.0, panels.signal),
    Panel("gradient", "Gradient by depth", _followed("gradient"), 0.0, panels.draw_gradient),
    Panel("outputs", "Outputs by layer and time", _bands("quantiles"), 0.31, panels.activations),
    Panel("gradients", "Gradients by layer and time", _bands("gradient_quantiles"), 0.31, panels.gradients),
    Panel("updates", "Update sizes by parameter", lambda r: len(panels.strips(r)), 0.31, panels.updates),
    Panel("dead", "Dead units by layer", lambda r: len(panels.dead_maps(r)), 0.25, panels.dead),
    Panel("trials", "Short trainings by change", lambda r: len(panels.ranked(r.trials)), 0.21, panels.trials),
    Panel("proofs", "Paired trainings by remedy", lambda r: len(panels.ranked(r.proofs)), 0.24, panels.proofs),
)
CAPTIONS = {
    "loss": (
        "Pale: single batches; thick: their running median; dark: batches without gradients; dashed: landmarks.",
        "A loss that stays at the best constant output has learnt nothing; one far above it points to a wrong setup.",
    ),
    "norm": (
        "The norm of the whole gradient at each update, before the optimizer scales it.",
        "Rare spikes call for clipping; a fall by decades while the loss stays high is a vanishing gradient.",
    ),
    "signal": (
        "Root mean square of the outputs of the layers with weights. Triangle: zero; cross: not finite.",
        "A steady fall or rise over decades, which the right initialization does not have, loses the signal.",
    ),
    "gradient": (
        "Root mean square of the gradient of the loss with respect to the same outputs.",
        "Read it from right to left: where it falls by decades, the first layers hardly learn.",
    ),
    "outputs": (
        "A bar a moment, the start above; thin: 5 to 95 % of the outputs, thick: 25 to 75 %, gap: the median.",
        "Compare with the right initialization: far wider bars saturate, far narrower ones starve the next layer.",
    ),
    "gradients": (
        "The same of the absolute gradients with respect to the outputs, on a log scale.",
        "A bar at the left edge is zero; layers that lie decades apart learn at different speeds.",
    ),
    "updates": (
        "A strip a parameter, from 1e-7 to 10: |w after - w before| / |w| by update; at the right the median.",
        "Shaded: 3e-4 to 3e-2, where healthy runs mostly lie; an order of magnitude only, and no verdict.",
    ),
    "dead": (
        "A cell a unit (at most 256 a layer), coloured where inactive on all rows; share at the start and the end.",
        "Such a unit gets no gradient from these rows. A few are harmless, most of a layer are not.",
    ),
    "trials": (
        "A dot a seed on held-out rows, a stroke at their mean; dashed: unchanged; an arrow is off the scale.",
        "A change whose seeds all lie well to the right of the dashed line helps.",
    ),
    "proofs": (
        "The unchanged training, the remedies, and a random other change of equal cost as a control.",
        "A remedy is proven where nearly all seeds are to the right of the dashed line and the control is not.",
    ),
}


def panels_with_data(record: Record) -> list[Panel]:
    """The panels that have something to draw."""
    return [panel for panel in PANELS if panel.height(record)]


def figure(record: Record) -> Figure:
    """One figure with every panel that has data, in two columns of about equal height."""
    chosen = panels_with_data(record)
    columns: tuple[list[Panel], list[Panel]] = ([], [])
    tall = [0.0, 0.0]
    for panel in chosen:
        side = 0 if tall[0] <= tall[1] else 1
        columns[side].append(panel)
        tall[side] += panel.height(record)
    used = [column for column in columns if column]
    with LIGHT.style():
        size = (WIDTH * 1.04 * max(1, len(used)), max(*tall, HEIGHT))
        drawing = Figure(figsize=size, layout="constrained", facecolor=LIGHT.page)
        if not used:
            drawing.text(0.5, 0.5, "nothing was recorded", ha="center")
            return drawing
        parts: Any = drawing.subfigures(1, len(used), squeeze=False)
        for part, column in zip(parts[0], used, strict=True):
            _fill(part, column, record)
        drawing.draw_without_rendering()  # ticks are made here, in this style
    return drawing


def _fill(part: Any, column: Sequence[Panel], record: Record) -> None:
    heights = [panel.height(record) for panel in column]
    axes = part.subplots(len(column), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for place, panel in zip(axes[:, 0], column, strict=True):
        place.set_facecolor("none")
        panel.draw(place, record, LIGHT)


def pictures(record: Record) -> list[tuple[tuple[str, str], Markup]]:
    """The panels' captions, and the panels as <svg> elements in the page's colours."""
    found = []
    for panel in panels_with_data(record):
        with THEMED.style():
            drawn = Figure(figsize=(WIDTH, panel.height(record)), layout="constrained")
            panel.draw(drawn.subplots(), record, THEMED)
            found.append((CAPTIONS[panel.name], to_svg(drawn, f"diagnosis-{panel.name}", panel.title)))
    return found


def page(diagnosis: Diagnosis, *, title: str) -> str:
    """A diagnosis as one page without scripts: verdict, findings, panels, measures, what could not be measured.

    Every text is escaped; None and numbers that are not finite print as a dash.
    """
    record = diagnosis.record
    return template("diagnosis.html.j2").render(
        title=title,
        headline=diagnosis_headline(diagnosis),
        findings=[_finding(finding) for finding in diagnosis.findings],
        pictures=pictures(record),
        measures=measures(record),
        layers=layers(record),
        layers_shown=LAYERS,
        remarks=[note for note in diagnosis.notes if note not in record.notes],
        notes=record.notes,
        first=record.curves.non_finite,
    )


def diagnosis_headline(diagnosis: Diagnosis) -> str:
    """The verdict in a sentence or two."""
    verdict = diagnosis_verdict(diagnosis)
    return f"{verdict.removesuffix('.')}: no cause was found." if verdict.startswith("Healthy") else verdict


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "words": cause_words(finding.cause),
        "probability": f"{finding.probability:.2f}",
        "seen": "",
        "where": f"layer {finding.layer}" if finding.layer else "",
        "evidence": finding.evidence,
        "remedy": finding.remedy,
        "proof": finding.proof,
    }


def findings_section(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the report of a run says of unhealthy recipes, from summary["findings"]; the most probable first.

    A finding has cause (a code), words, probability, trials and of (how many of how many trials), recipes (how many,
    or which), where, evidence (sentences), remedy and proof; all but the cause may be missing.
    """
    rows = []
    for finding in findings:
        trials, of, recipes = (finding.get(name) for name in ("trials", "of", "recipes"))
        recipes = len(recipes) if isinstance(recipes, list | tuple) else recipes
        seen = (
            f"{words.whole_number(trials)} of {words.whole_number(of)} trials"
            if words.is_finite_number(trials) and words.is_finite_number(of)
            else ""
        )
        if words.is_finite_number(recipes):
            seen += f"{' in ' if seen else ''}{words.whole_number(recipes)} recipe{'s' if recipes != 1 else ''}"
        kept = {name: finding.get(name) or "" for name in ("where", "remedy", "proof")}
        named = finding.get("words") or cause_words(finding["cause"])
        sure: Any = finding.get("probability")
        certain = f"{sure:.2f}" if words.is_finite_number(sure) else words.DASH
        row = {
            "words": named,
            "probability": certain,
            "seen": seen,
            "evidence": list(finding.get("evidence") or []),
            **kept,
        }
        rows.append((-sure if words.is_finite_number(sure) else 1.0, row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]
