"""What a user's module is to the engine: its slots, what it draws, what gets no gradient, how its lanes are trained."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tenfold.data.feed.randomness import derive, derive_int
from tenfold.data.feed.tensors import TensorShape
from tenfold.data.split.folds import Fold
from tenfold.engine.lane_failed import LaneFailed
from tenfold.engine.operations.operation import Slot, Work
from tenfold.engine.plan.size import Size
from tenfold.engine.undisturbed import own_random_state
from tenfold.engine.user_modules.draws import ModuleDraws
from tenfold.engine.user_modules.making import make_module
from tenfold.engine.user_modules.runner import (
    ModuleInput,
    ModuleRunner,
    Names,
    Ways,
    call_module,
    one_line,
    seeded_generator,
    tensors_of,
)
from tenfold.errors import BadInput
from tenfold.rules.initialization import Fans

if TYPE_CHECKING:
    from tenfold.recipe.module import Module

PROBED, MORE_PROBED = 6, 20  # rows of the trial that a module is put to, and of another one
BESIDE = 5  # lanes of the trial of whether bits depend on other lanes
KIND = "module."  # begins the kinds of its slots
CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
RECURRENT = nn.RNNBase, nn.RNNCellBase


@dataclass(frozen=True, eq=False)
class Skeleton:
    """One module as the function makes it, and what a trial of it has shown.

    slots: parameters, then buffers. kinds: the types of the buffers. ways: on a CPU and elsewhere. why: why lanes are
    not stacked on a CPU, "" where they are. no_gradient: learned parameters that get none. work: for one row.
    """

    module: nn.Module
    names: Names
    kinds: tuple[torch.dtype, ...]
    slots: tuple[Slot, ...]
    ways: Ways
    ways_elsewhere: Ways
    why: str
    no_gradient: tuple[str, ...]
    outputs: int
    output_shape: tuple[int, ...]  # of one row, as the module gives it
    work: Work

    def runner(self, device: torch.device, dtype: torch.dtype) -> ModuleRunner:
        """What runs the lanes of one pack."""
        ways = self.ways if device.type == "cpu" else self.ways_elsewhere
        return ModuleRunner(self.module, self.names, self.kinds, ways, device, dtype)

    def values(self, module: nn.Module) -> dict[str, np.ndarray]:
        """The first value of each slot, float64, by its kind. module: another that the same function has made."""
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        found: dict[str, np.ndarray] = {}
        for slot in self.slots:
            tensor = own.get(slot.kind.removeprefix(KIND))
            if tensor is None or tuple(tensor.shape) != slot.size:
                has = "none" if tensor is None else tuple(tensor.shape)
                name = slot.kind.removeprefix(KIND)
                raise BadInput(f"with another seed {name} has shape {has}", expected=f"{slot.size}, as with the first")
            found[slot.kind] = tensor.detach().double().numpy()
        return found


def first_seed(fold: Fold) -> int:
    """The seed of the first weights of a fold's networks."""
    return derive_int(fold.seed, "module", fold.number, 0)


@lru_cache(1024)
def skeleton(network: Module, size: Size) -> Skeleton:
    """The skeleton of a network for rows of this size. Raises `BadInput` where the function or its module fails."""
    module, other = make_module(network, size, 0), make_module(network, size, 1)
    _refuse_shared(network, module, other)
    module, other = module.float(), other.float()
    constant = _constants(module)
    buffers = {name: buffer for name, buffer in module.named_buffers() if name not in constant}
    complex_one = next((name for name, buffer in buffers.items() if buffer.is_complex()), None)
    if complex_one is not None:
        raise BadInput(f"buffer {complex_one} is complex", where=f"network {network.name}", expected="real numbers")
    names = Names(tuple(dict(module.named_parameters())), tuple(buffers))
    kinds = tuple(buffer.dtype for buffer in buffers.values())
    slots = (*_parameter_slots(network, module), *(_slot(name, b.shape, False) for name, b in buffers.items()))
    draft = Skeleton(
        module, names, kinds, slots, Ways(False, False, True), Ways(False, False, True), "", (), 0, (), Work()
    )
    trial = _Trial(draft, network, size, (draft.values(module), draft.values(other)))
    return trial.result()


