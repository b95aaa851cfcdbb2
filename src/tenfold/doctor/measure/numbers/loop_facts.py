"""What a watched loop did, completed by what can be read from its kept batches and tried on copies."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch

from tenfold.doctor.measure.numbers.criterion_space import (
    outside_domain,
    outside_space,
    unusable_weights,
    wholly_ignored,
)
from tenfold.doctor.measure.numbers.gradient_path import cut_in_model, unheld
from tenfold.doctor.measure.numbers.hidden_gradient import hidden_gradient
from tenfold.doctor.measure.numbers.pipeline import name_of, what_follows
from tenfold.doctor.measure.numbers.rows import join, probe_part, rows_of
from tenfold.doctor.measure.numbers.rows_alone import axes_confused, classes_elsewhere, rows_mixed
from tenfold.doctor.measure.numbers.study import Study
from tenfold.doctor.measure.watching.watched import ObservedBatch
from tenfold.doctor.record import LoopFacts
from tenfold.errors import in_short

BY_CLASS = ("CrossEntropyLoss", "cross_entropy", "NLLLoss", "nll_loss")
REPEATED = 8  # batches from which on it says something that all of them are the same


def loop_facts(study: Study) -> LoopFacts:
    """The facts of a study's loop."""
    found = study.watched.loop
    for part in (_path, _owners, _criterion, _hidden, _rows, _axes, _repeated, _types):
        try:
            found = replace(found, **part(study, found))
        except Exception as error:  # a loop may hold anything: what fails here is said, and stops nothing
            study.notes.append(f"{part.__name__.strip('_')} of the loop could not be looked at: {in_short(error)}")
    return replace(found, unjudged=unjudged(study))


def _batches(study: Study) -> list[ObservedBatch]:
    sunk = study.watched.sunk
    return [*study.watched.batches, *([sunk] if sunk is not None else [])]


def _path(study: Study, loop: LoopFacts) -> dict[str, Any]:
    """Where the path from parameters that no gradient reached ends."""
    watched, log = study.watched, study.watched.calls
    names = {id(p): name for name, p in watched.model.named_parameters()}
    if log is None:
        return {}
    apart = log.depends is not None and not any(id(p) in log.depends.leaves for p in log.members)
    if log.members and (apart or (loop.severed and not loop.losses)):
        # no part of the model is in the graph of the loss: cut in the model, behind it, or by a block without gradients
        if log.severed_by:
            return {"cut": log.severed_by, "cut_at": "between the model and the criterion",
                    "unreached": [names[id(p)] for p in log.members]}  # fmt: skip
        unreached = [names[id(p)] for p in log.members]
    elif log.orders and log.depends is not None:
        alive = log.depends.alive
        lost = [p for p in log.members if id(p) not in log.reached]
        # a parameter may be without a gradient since the loss does not depend on it by intention, or since the gradient
        # was cleared: only where the graph has no living way to it, something ends the way
        unreached = [names[id(p)] for p in lost if id(p) not in alive]
        if unreached and log.depends.flat and all(id(p) in log.depends.leaves for p in lost):
            place = _cut(study, unreached)
            flat = f"{log.depends.flat}()"
            return {"unreached": unreached, "cut": place[0] or flat, "cut_at": place[1] if place[0] else
                    "between the model and the criterion"}  # fmt: skip
    else:
        return {}
    if not unreached:
        return {}
    operation, where = _cut(study, unreached)
    if not operation and (apart or loop.severed):
        operation = "torch.no_grad() about the model" if log.without else "an operation"
        where = "" if log.without else "between the model and the criterion"
        return {"unreached": unreached, "cut": operation, "cut_at": where}
    return {"unreached": unreached, "cut": operation, "cut_at": where and f"module {where}"}


def _cut(study: Study, unreached: list[str]) -> tuple[str, str]:
    rows = next((r for r in map(rows_of, study.watched.batches) if r is not None), None)
    if rows is None:
        return "", ""
    study.model.train()
    return cut_in_model(study.model, rows, unreached)


def _owners(study: Study, loop: LoopFacts) -> dict[str, Any]:
    """Weights that the loss depends on, that neither the model nor an optimizer holds, and that nothing moves."""
    watched, log = study.watched, study.watched.calls
    if log is None or log.depends is None:
        return {}
    held = {id(p) for p in watched.model.parameters()}
    held |= {id(p) for o in watched.optimizers for g in o.param_groups for p in g["params"]}
    if isinstance(watched.criterion, torch.nn.Module):
        held |= {id(p) for p in watched.criterion.parameters()}
    anew = log.made_anew(held)
    if anew:
        return {"unheld": [f"{anew} parameter{'' if anew == 1 else 's'} that forward makes anew at every call"]}
    outside = {key for key, leaf in log.still().items() if key not in held and leaf.requires_grad}
    return {"unheld": unheld(watched.model, outside)} if outside else {}


