"""Runs of the suite: which there are, how one is made, and a pool that makes them and skips those already written."""

from __future__ import annotations

import json
import math
import time
import traceback
import warnings
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bench.doctor.bases import BASES, base_of
from bench.doctor.case import Case
from bench.doctor.healthy import VARIANTS, names, special, variants_of
from bench.doctor.networks import build
from bench.doctor.operators import operators
from bench.doctor.program import CRITERIA, Trained, Watcher, train
from bench.doctor.sound import programs, train as train_sound

DOCTORS = ("watch", "preflight", "none")
EARLY = ("as_is", "act_", "init_", "dropout_", "wide", "narrow", "deeper", "shallower", "norm_")  # of variants
SOUND = "sound"  # the variant of the programs of `bench.doctor.sound`
FALL = 0.1  # of held-out skill: a fault that costs less did not change the outcome
Line = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run. variant: the healthy program that it is, or that the fault was put into."""

    half: str
    base: str
    variant: str
    operator: str  # "" for a healthy run
    seed: int

    @property
    def key(self) -> str:
        """What names it in a file."""
        return "/".join((self.base, self.variant, self.operator, str(self.seed)))


def start_of(base: Case, operator: str, seed: int) -> str | None:
    """The healthy variant that a fault is put into: the base itself at even seeds, another at odd ones."""
    plant = operators()[operator].plant
    found = variants_of(base)
    order = ["as_is"]
    if seed % 2:
        order = sorted(found, key=lambda name: zlib.crc32(f"{base.name}/{operator}/{seed}/{name}".encode()))
    return next((name for name in order if plant(found[name]) is not None), None)


def jobs(half: str, seeds: Sequence[int], bases: Sequence[str] = (), chosen: Sequence[str] = ()) -> list[Job]:
    """All runs of a half, or those of some bases and operators ("healthy" for healthy runs, "sound" for the sound
    programs from outside of our bases)."""
    found = []
    if not chosen or "healthy" in chosen:
        found = [Job(half, b, v, "", s) for b, v in names(half) for s in seeds if not bases or b in bases]
    if not chosen or SOUND in chosen:
        mine = [name for name, one in programs().items() if one.half == half and (not bases or name in bases)]
        found += [Job(half, name, SOUND, "", s) for name in mine for s in seeds]
    for case in BASES[half]:
        if bases and case.name not in bases:
            continue
        for operator in operators():
            if not chosen or operator in chosen:
                starts = [(s, start_of(case, operator, s)) for s in seeds]
                found += [Job(half, case.name, v, operator, s) for s, v in starts if v is not None]
    return found


def visible_early(job: Job) -> bool:
    """Whether a run shows a preflight something of its own: its data or network are changed, not its loop."""
    if job.variant == SOUND:
        return programs()[job.base].early
    if not job.operator:
        return job.variant.startswith(EARLY)
    planted = operators()[job.operator]
    return not planted.plant.__module__.endswith(("training", "loop")) and planted.causes != ("train_test_mismatch",)


def healthy_case(job: Job) -> Case:
    """The healthy program of a run."""
    own = special(job.base)
    varied = own.case if own is not None else VARIANTS[job.variant](base_of(job.base)[1])
    if varied is None:
        raise ValueError(f"{job.variant} does not apply to {job.base}")
    return varied


def case_of(job: Job) -> Case:
    """The program of a run."""
    case = healthy_case(job)
    planted = operators()[job.operator].plant(case) if job.operator else case
    if planted is None:
        raise ValueError(f"{job.operator} does not apply to {job.base}/{job.variant}")
    return planted


def changed(outcome: float, healthy: float) -> bool:
    """Whether held-out skill fell, or is no number."""
    return not math.isfinite(outcome) or outcome < healthy - FALL


def _watcher() -> Watcher:
    from tenfold.doctor.ways_in.watch import watch

    return watch


def make(job: Job, healthy: float, doctor: str) -> Line:
    """Train one program and examine it: watched, or looked at before it trains, or not at all."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    trained = _trained(job, _watcher() if doctor == "watch" else None)
    planted = operators().get(job.operator)
    line: Line = asdict(job) | {
        "causes": list(planted.causes) if planted else [], "note": bool(planted and planted.note), "doctor": doctor,
        "outcome": trained.outcome if math.isfinite(trained.outcome) else None, "healthy_outcome": healthy,
        "changed": changed(trained.outcome, healthy), "updates": trained.updates, "seconds": round(trained.seconds, 3),
        "stopped": trained.stopped,
    }  # fmt: skip
    if doctor == "none":
        return line
    since = time.perf_counter()
    try:
        diagnosis = trained.doctor.diagnose(prove=False) if doctor == "watch" else _preflight(job)
        line |= {"findings": [[f.cause, f.probability, f.change] for f in diagnosis.findings],
                 "probability": diagnosis.probability, "record": json.loads(diagnosis.record.to_json())}  # fmt: skip
    except Exception:  # the suite counts it as a failure of the doctor and goes on
        line["error"] = traceback.format_exc()[-2000:]
    return line | {"diagnosis_seconds": round(time.perf_counter() - since, 3)}