def _refuse_shared(network: Module, module: nn.Module, other: nn.Module) -> None:
    """Refuse a function that gives the same module, or one with the same parameters, whenever it is called."""
    where, expected = f"network {network.name}", "a new module, with parameters of its own, at each call"
    if module is other:
        raise BadInput("it returns one shared module each time", where=where, expected=expected,
                       do="make the module inside the function")  # fmt: skip
    own = {id(parameter) for parameter in other.parameters()}
    shared = next((name for name, parameter in module.named_parameters() if id(parameter) in own), None)
    if shared is not None:
        raise BadInput(f"the modules that it returns share the parameter {shared}", where=where, expected=expected,
                       do="make every part inside the function")  # fmt: skip


def _constants(module: nn.Module) -> set[str]:
    """Buffers that stay in the module: masks and positions, not numbers that a lane counts or averages."""
    return {n for n, b in module.named_buffers() if not b.is_floating_point() and not b.is_complex() and b.numel() > 1}


def _slot(name: str, shape: Sequence[int], learned: bool, *, weight: bool = False, rate: float = 1.0) -> Slot:
    size = tuple(shape)
    fans = Fans(math.prod(size[1:]), size[0]) if len(size) > 1 else None
    return Slot(KIND + name, size, size, fans, learned=learned, own="weight" if weight else "other", rate=rate)


def _parameter_slots(network: Module, module: nn.Module) -> list[Slot]:
    slots: list[Slot] = []
    matched: set[str] = set()
    for name, parameter in module.named_parameters():
        rate, decay = 1.0, None
        for group in network.groups:
            if fnmatchcase(name, group.pattern):
                matched.add(group.pattern)
                rate, decay = group.rate, group.decay
        weight = parameter.dim() > 1 if decay is None else decay
        learned = parameter.requires_grad
        slots.append(_slot(name, parameter.shape, learned, weight=weight and learned, rate=rate))
    lost = next((group.pattern for group in network.groups if group.pattern not in matched), None)
    if lost is not None:
        listed = ", ".join(name for name, _ in module.named_parameters())
        raise BadInput(f"no parameter is called like {lost!r}", where=f"network {network.name}", expected=listed[:300])
    return slots


class _Made(NamedTuple):
    """What a trial of two lanes gives."""

    outputs: Tensor
    gradients: list[Tensor]
    buffers: list[Tensor]