def _criterion(study: Study, loop: LoopFacts) -> dict[str, Any]:
    criterion, batches = study.watched.criterion, _batches(study)
    if criterion is None:
        return {}
    empty = wholly_ignored(criterion, batches)
    weights = unusable_weights(criterion, batches)
    space = outside_space(criterion, batches)
    if not space and not empty and not weights and study.watched.curves.non_finite is not None:
        broken = [b for b in (*batches, *study.watched.broken) if b.scored is not None]
        space = outside_domain(criterion, broken)
    return {"ignored": empty, "weights": weights, "space": space}


def _hidden(study: Study, loop: LoopFacts) -> dict[str, Any]:
    """The rows and the operation of a gradient that is not finite behind a finite loss."""
    watched, bad = study.watched, study.watched.curves.non_finite
    if study.pipeline is None or bad is None or bad.what not in ("the gradient", "the parameter"):
        return {"hidden_step": 0, "hidden_parameter": ""}
    states = [(at, state) for at, state in watched.snapshots if at <= bad.step and _finite(state)]
    if not states:
        return {}
    model = copy.deepcopy(study.model)
    model.load_state_dict(states[-1][1], strict=False)
    model.train(watched.training_mode >= 0.5)
    batches = [b for b in _batches(study) if b.step >= states[-1][0]]
    found = hidden_gradient(model, study.pipeline, [b for b in batches if b.step <= bad.step] or batches)
    if found is None:
        return {"hidden_step": 0, "hidden_parameter": ""}
    operation, step, rows = found
    return {"hidden": operation or "unknown", "hidden_step": step, "hidden_rows": rows,
            "hidden_parameter": loop.hidden_parameter or bad.layer}  # fmt: skip


def _finite(state: dict[str, torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(v).all()) for v in state.values() if v.is_floating_point())


def _rows(study: Study, loop: LoopFacts) -> dict[str, Any]:
    if not study.joined or not study.parts:
        return {}
    model = copy.deepcopy(study.model)
    states = [state for _, state in study.watched.snapshots if _finite(state)]
    if states:
        model.load_state_dict(states[-1], strict=False)
    rows = probe_part(join(study.parts), 64)
    first = rows.first()
    if first is not None and first.dim() == 2 and any(op.kind == "recurrent" for op in study.operations[:1]):
        study.notes.append(
            "a recurrent layer takes inputs of two axes for one sequence: whether rows may influence each other is not "
            "judged"
        )
        return {}
    return {"mixed": rows_mixed(model, rows)}


def _axes(study: Study, loop: LoopFacts) -> dict[str, Any]:
    batch = next((b for b in study.watched.batches if b.output is not None and b.scored is not None), None)
    if batch is None or batch.output is None or batch.scored is None:
        return {}
    said = axes_confused(batch.output, batch.scored)
    same = batch.output.dim() == 3 and what_follows(batch.output, batch.scored) == ""
    rows = rows_of(batch)
    if not said and same and rows is not None and name_of(study.watched.criterion) in BY_CLASS:
        said = classes_elsewhere(study.model, rows, same)
    return {"axes": said}


def _repeated(study: Study, loop: LoopFacts) -> dict[str, Any]:
    """The rows of the batch, where every batch holds the same."""
    batches = study.watched.batches
    if not study.joined or len(batches) < REPEATED:
        return {}
    rows = sum(part.count for part in study.parts)
    sizes = {b.target.shape[0] for b in batches if b.target is not None and b.target.dim()}
    return {"repeated": rows if sizes == {rows} else 0}


def _types(study: Study, loop: LoopFacts) -> dict[str, Any]:
    """An epsilon that is 0 in the type of the weights."""
    watched = study.watched
    for optimizer in watched.optimizers:
        for group in getattr(optimizer, "param_groups", []):
            eps = group.get("eps")
            types = {p.dtype for p in group["params"] if p.is_floating_point()}
            for kind in types if isinstance(eps, float) and eps > 0 else ():
                if float(torch.tensor(eps, dtype=torch.float64).to(kind)) == 0.0:
                    name = str(kind).removeprefix("torch.")
                    return {"small_type": f"epsilon {eps:g} is 0 in the weights' type {name}, whose least number is "
                            f"{torch.finfo(kind).smallest_normal * torch.finfo(kind).eps:.1g}"}  # fmt: skip
    return {}


def unjudged(study: Study) -> list[str]:
    """Why it is not said whether this training learns; nothing where it can be."""
    return list(dict.fromkeys(study.unjudged))
