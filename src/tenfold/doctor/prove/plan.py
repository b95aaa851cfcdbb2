"""Which changes a short paired training can try on this network, given what is recorded of it."""

from __future__ import annotations

from tenfold.doctor.record import Record, hidden_layers


def references(record: Record) -> list[str]:
    """What is tried first: the unchanged training, and right configurations of the same network."""
    hidden = [op for op in record.facts.operations if op.kind in ("linear", "conv")]
    known = ["as_is", "right", "right_slow", "right_relu"]
    known += ["right_long"] if 0 < record.facts.steps < 200 else []
    return [n for n in known if (n != "right_relu" or len(hidden) > 1) and (n != "right_slow" or record.facts.steps)]


def applicable(record: Record) -> list[str]:
    """Names of single changes that this network can be given."""
    facts = record.facts
    operations = facts.operations
    found = ["activation", "normalize"] if hidden_layers(operations) else []
    if record.inputs is not None and (not record.inputs.integers or record.inputs.columns):
        found.append("standardize_inputs")
    if facts.task == "numbers":
        found.append("standardize_targets")
    found += ["reinitialize", "head", "adam"]
    found += _rates(record)
    if any(op.kind == "dropout" and op.rate > 0 for op in operations):
        found.append("no_dropout")
    if any(o.weight_decay > 0 for o in facts.optimizers):
        found.append("no_decay")
    if facts.reduction == "sum":
        found.append("mean_loss")
    if facts.batch_rows > 64:
        found.append("smaller_batch")
    if facts.batch_rows < 16 and facts.rows_kept > 64:
        found.append("larger_batch")
    if any(not p.trainable or not p.optimized for p in facts.parameters):
        found.append("unfreeze")
    if facts.training_mode < 0.5:
        found.append("training_mode")
    if any(o.eps is not None and o.eps > 1e-6 for o in facts.optimizers):
        found.append("epsilon")
    if facts.steps == 0:  # before any training there is no optimizer to judge
        found = [n for n in found if n not in ("adam", "epsilon") and not n.startswith("lr_")]
        return [*found, "one_batch"]
    if record.extra.get("descent", 0.0) < 0.05:  # else the first update went down
        found.append("flip")
    return [*found, "clip", "longer", "one_batch"]


def _rates(record: Record) -> list[str]:
    """Rates times and divided by powers of ten; not upwards where early updates are large, nor down where small."""
    moved = record.early_update_ratio()
    up, down = moved is None or moved <= 0.02, moved is None or moved >= 2e-4
    return [f"lr_{way}{size}" for way, wanted in (("x", up), ("d", down)) if wanted for size in (10, 100, 1000)]