class _Trial:
    """Two lanes run through a module both ways."""

    def __init__(self, draft: Skeleton, network: Module, size: Size, values: tuple[dict[str, Any], ...]) -> None:
        self.draft, self.network, self.size = draft, network, size
        stacked = [np.stack([one[slot.kind] for one in values]) for slot in draft.slots]
        self.held = [torch.from_numpy(part).float() for part in stacked]
        self._output_shape: tuple[int, ...] = ()
        self.x = [probe_rows(size, PROBED, lane) for lane in range(2)]

    def result(self) -> Skeleton:
        """The skeleton with all that is found."""
        draft, where = self.draft, f"network {self.network.name}"
        try:
            with own_random_state():
                torch.manual_seed(0)
                before = torch.get_rng_state()
                looped = self._run(Ways(False, False, False))
                draws = not torch.equal(before, torch.get_rng_state())
            looped = self._run(Ways(False, False, draws)) if draws else looped
            evaluated = self._evaluate(Ways(False, False, draws))
            work = self._work()
        except BadInput as error:
            raise BadInput(error.found, where=where, expected=error.expected, do=error.do) from error
        except Exception as error:
            cause = error.error if isinstance(error, LaneFailed) else error
            found = f"it fails on rows of X ({self._in_words()}): {type(cause).__name__}: {one_line(cause)}"
            raise BadInput(found, where=where, do="call it on a few rows of X yourself") from cause
        if looped.outputs.shape[1] != PROBED:
            shape = tuple(looped.outputs.shape[1:])
            raise BadInput(f"{PROBED} rows give outputs {shape}", where=where, expected="an output for every row")
        if self.network.loss is None and looped.outputs.shape[2] != self.size.outputs:
            expected = f"{self.size.outputs}, one a class or number of the target"
            raise BadInput(f"it gives {looped.outputs.shape[2]} outputs for a row", where=where, expected=expected)
        if not any(slot.learned for slot in draft.slots):
            raise BadInput(
                "it has no parameter to learn", where=where, expected="at least one that requires a gradient"
            )
        learned = [i for i, slot in enumerate(draft.slots) if slot.learned]
        names = [draft.slots[i].kind.removeprefix(KIND) for i in learned]
        unused = tuple(n for n, g in zip(names, looped.gradients, strict=True) if g is _NO_GRADIENT)
        why = "it draws random numbers that are not torch's dropout layers'" if draws else self._differs(looped)
        stacks = not why
        convolutions = sum(isinstance(part, CONVOLUTIONS) for part in draft.module.modules())
        elsewhere = Ways(stacks, stacks and not self._evaluates_otherwise(evaluated), draws)
        if stacks and convolutions:
            why, stacks = "convolutions of one lane at a time are faster on a CPU", False
        behind = stacks and self._depends_on_others(self._passed, Ways(True, False, False))
        if behind and self._depends_on_others(self._passed, Ways(True, False, False, behind=True)):
            why, stacks = "stacked, the last bits of each would depend on the others", False
        evaluation = stacks and elsewhere.evaluation
        if evaluation:
            how = Ways(True, True, False, behind)
            evaluation = not self._depends_on_others(lambda *these: [self._evaluate(*these)], how)
        ways = Ways(stacks, evaluation, draws, behind and stacks)
        leaves = sum(1 for part in draft.module.modules() if not list(part.children()))
        work = Work(**{**vars(work), "convs": 0 if stacks else leaves})
        return Skeleton(
            draft.module, draft.names, draft.kinds, draft.slots, ways, elsewhere, why, unused,
            looped.outputs.shape[2], self._output_shape, work,
        )  # fmt: skip

    def _run(
        self, ways: Ways, lanes: Sequence[int] = (0, 1), probed: int = PROBED, runner: ModuleRunner | None = None
    ) -> _Made:
        """One training pass of some lanes, each on so many rows of its own, and its gradients, by derived draws. Lanes
        of even numbers have the same parameters, and those of odd ones."""
        runner = runner or self._runner(ways)
        x, held = self._lanes(lanes, probed)
        learned = [i for i, slot in enumerate(self.draft.slots) if slot.learned]
        for i in learned:
            held[i].requires_grad_()
        rows = np.arange(probed)
        draws = ModuleDraws([Fold(rows, rows[:0], 0, 0)], [0] * len(lanes), torch.device("cpu"))
        outputs = runner(x, held, [probed] * len(lanes), padded=probed, draws=draws)
        weights = torch.linspace(0.5, 1.5, outputs[0].numel()).view_as(outputs[0]).expand_as(outputs)
        leaves = [held[i] for i in learned]
        found: Any = ()
        if leaves and outputs.requires_grad:
            found = torch.autograd.grad((outputs.square() * weights).sum(), leaves, allow_unused=True)
        gradients = [_NO_GRADIENT if g is None else g for g in (found or [None] * len(leaves))]
        return _Made(outputs.detach(), gradients, [part.detach() for part in held[len(self.draft.names.parameters) :]])

    def _lanes(self, lanes: Sequence[int], probed: int) -> tuple[list[ModuleInput], list[Tensor]]:
        rows = [probe_rows(self.size, probed, lane) for lane in lanes]
        return rows, [part[[lane % 2 for lane in lanes]] for part in self.held]

    @torch.no_grad()
    def _evaluate(
        self, ways: Ways, lanes: Sequence[int] = (0, 1), probed: int = PROBED, runner: ModuleRunner | None = None
    ) -> Tensor:
        return (runner or self._runner(ways))(*self._lanes(lanes, probed))

    def _depends_on_others(self, passes: Callable[..., Sequence[Tensor]], ways: Ways) -> bool:
        """Whether the bits of a stacked lane depend on which lanes are beside it. passes: the tensors (lanes, ...) of a
        pass of these lanes on so many rows."""
        runner = self._runner(ways)
        for probed in (PROBED, MORE_PROBED):
            whole = passes(ways, range(BESIDE), probed, runner)
            for some in ([0], [BESIDE - 1], [1, BESIDE - 2]):
                pairs = zip(whole, passes(ways, some, probed, runner), strict=True)
                if not all(torch.equal(a[some].nan_to_num(), b.nan_to_num()) for a, b in pairs):
                    return True
        return False

    def _passed(self, *how: Any) -> list[Tensor]:
        """All that a training pass makes."""
        made = self._run(*how)
        return [made.outputs, *(g for g in made.gradients if g is not _NO_GRADIENT), *made.buffers]

    def _runner(self, ways: Ways) -> ModuleRunner:
        return replace(self.draft, ways=ways).runner(torch.device("cpu"), torch.float32)

    def _differs(self, looped: _Made) -> str:
        """Why stacked lanes are not what single ones are; "" if they are."""
        recurrent = next((p for p in self.draft.module.modules() if isinstance(p, RECURRENT)), None)
        if recurrent is not None:
            return f"torch has no stacked kernel for {type(recurrent).__name__}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of operations that torch would loop over, slowly
                stacked = self._run(Ways(True, False, False))
        except Exception as error:
            return _reason(error.error if isinstance(error, LaneFailed) else error)
        pairs = zip(
            [looped.outputs, *looped.gradients, *looped.buffers],
            [stacked.outputs, *stacked.gradients, *stacked.buffers],
            strict=True,
        )
        return "" if all(_close(a, b) for a, b in pairs) else "stacked it gives other numbers"

    def _evaluates_otherwise(self, looped: Tensor) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return not _close(looped, self._evaluate(Ways(True, True, False)))
        except Exception:
            return True

    @torch.no_grad()
    def _work(self) -> Work:
        """What it does for one row: products by torch's own count, at least one a weight; the numbers of its layers."""
        units = 0

        def add(part: nn.Module, given: Any, out: Any) -> None:
            nonlocal units
            units += sum(o.numel() for o in (out if isinstance(out, tuple) else (out,)) if isinstance(o, Tensor))

        module = self.draft.module.eval()
        hooks = [p.register_forward_hook(add) for p in module.modules() if not list(p.children())]
        try:
            with seeded_generator(0), FlopCounterMode(display=False) as counter:
                out = call_module(module, self.x[0])
        finally:
            for hook in hooks:
                hook.remove()
        self._output_shape = tuple(out.shape[1:]) or (1,)
        weights = sum(math.prod(slot.size) for slot in self.draft.slots if slot.learned)
        products = max(counter.get_total_flops() // (2 * PROBED), weights)
        return Work(products=products, units=units // PROBED, weights=weights)

    def _in_words(self) -> str:
        return ", ".join(
            f"{tuple(part.shape)} {str(part.dtype).removeprefix('torch.')}" for part in tensors_of(self.x[0])
        )


_NO_GRADIENT = torch.zeros(0)


def _close(a: Tensor, b: Tensor) -> bool:
    # a module that gives nan is no fault of either way; its trials end as diverged
    finite = a[a.isfinite()]
    scale = 1 + float(finite.abs().max()) if finite.numel() else 1.0
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-5 * scale, equal_nan=True)


def _reason(error: BaseException) -> str:
    """Why torch does not stack a module, in words."""
    text = str(error)
    if "performance drop" in text and "aten::" in text:
        operation = text.split("aten::")[1].split()[0].rstrip(".,'")
        return f"torch has no stacked kernel for {operation}"
    if "data-dependent control flow" in text or ".item()" in text:
        return "what it does depends on the values in it"
    if "inplace" in text or "in-place" in text:
        return "it changes tensors in place"
    return f"torch.func refuses it ({one_line(error)})"


def probe_rows(size: Size, rows: int, lane: int) -> ModuleInput:
    """Rows as those of X: drawn within what X has."""
    rng = derive(lane, "module", 3)
    if size.tensors is not None:
        made = [_probe_tensor(shape, rows, rng) for shape in size.tensors.tensors]
        if size.tensors.kind == "dict":
            return {shape.name: tensor for shape, tensor in zip(size.tensors.tensors, made, strict=True)}
        return tuple(made) if size.tensors.kind == "tuple" else made[0]
    if size.image is not None:
        height, width, channels = size.image
        return torch.from_numpy(rng.random((rows, channels, height, width))).float()
    return torch.from_numpy(rng.standard_normal((rows, size.inputs))).float()


def _probe_tensor(shape: TensorShape, rows: int, rng: np.random.Generator) -> Tensor:
    dtype: torch.dtype = getattr(torch, shape.dtype)
    full = (rows, *shape.shape)
    if dtype.is_floating_point:
        return torch.from_numpy(rng.uniform(shape.least, max(shape.greatest, shape.least), full)).float()
    return torch.from_numpy(rng.integers(int(shape.least), int(shape.greatest) + 1, full)).to(dtype)


def module_sentences(network: Module, size: Size, device: str = "cpu") -> list[str]:
    """Which way the lanes of a module are trained and why; and which of its parameters get no gradient."""
    found = skeleton(network, size)
    ways = found.ways if device == "cpu" else found.ways_elsewhere
    way = "stacked, by torch.func" if ways.training else f"one after another: {found.why}"
    lost = [f"{network.name}: no gradient reaches {', '.join(found.no_gradient)}"] if found.no_gradient else []
    return [f"{network.name}: its lanes are trained {way}", *lost]
