"""From a watched training to its record: the heavy measures, on copies, after the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch

from tenfold.doctor.changes.surgery import reinitialize
from tenfold.doctor.diagnosis import Diagnosis, diagnosis_of
from tenfold.doctor.judge.evidence_loop import settled_by_reading
from tenfold.doctor.judge.evidence_trials import worth_trying
from tenfold.doctor.measure.numbers.baselines import baselines
from tenfold.doctor.measure.numbers.facts import facts_of
from tenfold.doctor.measure.numbers.gradients import against_recorded, check_gradient, curvature as top_curvature, noise
from tenfold.doctor.measure.numbers.loop_facts import loop_facts
from tenfold.doctor.measure.numbers.moments import data_moments
from tenfold.doctor.measure.numbers.pipeline import Pipeline
from tenfold.doctor.measure.numbers.propagation import probe
from tenfold.doctor.measure.numbers.rows import RowBatch, join, rows_of, standardized_inputs
from tenfold.doctor.measure.numbers.study import Study, study_of
from tenfold.doctor.measure.numbers.theory import theory
from tenfold.doctor.measure.watching.quiet import quiet
from tenfold.doctor.measure.watching.watched import Watched
from tenfold.doctor.prove.attempts import Attempts, TrialMaker, setup_of
from tenfold.doctor.prove.paired import prove as make_proofs
from tenfold.doctor.prove.plan import references, single_changes
from tenfold.doctor.record import (
    DataMoments,
    Facts,
    OptimizerFacts,
    Probe,
    Record,
    SimpleModel,
    Theory,
)
from tenfold.errors import in_short

SNAPSHOTS = 6  # states between start and end that are probed


@quiet()
def examine(
    watched: Watched,
    *,
    trials: TrialMaker | None = None,
    prove: bool = True,
    budget: float = 2.0,
    curvature: bool = False,
    gradient_check: bool = False,
) -> Diagnosis:
    """Measure, judge and prescribe; with `prove` pair the first remedies with the unchanged training over seeds.

    budget: seconds for the short trainings (about; the proof takes as much again). trials: for a recipe, called with
    names of changes and seeds, makes the trainings in packs; by default they are made on copies of the module.
    curvature: also the largest eigenvalue of the Hessian at the end, against 2 / learning rate; gradient_check: also
    the gradient against finite differences (for modules with a backward pass of their own).
    """
    record, attempt = measure(watched, trials=trials, budget=budget, curvature=curvature, gradient_check=gradient_check)
    diagnosis = diagnosis_of(record)
    if diagnosis.healthy or not prove or attempt is None:
        return diagnosis
    proofs = make_proofs(record, [f.change for f in diagnosis.findings[:2]], attempt)
    return diagnosis_of(replace(record, proofs=proofs))


def measure(
    watched: Watched,
    *,
    trials: TrialMaker | None = None,
    budget: float = 2.0,
    try_changes: bool = True,
    simple: bool = True,
    curvature: bool = False,
    gradient_check: bool = False,
) -> tuple[Record, TrialMaker | None]:
    """The record of a watched training, and what makes further short trainings of it (None where none can be made).

    simple: whether models without gradients are tried on the kept rows; for the others see `examine`.
    """
    try:
        study = study_of(watched)
        facts = facts_of(study)
    except Exception as error:  # such as a module that cannot be copied
        return _bare(watched, error), None
    inputs, targets, evaluated = _tried(study, "moments", lambda: _moments(study), (None, None, None))
    skill = _tried(study, "the skill in evaluation", lambda: _validation_skill(study), None)
    curves = replace(watched.curves, evaluation_inputs=evaluated, validation_skill=skill)
    loop = loop_facts(study)
    probes, landmarks = _tried(study, "the network's layers", lambda: _probes(study), ([], Theory()))
    record = Record(facts, inputs, targets, curves, probes, landmarks, notes=study.notes, loop=loop)
    if settled_by_reading(record):  # no short training says more than what was read
        return record, None
    record = replace(
        record,
        baselines=_tried(study, "simple models", lambda: _baselines(study), []) if simple else [],
        extra=_tried(study, "gradients taken again", lambda: _extra(study, curvature, gradient_check), {}),
    )
    if not try_changes or not study.operations or (trials is None and study.pipeline is None):
        return record, None
    try:
        attempt = trials if trials is not None else Attempts(setup_of(study, facts), facts, budget)
        record = replace(record, trials=attempt(references(record), (0,)))
        if worth_trying(record):
            record = replace(record, trials=[*record.trials, *attempt(single_changes(record), (0,))])
    except Exception as error:
        return replace(record, notes=[*record.notes, _said("short trainings", error)]), None
    return record, attempt


T = TypeVar("T")


def _said(what: str, error: Exception) -> str:
    return f"{what} could not be measured: {in_short(error)}"


def _tried(study: Study, what: str, compute: Callable[[], T], otherwise: T) -> T:
    """A measure of a module that may do anything: what fails becomes a note."""
    try:
        return compute()
    except Exception as error:
        study.notes.append(_said(what, error))
        return otherwise


def _bare(watched: Watched, error: Exception) -> Record:
    """What the loop alone tells, of a model that cannot be copied or called."""
    kinds = [type(o).__name__.lower() for o in watched.optimizers]
    rates = [float(groups[0].get("lr", 0.0)) if groups else 0.0 for groups in watched.options]
    optimizers = [OptimizerFacts(kind, rate) for kind, rate in zip(kinds, rates, strict=True)]
    facts = Facts("numbers", 0, [], [], optimizers, "", "", "unknown", [], [], 0, 0, watched.steps)
    notes = [*watched.notes, _said("a copy of the model", error)]
    loop = replace(watched.loop, unjudged=["a copy of the model could not be made or called"])
    return Record(facts, curves=watched.curves, notes=notes, loop=loop)


def _moments(study: Study) -> tuple[DataMoments | None, DataMoments | None, DataMoments | None]:
    if not study.parts:
        return None, None, None
    firsts = [f for p in study.parts if (f := p.first()) is not None]
    inputs = data_moments(torch.cat(firsts)) if firsts and len({f.shape[1:] for f in firsts}) == 1 else None
    classes = study.pipeline.classes if study.pipeline is not None else 0
    seen = [rows for rows in map(rows_of, study.watched.evaluation) if rows is not None]
    others = [f for p in seen if (f := p.first()) is not None]
    same = others and firsts and all(f.shape[1:] == firsts[0].shape[1:] for f in others)
    evaluated = data_moments(torch.cat(others)) if same else None
    if study.unjudged or len({p.target.shape[1:] for p in study.parts}) > 1:
        return inputs, None, evaluated
    wanted = torch.cat([p.target for p in study.parts])
    if study.pipeline is not None and study.pipeline.task != "numbers":
        wanted = study.pipeline.wanted(wanted)
        wanted = wanted[wanted != study.pipeline.left_out] if study.pipeline.task == "classes" else wanted
    return inputs, data_moments(wanted, classes=classes) if wanted.numel() else None, evaluated


def _validation_skill(study: Study) -> float | None:
    complete = [b for b in study.watched.evaluation if b.output is not None and b.target is not None]
    if study.pipeline is None or not complete:
        return None
    last = [b for b in complete if b.step == complete[-1].step]
    try:
        return study.pipeline.skill(torch.cat([b.output for b in last if b.output is not None]),
                                    torch.cat([b.target for b in last if b.target is not None]))  # fmt: skip
    except RuntimeError:
        return None


def _probes(study: Study) -> tuple[list[Probe], Theory]:
    if not study.parts or not study.operations:
        return [], Theory()
    found: list[Probe] = []
    landmarks = Theory()
    model, watched = study.model, study.watched

    def look(state: Any, step: int, parts: Sequence[RowBatch], pipeline: Pipeline | None) -> None:
        try:
            found.append(probe(model, parts, pipeline, state, step, joined=study.joined))
        except Exception as error:
            study.notes.append(f"the network at update {step} could not be probed: {error}")

    look("start", 0, study.parts, study.pipeline)
    if study.pipeline is not None:
        pairs = [(b.output, b.target) for b in watched.batches if b.output is not None and b.target is not None]
        pairs = [(o, t) for o, t in pairs if o.shape[0] == t.shape[0] and o.shape[1:] == pairs[0][0].shape[1:]]
        if pairs and study.joined:
            landmarks = theory(study.pipeline, torch.cat([o for o, _ in pairs]), torch.cat([t for _, t in pairs]))
        elif pairs:
            landmarks = theory(study.pipeline, *pairs[0])
    places = _spread(len(watched.snapshots))
    for place in places:
        step, state = watched.snapshots[place]
        model.load_state_dict(state, strict=False)
        look("end" if place == places[-1] else "during", step, study.parts, study.pipeline)
    model.load_state_dict(watched.start, strict=False)
    reinitialize(model, study.operations)
    standard, _ = standardized_inputs(study.parts, None)
    look("reference", 0, standard, study.pipeline)
    model.load_state_dict(watched.start, strict=False)
    return found, landmarks


def _extra(study: Study, curvature: bool, gradient_check: bool) -> dict[str, float]:
    """Gradients taken again: against the recorded ones, between batches; on request curvature and a gradient check."""
    if study.pipeline is None or not study.parts or not study.watched.steps:
        return {}
    model, watched, pipeline = study.model, study.watched, study.pipeline
    found: dict[str, float] = {}

    def take(name: str, compute: Callable[[], float | None]) -> None:
        try:
            value = compute()
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            study.notes.append(f"{name.replace('_', ' ')} could not be measured: {error}")
            return
        if value is not None:
            found[name] = value

    try:
        found |= against_recorded(model, watched, pipeline)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        study.notes.append(f"recorded gradients could not be taken again: {error}")
    if watched.snapshots:
        model.load_state_dict(watched.snapshots[-1][1], strict=False)
    model.eval()
    take("gradient_noise", lambda: noise(model, study.parts, pipeline))
    if curvature:
        take("curvature", lambda: top_curvature(model, study.parts[0], pipeline))
    if gradient_check:
        take("gradient_check", lambda: check_gradient(model, study.parts[0], pipeline))
    model.load_state_dict(watched.start, strict=False)
    return found


def _spread(count: int) -> list[int]:
    """Places of at most SNAPSHOTS + 1 snapshots, the last among them."""
    if count <= SNAPSHOTS + 1:
        return list(range(count))
    return sorted({round(i * (count - 1) / SNAPSHOTS) for i in range(SNAPSHOTS + 1)})


def _baselines(study: Study) -> list[SimpleModel]:
    # what rebuilds its inputs, or answers several questions, has no simple model that is as good or as bad
    if not study.joined or study.pipeline is None or study.rebuilds or study.pipeline.task == "labels":
        return []
    rows = join(study.parts)
    first = rows.first()
    if first is None or rows.target.shape[0] != first.shape[0]:
        return []
    wanted = study.pipeline.wanted(rows.target)
    if wanted.shape[0] != first.shape[0]:
        return []
    if study.pipeline.task == "classes" and wanted.dim() > 0:
        known = wanted.reshape(len(wanted), -1)[:, 0] != study.pipeline.left_out
        first, wanted = first[known], wanted[known]
    return baselines(first, wanted, study.pipeline.task)