def _trained(job: Job, watcher: Watcher | None) -> Trained:
    if job.variant == SOUND:
        return train_sound(programs()[job.base], job.seed, watcher)
    return train(case_of(job), job.seed, watcher)


def _preflight(job: Job) -> Any:
    import tenfold

    if job.variant == SOUND:
        torch.manual_seed(job.seed)
        program = programs()[job.base].make(job.seed)
        return tenfold.preflight(program.model, program.x, program.y, program.criterion)
    case = case_of(job)
    data = case.data(job.seed)
    torch.manual_seed(job.seed)
    model = build(case.net)
    model = model if case.wrap is None else case.wrap(model)
    return tenfold.preflight(model, data.x_train, data.y_train, CRITERIA[case.criterion]())


def _text(job: Job, healthy: float, doctor: str) -> str:
    return json.dumps(make(job, healthy, doctor))


def _outcome(base: str, seed: int) -> float:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    return train(base_of(base)[1], seed).outcome


def references(pool: ProcessPoolExecutor, todo: Iterable[Job]) -> dict[str, float]:
    """Mean held-out skill of each base over the seeds, trained as it is; what is known for programs of their own."""
    todo = list(todo)
    own = {s.case.name: s.known for job in todo if (s := special(job.base)) is not None}
    own |= {job.base: programs()[job.base].known for job in todo if job.variant == SOUND}
    pairs = sorted({(j.base, j.seed) for j in todo if j.base not in own})
    outcomes = list(pool.map(_outcome, *zip(*pairs, strict=True), chunksize=4)) if pairs else []
    grouped: dict[str, list[float]] = {}
    for (base, _), outcome in zip(pairs, outcomes, strict=True):
        grouped.setdefault(base, []).append(outcome)
    return own | {base: sum(found) / len(found) for base, found in grouped.items()}


def read(path: Path) -> list[Line]:
    """The lines written so far; a last one that was cut off is left out."""
    found = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found


def key_of(line: Line) -> str:
    """The key of the run that a line is of."""
    return Job(*(line[name] for name in ("half", "base", "variant", "operator", "seed"))).key


def run(todo: Sequence[Job], out: Path, workers: int, doctor: str) -> None:
    """Make the runs that are not in the file yet, and append them."""
    done = {key_of(line) for line in read(out)}
    rest = [job for job in todo if job.key not in done]
    print(f"{len(todo)} runs, {len(todo) - len(rest)} of them there", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with ProcessPoolExecutor(workers) as pool, out.open("a") as file:
        healthy = references(pool, rest)
        waiting = {pool.submit(_text, job, healthy[job.base], doctor): job for job in rest}
        since = time.perf_counter()
        for count, future in enumerate(as_completed(list(waiting)), 1):
            try:
                file.write(future.result() + "\n")
                file.flush()
            except Exception:  # of the program itself: nothing to judge
                print(f"{waiting[future].key}: {traceback.format_exc(limit=-2)}", flush=True)
            del waiting[future]  # and its text
            if count % 50 == 0:
                print(f"{count} of {len(rest)}, {time.perf_counter() - since:.0f} s", flush=True)
