"""Watching a user's own training loop, unchanged: hooks that leave with the context."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import torch
from torch import Tensor, nn

from tenfold.doctor.check_user_code.values import check_numbers, check_watched
from tenfold.doctor.measure.numbers.pipeline import name_of
from tenfold.doctor.measure.watching.calls import CallLog
from tenfold.doctor.measure.watching.sampling import Sampler, first_bad, points, thinned
from tenfold.doctor.measure.watching.trace import first_tensor
from tenfold.doctor.measure.watching.watched import ObservedBatch, Watched
from tenfold.doctor.record import Curves, LoopFacts
from tenfold.errors import BadInput

if TYPE_CHECKING:
    from tenfold.doctor.diagnosis import Diagnosis

Schedule = Literal["default", "sparse"]
FIRST_BATCHES = 64  # training batches kept from the beginning
KEPT_ROWS, KEPT_BYTES = 4096, 64 << 20  # of training batches
SEEN_ROWS = 2048  # of batches seen without gradients, the last ones
MOST_LOSSES = 8192  # kept; every second one is dropped beyond
SEVERED = 16  # batches kept whose loss carries no gradient


class Watch:
    """A context in which a training is recorded. Made by `watch`, which says what it does."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        criterion: nn.Module | Callable[..., Any] | None = None, *, schedule: Schedule = "default",
    ) -> None:  # fmt: skip
        if schedule not in ("default", "sparse"):
            raise ValueError(f"schedule {schedule!r}: expected 'default' or 'sparse'")
        several = isinstance(optimizer, (list, tuple))
        self.optimizers: list[torch.optim.Optimizer] = list(optimizer) if several else [optimizer]  # type: ignore[list-item, arg-type]
        check_watched(model, self.optimizers, criterion)
        self.outer: nn.Module = model
        self.criterion: nn.Module | Callable[..., Any] | None = criterion
        self.schedule: Schedule = schedule
        self.model: nn.Module = getattr(model, "_orig_mod", model)
        wrapped = type(self.model).__name__ in ("DataParallel", "DistributedDataParallel")
        self.model = getattr(self.model, "module", self.model) if wrapped else self.model
        self.notes: list[str] = []
        # Of hooks on every update there is one, which counts: torch's way of calling hooks was most of what watching a
        # small network cost. What is sampled opens a second one just before, and closes it afterwards.
        self._handles: list[Any] = []
        self._step_handles: list[Any] = []
        self._opening: Any = None  # the hook before a sampled update
        self._begun = False

    def __enter__(self) -> Watch:
        """Begin; a training may be watched in one go only."""
        if self._begun:
            raise RuntimeError("this training is watched already: make another tenfold.watch for another one")
        self._begun = True
        self.step: int = 0  # updates made by the first optimizer
        self.made: list[int] = [0] * len(self.optimizers)  # by each
        self.calls: int = 0  # losses with gradients
        self.in_training: int = 0  # those of them in training mode
        self.still: list[str] = []
        self.losses: list[tuple[int, Tensor | float]] = []
        self.validation: list[tuple[int, Tensor]] = []
        self.batches: list[ObservedBatch] = []
        self.evaluation: list[ObservedBatch] = []
        self._rows = self._bytes = 0
        parameter = next(self.model.parameters(), None)
        self._reads = parameter is not None and parameter.device.type == "cpu"  # a loss without waiting for a device
        self._near = self._reads
        self._broken: ObservedBatch | None = None  # the first batch that is not kept and whose loss is not finite
        self._stride, self._keeps = 1, True  # losses: one of so many is kept; whether this update's batch is
        self._seen: tuple[Any, Any, Any] = ((), {}, None)  # arguments, keywords, output of the model
        self._plain: bool = False  # whether a loss was a number of the processor's memory and the calls are not noted
        self._first: tuple[tuple[Any, ...], dict[str, Any]] | None = None  # arguments and keywords of the first call
        self.options: list[list[dict[str, Any]]] = [
            [_options(group) for group in o.param_groups] for o in self.optimizers
        ]
        self.log: CallLog = CallLog(self.model, self.optimizers)
        self.severed: list[ObservedBatch] = []  # in training mode, without a gradient though gradients are recorded
        self.severed_losses: list[tuple[int, Tensor | float]] = []
        self.no_target: str = ""  # why what the criterion gets is no output with its target
        self.several: bool = False  # whether the model gives more than one tensor
        self.error: str = ""
        self._left: int | None = None  # the update since which the model is in evaluation mode, after training mode
        self._caught: tuple[str, int] | None = None  # an error of the model or the criterion, and the updates before it
        self._last_calls: str = ""  # behind the last step
        self._given: Any = None  # the last target
        self._sunk: tuple[int, str, ObservedBatch] | None = None  # update, parameter and batch that made it nan
        self._watched_values: list[tuple[str, Tensor]] = self._first_values() if self._reads else []
        self.sampler: Sampler = Sampler(self.model, self.optimizers, sparse=self.schedule == "sparse")
        self._next = [0] * len(self.optimizers)  # updates made when something is to be done again
        for number, optimizer in enumerate(self.optimizers):
            self._handles.append(optimizer.register_step_post_hook(self._guarded(self._after, number)))
            if number:  # its count is its own: it looks for itself which updates are sampled
                self._handles.append(optimizer.register_step_pre_hook(self._guarded(self._before, number)))
        self._listen()
        return self

    def _first_values(self) -> list[tuple[str, Tensor]]:
        """The first number of the first and of a middle parameter, as views: where one of them is not finite, the
        update before has made it so. Looking at all numbers would cost more than all other watching."""
        held = {id(p) for p in self.log.members}
        named = [(name, p) for name, p in self.model.named_parameters() if id(p) in held and p.numel()]
        wanted = dict.fromkeys(named[i] for i in (0, len(named) // 2) if i < len(named))
        return [(name, p.detach().reshape(-1)[0]) for name, p in wanted if p.is_floating_point()]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Every hook leaves; what is raised inside goes on."""
        self.error = _words(error)
        if not self.error and error is None and self._caught is not None and self._caught[1] == self.step:
            self.error = self._caught[0]
        self._last_calls = self.log.unfinished()
        self.log.rest()
        self._given = None
        for handle in (*self._handles, *self._step_handles):
            handle.remove()
        if self._opening is not None:
            self._opening.remove()
        self._handles, self._step_handles, self._opening = [], [], None
        self._seen = ((), {}, None)

    def _listen(self) -> None:
        """Hooks on the model and the criterion, which the sparse schedule has at sampled updates only, and the one
        that opens a sampled update."""
        self._plain = False
        self.log.listen()
        if self._opening is None:
            self._opening = self.optimizers[0].register_step_pre_hook(self._guarded(self._before, 0))
        if self._step_handles:
            return
        # always: an error of the model or of the criterion is seen even where the loop catches it
        self._step_handles = [
            self.outer.register_forward_hook(self._guarded(self._leaves), with_kwargs=True, always_call=True)
        ]
        if isinstance(self.criterion, nn.Module):
            self._step_handles.append(
                self.criterion.register_forward_hook(
                    self._guarded(self._criticized), with_kwargs=True, always_call=True
                )
            )

    def _rest(self) -> None:
        """Nothing is sampled for a while."""
        self.log.rest()
        if self._opening is not None:
            self._opening.remove()
            self._opening = None
        if self.schedule == "sparse":
            for handle in self._step_handles:
                handle.remove()
            self._step_handles = []

    def _guarded(self, hook: Callable[..., None], *first: Any) -> Callable[..., None]:
        """A hook of ours never breaks the user's training: an exception switches it off and becomes a note."""
        works = True
        call = partial(hook, *first) if first else hook

        def run(*args: Any) -> None:
            nonlocal works
            if not works:
                return
            try:
                call(*args)
            except Exception as error:
                works = False
                self.notes.append(
                    f"{hook.__name__.strip('_')} could not be measured any more: {type(error).__name__}: {error}"
                )

        return run

    def _leaves(self, module: nn.Module, args: Any, keywords: Any, output: Any) -> None:
        if module is not self.outer:  # a copy that was made in the loop brings the hook along
            return
        if output is None and self._raised():
            return
        if self.log.listening:
            self.log.forward()
        if self._first is None:
            self._first = copied((args, keywords))
            self.several = isinstance(output, (tuple, list)) and sum(isinstance(v, Tensor) for v in output) > 1
        if self._keeps or self._reads or not torch.is_grad_enabled():
            self._seen = args, keywords, output

    def _raised(self) -> bool:
        """Whether the model or the criterion raised, which is what the loop ended with unless it goes on."""
        words = _words(sys.exc_info()[1])
        if words:
            self._caught = words, self.step
        return bool(words)

    def _criticized(self, module: nn.Module, args: Any, keywords: Any, loss: Any) -> None:
        if loss is None and self._raised():
            return
        # the usual update, of which nothing is kept but the loss: it is what most of a long training is made of
        if (
            self._plain and not self._keeps and not keywords and len(args) == 2 and self._reads
            and type(loss) is Tensor and loss.requires_grad and not loss.dim() and self.model.training
        ):  # fmt: skip
            value = loss.item()
            if math.isfinite(value):
                self.calls += 1
                self.in_training += 1
                self._left, self._given = None, args[1]
                if self.step % self._stride == 0:
                    self._kept_loss(value)
                return
        given = (*args, *keywords.values()) if keywords else args
        if len(given) > 2 and not self.no_target and sum(isinstance(v, Tensor) for v in given) > 2:
            self.no_target = "the criterion takes more than an output and a target"
        if len(given) >= 2 and isinstance(loss, Tensor):
            self._noted(given[0], given[1], loss)

    def observe(self, output: Any, target: Any, loss: Tensor | None = None) -> None:
        """Tell of a loss that a plain function computed: what it was given (of several tensors, in a tuple, a mapping
        or a dataclass, the first counts), and the loss itself (computed from the criterion without gradients where it
        is left out). Call it before `loss.backward()`."""
        self._guarded(self._observed)(output, target, loss)

    def _observed(self, output: Any, target: Any, loss: Tensor | None) -> None:
        scored, wanted = first_tensor(output), first_tensor(target)
        if loss is None and self.criterion is not None and scored is not None:
            loss = self.criterion(scored.detach(), wanted).requires_grad_(
                scored.requires_grad and torch.is_grad_enabled()
            )
        if loss is not None:
            self._noted(scored, wanted, loss)

    def _noted(self, scored: Any, target: Any, loss: Tensor) -> None:
        if not loss.requires_grad:  # computed without gradients
            if self.model.training and torch.is_grad_enabled():
                self._cut(scored, target, loss)
            else:
                self._evaluated(scored, target, loss)
            return
        training = self.model.training
        if not self.calls and training:
            self.still = [name for name, module in self.model.named_modules() if not module.training]
        self.calls += 1
        self.in_training += training
        if training:
            self._left = None
        elif self._left is None and self.in_training:
            self._left = self.step
        if self.log.listening:
            self.log.loss(loss, scored, first_tensor(self._seen[2]))
        # reading a number of the processor's own memory costs less than keeping a tensor, and waits for nothing
        near = self._near and loss.dim() == 0 and loss.device.type == "cpu"
        value = loss.item() if near else loss.detach()
        self._plain = near and not self.log.listening
        if self.step % self._stride == 0:
            self._kept_loss(value)
        self._given = target
        if self._keeps:
            if isinstance(target, Tensor) and target.requires_grad:
                self.no_target = "what the criterion gets for a target comes from the network too"
            batch = self._batch(scored, target, loss, training)
            self.batches.append(batch)
            self._rows += len(batch.target) if batch.target is not None and batch.target.dim() else 1
            self._bytes += sum(v.numel() * v.element_size() for v in batch.inputs if isinstance(v, Tensor))
            self._keeps = self._wants_batch()
        elif (
            self._reads
            and self._broken is None
            and not math.isfinite(float(value.sum()) if isinstance(value, Tensor) else value)
        ):
            self._broken, self._reads = self._batch(scored, target, loss, training), False

    def _kept_loss(self, value: Tensor | float) -> None:
        self.losses.append((self.step, value))
        if len(self.losses) > MOST_LOSSES:
            self.losses, self._stride = self.losses[::2], self._stride * 2

    def _cut(self, scored: Any, target: Any, loss: Tensor) -> None:
        """A loss without a gradient though gradients are recorded: a cut path, or a number for a log."""
        self.log.no_gradient(scored, first_tensor(self._seen[2]))
        if len(self.severed) < SEVERED:
            self.severed.append(self._batch(scored, target, loss, True))
        if len(self.severed_losses) < MOST_LOSSES:
            self.severed_losses.append((self.step, loss.detach()))

    def _wants_batch(self) -> bool:
        """Whether a batch of this update is kept."""
        room = self._rows < KEPT_ROWS and self._bytes < KEPT_BYTES
        return room and (len(self.batches) < FIRST_BATCHES or self.sampler.due(self.step))

    def _evaluated(self, scored: Any, target: Any, loss: Tensor) -> None:
        self.validation.append((self.step, loss.detach()))
        if self.evaluation and self.evaluation[-1].step != self.step:
            self.evaluation = []
        if sum(len(b.target) for b in self.evaluation if b.target is not None and b.target.dim()) < SEEN_ROWS:
            self.evaluation.append(self._batch(scored, target, loss, self.model.training))

    def _batch(self, scored: Any, target: Any, loss: Tensor, training: bool) -> ObservedBatch:
        args, keywords = copied(self._seen[:2])
        output = copied(first_tensor(self._seen[2]))
        scored, target = (copied(first_tensor(value)) for value in (scored, target))
        return ObservedBatch(self.step, args, keywords, output, scored, target, None, training)

    def _before(self, number: int, optimizer: torch.optim.Optimizer, args: Any, keywords: Any) -> None:
        self.log.before_step(number == 0)
        self.sampler.before(number, self.made[number])

    def _after(self, number: int, optimizer: torch.optim.Optimizer, args: Any, keywords: Any) -> None:
        self.made[number] = made = self.made[number] + 1
        if number == 0:
            self.step = made
            if self.log.listening:
                self.log.after_step()
            for _, value in self._watched_values:
                if not math.isfinite(value.item()):
                    self._look_sunk()
                    break
            if self.schedule == "default":
                self.sampler.passed(made - 1)
        if made < self._next[number]:
            return
        self.sampler.after(number, made - 1)
        self._next[number] = self.sampler.next_event(made)
        if number == 0:
            self._keeps = self._wants_batch()
            if self.sampler.due(made):
                self._listen()
            else:
                self._rest()

    def _look_sunk(self) -> None:
        """The update just made has left a parameter that is not finite."""
        name, value = next((n, v) for n, v in self._watched_values if not math.isfinite(v.item()))
        self._watched_values = []
        step, self.step = self.step, self.step - 1
        self._sunk = step - 1, name, self._batch(None, self._given, value, self.model.training)
        self.step = step

    def watched(self) -> Watched:
        """What was recorded so far, inside the block or after it."""
        if not self._begun:
            raise RuntimeError("nothing was watched yet: train inside `with tenfold.watch(...)`")
        if not self.step and not (self.calls or self.severed or self.error):
            raise BadInput(
                f"nothing to judge: the optimizer that is watched made no update ({self.calls} losses were seen)",
                expected="a loop that trains inside the block",
                do="call its step() inside the block; before any training use tenfold.preflight",
            )
        check_numbers(self.model)
        notes = list(dict.fromkeys(self.notes))
        # where no loss carries a gradient, those without one are what the loop trains on
        batches, losses = (self.batches, self.losses) if self.calls else (self.severed, self.severed_losses)
        if not losses:
            notes.append(
                "no loss was seen, so only the network's structure and its updates were looked at: give watch the "
                "criterion that the loop calls, or call doctor.observe(output, target, loss)"
            )
        if self.outer is not self.model and hasattr(self.outer, "_orig_mod"):
            notes.append("the model is compiled: layers are measured on the plain module that it was compiled from")
        curves = Curves(
            loss=points(thinned(losses)), validation=points(_grouped(self.validation)),
            gradient_norm=self.sampler.gradient_norms(), lr=self.sampler.rates(), updates=self.sampler.updates(),
            non_finite=first_bad(
                losses, self.sampler, [*batches, *([self._broken] if self._broken is not None else [])],
                self._sunk[:2] if self._sunk is not None else None,
            ),
        )  # fmt: skip
        every_loss = self.schedule == "default"
        return Watched(
            self.model, self.criterion, self.optimizers, self.options, self.sampler.start,
            self.sampler.states(self.step), batches, self.evaluation, curves, self.step,
            self.in_training / max(self.calls, 1), self.calls / max(self.step, 1) if every_loss else 1.0,
            self.outer is not self.model, self.still, notes, self._first, self._loop(), self.log,
            [self._broken] if self._broken is not None else [], self.several,
            self._sunk[2] if self._sunk is not None else None, self.no_target,
        )  # fmt: skip

    def _loop(self) -> LoopFacts:
        """What the log of the calls says."""
        log, held = self.log, {id(p) for p in self.model.parameters()}
        group = self.optimizers[0].param_groups[0] if self.optimizers[0].param_groups else {}
        unfinished = self._last_calls or log.unfinished()
        return LoopFacts(
            orders=[*log.orders, *([unfinished] if unfinished and not self.step else [])],
            losses=self.calls, severed=log.severed, factor=log.factor,
            no_gradient=log.empty / len(log.orders) if log.orders else 0.0,
            members=len(log.members), trainable=sum(p.requires_grad for p in self.model.parameters()),
            foreign=sum(id(p) not in held for o in self.optimizers for g in o.param_groups for p in g["params"]),
            rate=float(group["initial_lr"]) if "initial_lr" in group else None,
            left=self._left,
            error=self.error, error_step=self.step,
            hidden_step=self._sunk[0] if self._sunk is not None else -1,
            hidden_parameter=self._sunk[1] if self._sunk is not None else "",
        )  # fmt: skip

    def diagnose(self, **options: Any) -> Diagnosis:
        """Judge what was recorded. options: prove, budget, curvature, gradient_check of `examine`. Raises BadInput
        where no update was made, or where the criterion module that was given was never called."""
        from tenfold.doctor.ways_in.examine import examine

        watched = self.watched()
        seen = self.calls or self.severed or self.error or self.notes or not self.log.members
        if isinstance(self.criterion, nn.Module) and not seen:
            self._refuse()
        return examine(watched, **options)

    def _refuse(self) -> NoReturn:
        """A criterion was given and the loop never called it: what was not seen is not judged."""
        seen = ", only without gradients" if self.validation else ""
        raise BadInput(
            f"the criterion that watch was given ({name_of(self.criterion)}) was not called in the block"
            + (seen or f", though the optimizer made {self.step} update{'' if self.step == 1 else 's'}"),
            expected="a loop that calls this very object with (output, target)",
            do="give watch the criterion object that the loop calls, or call doctor.observe(output, target, loss) "
            "after computing the loss",
        )


def watch(
    model: nn.Module, optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    criterion: nn.Module | Callable[..., Any] | None = None, *, schedule: Schedule = "default",
) -> Watch:  # fmt: skip
    """Record a training loop of your own, as a context; `diagnose()` afterwards (or inside) says what is wrong.

    model: any torch module, compiled ones too; optimizer: one or several (an update is a step of the first); criterion:
    the loss module that the loop calls with (output, target). Of a plain function nothing is seen by itself: call
    `doctor.observe(output, target, loss)` after computing it. Where a criterion module is given and never called,
    `diagnose()` refuses; where no loss can be seen, structure and updates are judged, and no health is claimed.
    schedule: "default" keeps the loss of every batch, the gradient norm of every 32nd update, and at about 12 updates
    a decade (then every 100th) the true size w_after - w_before of every parameter's update; "sparse" looks at about 4
    updates a decade and costs nearly nothing between them.

    Kept: the parameters at the start, at some updates and at the end; up to 4096 rows of batches; of batches without
    gradients the last ones; on a CPU the first batch whose loss is not finite. Weights, gradients and random states
    stay what they would be without it. No hook outlives the block. An exception in the doctor becomes a note in the
    diagnosis and never reaches the loop.
    """
    return Watch(model, optimizer, criterion, schedule=schedule)


def copied(value: Any) -> Any:
    """Tensors inside tuples, lists and mappings, detached and copied; other values as they are."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(copied(item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(copied(item) for item in value)
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    return value


def _words(error: BaseException | None) -> str:
    """An error of Python's or torch's own classes in a line; "" for others, which a loop may use to end itself."""
    if not isinstance(error, Exception) or type(error).__module__.split(".")[0] not in ("builtins", "torch"):
        return ""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {name: copied(value) for name, value in group.items() if name != "params"}


def _grouped(losses: Sequence[tuple[int, Tensor]]) -> list[tuple[int, Tensor]]:
    """The mean of the losses at each update."""
    found: dict[int, list[Tensor]] = {}
    for step, loss in losses:
        found.setdefault(step, []).append(loss.float().mean())
    return [(step, torch.stack(values).mean()) for step, values in found.items()]
