"""What to do about a cause: the name of a change, and the line to write."""

from __future__ import annotations

from collections.abc import Sequence

from tenfold.doctor.causes import CAUSES, Remedy
from tenfold.doctor.record import Record

NO_BETTER = 0.05  # of skill: a stronger remedy that gains less than this over a milder one is not preferred

NUMBERS = "give the last layer one unit for each number and nothing behind it, with nn.MSELoss"
LOGARITHM = "; where a logarithm is taken, of targets and outputs that are above 0"
# What an error of torch means for the loop, by a part of its words.
ERRORS = {
    "more than 1 value per channel": "leave a last batch of one row out: DataLoader(..., drop_last=True)",
    "backward through the graph a second time": "cut what is carried from one update to the next: hidden = "
    "hidden.detach(); and call backward() once for each loss",
    "modified by an inplace operation": "write x = x + y in place of x += y (and inplace=False) where x is needed for "
    "the gradient",
    "is out of bounds": "number the classes from 0 to C - 1, and give the last layer C outputs",
    "index out of range": "give nn.Embedding as many rows as the largest index + 1, and number from 0",
    "same device": "bring model, inputs and targets to one device: .to(device)",
    "out of memory": "make the batches smaller, and add the gradients of several up",
    "shapes cannot be multiplied": "give the layer as many inputs as a row has numbers, and flatten rows first",
    "must match the size": "bring outputs and targets to one shape",
    "expected scalar type Long": "give class numbers as integers: y.long()",
    "Double": "make everything float32: x.float()",
    "StopIteration": "loop over the loader with for: it ends by itself",
}


def remedy_of_error(error: str) -> str:
    """What to do where torch ends a loop with this message."""
    return next((words for part, words in ERRORS.items() if part in error), CAUSES["loop_error"].remedies[0].words)


# A piece of evidence that is cured in one way only, whatever else speaks for its cause.
PARTICULAR: dict[str, Remedy] = {
    "gradient_accumulates": Remedy("zero_grad", "call optimizer.zero_grad() before loss.backward(), at every update"),
    "mode_left": Remedy(
        "training_mode", "call model.train() after each evaluation: model.eval() stays until it is taken back"
    ),
    "epsilon_vanishes": Remedy("epsilon", "keep the weights in float32 and use torch.autocast, or set eps=1e-4"),
    "gradients_lost": Remedy("as_is", "call optimizer.zero_grad() only after optimizer.step(), not at every batch"),
    "never_stepped": Remedy("as_is", "call optimizer.step() after loss.backward(), of the optimizer given to watch"),
    "rate_not_begun": Remedy("as_is", "call scheduler.step() after every update: the warm-up counts updates"),
    "inputs_not_finite": Remedy("as_is", "fill or drop the rows whose inputs are not finite, before the training"),
    "targets_not_finite": Remedy("as_is", "drop the rows whose targets are not finite, before the training"),
}


def prescribe(cause: str, record: Record, evidence: Sequence[str] = ()) -> Remedy:
    """What cures a cause. evidence: names of what is shown for it; one with a remedy of its own decides. Else of
    several remedies the one that did best in the short trainings, a milder one before a stronger one that is no better
    by NO_BETTER."""
    for name in evidence:
        if name in PARTICULAR:
            return PARTICULAR[name]
    if cause == "loop_error":
        return Remedy("as_is", remedy_of_error(record.loop.error))
    if cause in ("loss_function", "output_activation"):
        return _of_output(cause, record)
    return _tried_best(cause, record)


def _of_output(cause: str, record: Record) -> Remedy:
    """What to do at the output, with the function that stands behind the last layer by its name."""
    facts = record.facts
    remedy = _tried_best(cause, record)
    if facts.task == "numbers":
        words = NUMBERS + (LOGARITHM if "log" in f"{facts.criterion} {facts.after}".lower() else "")
        remedy = Remedy("head", words)
    last = facts.operations[-1] if facts.operations else None
    if remedy.change != "head" or last is None or last.kind != "activation":
        return remedy
    return Remedy(remedy.change, f"take {last.rule} ({last.name}) behind the last layer out: {remedy.words}")


def _tried_best(cause: str, record: Record) -> Remedy:
    """Of a cause's remedies the one that did best in the short trainings."""
    remedies = CAUSES[cause].remedies
    reached = [(skill, remedy) for remedy in remedies if (skill := record.reached(remedy.change)) is not None]
    if not reached:
        return remedies[0]
    best = max(skill for skill, _ in reached)
    return next(remedy for skill, remedy in reached if skill >= best - NO_BETTER)
