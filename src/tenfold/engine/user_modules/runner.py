"""The forward pass of a user's module for all lanes of a pack: stacked by `torch.func`, or one lane after another.

Lanes see their real rows alone, never the rows that pad a batch: a module may look across rows, as batch
normalization does. Lanes with the same number of rows are stacked together.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils._pytree import tree_map

from tenfold.engine.lane_failed import own_code
from tenfold.engine.undisturbed import own_random_state
from tenfold.engine.user_modules.batch_norm import with_lanes_apart
from tenfold.engine.user_modules.draws import DrawnDropout, MaskBoard, ModuleDraws, masks_of, with_drawn_dropout
from tenfold.errors import BadInput, clipped

BEHIND = 64  # rows of copies behind the lanes, so that what fills no vector is theirs
FORWARD = "its forward pass"
ModuleInput = Any  # what one module is called with: a tensor, a tuple or a dict of tensors, first axis the rows


class Names(NamedTuple):
    """What the lanes hold of a module, in the order of their slots; constants stay in the module."""

    parameters: tuple[str, ...]
    buffers: tuple[str, ...]


class Ways(NamedTuple):
    """Whether lanes are stacked in training and in evaluation, and whether the module draws numbers of its own; behind:
    whether copies of a lane are put behind all others, because the last numbers of a tensor are computed otherwise (one
    by one, where others fill a vector), and whose they are must not depend on which lanes there are."""

    training: bool
    evaluation: bool
    draws: bool
    behind: bool = False


class _Called:
    """A module that is called with other parameters and buffers than its own.

    `torch.func.functional_call` does the same for one call after another of any module; this one, of which nobody else
    has the module, looks its places up once and leaves them filled, which takes a tenth of the time.
    """

    def __init__(self, module: nn.Module, names: Names) -> None:
        self.module = module
        owners = dict(module.named_modules(remove_duplicate=False))
        # a tensor that stands in several places has the name of the first
        tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
        first: dict[int, str] = {}
        for name, tensor in tensors:
            first.setdefault(id(tensor), name)
        number = {name: i for i, name in enumerate((*names.parameters, *names.buffers))}
        self._places: list[tuple[dict[str, Any], str, int]] = []
        for name, tensor in tensors:
            path, _, local = name.rpartition(".")
            owner = owners[path]
            if first[id(tensor)] in number:
                inside = vars(owner)
                place: Any = inside["_parameters" if local in inside["_parameters"] else "_buffers"]
                self._places.append((place, local, number[first[id(tensor)]]))
        parts = {number: (place, local) for place, local, number in reversed(self._places)}
        self._buffers = [parts[number[name]] for name in names.buffers]

    def __call__(self, x: ModuleInput, held: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(rows, ...) as (rows, numbers), and the buffers as the call leaves them."""
        for place, local, number in self._places:
            place[local] = held[number]
        out = call_module(self.module, x)
        if not isinstance(out, Tensor):
            raise BadInput(f"the network returns a {type(out).__name__}", expected="one tensor, first axis the rows")
        flat = out if out.dim() == 2 else out.flatten(1) if out.dim() > 2 else out[:, None]
        return flat, tuple(place[local] for place, local in self._buffers)


class ModuleRunner:
    """Runs the lanes of a pack through copies of one module; of one thread only."""

    def __init__(
        self, module: nn.Module, names: Names, kinds: Sequence[torch.dtype], ways: Ways, device: torch.device,
        dtype: torch.dtype,
    ) -> None:  # fmt: skip
        """kinds: the types of the buffers, which a lane keeps among its numbers."""
        self.names, self.ways, self.dtype = names, ways, dtype
        self.kinds = [dtype if kind.is_floating_point else kind for kind in kinds]
        self.board = MaskBoard()
        module = deepcopy(module).to(device, dtype)
        module.requires_grad_(False)
        evaluating = deepcopy(module).eval()
        if ways.evaluation:
            with_lanes_apart(evaluating)
        self._evaluating = _Called(evaluating, names)
        with_drawn_dropout(module.train(), self.board)
        if ways.training:
            with_lanes_apart(module)
        self._training = _Called(module, names)
        self._drops = any(isinstance(part, DrawnDropout) for part in module.modules())
        self._noted: dict[Any, list[tuple[tuple[int, ...], float]]] = {}

    def __call__(
        self, x: Sequence[ModuleInput], held: Sequence[Tensor], rows: Sequence[int] | None = None, *, padded: int = 0,
        draws: ModuleDraws | None = None, frozen: bool = False, places: Sequence[int] | None = None,
    ) -> Tensor:  # fmt: skip
        """Outputs (L, padded, C) of the lanes. x: what each lane's module is called with; held: for each of `names` a
        tensor (L, ...), buffers moved in place unless frozen; rows: real rows of each lane in training, None in
        evaluation, where all have the same number; places: of the lanes among those of `draws`."""
        count = len(self.names.parameters)
        parameters, buffers = held[:count], held[count:]
        if rows is None:
            return self._run(x, parameters, buffers, list(range(len(x)) if places is None else places), None)[0]
        groups: dict[int, list[int]] = {}
        for lane, number in enumerate(rows):
            groups.setdefault(number, []).append(lane)
        parts: list[Tensor] = []
        for number, lanes in groups.items():
            every = len(lanes) == len(x)
            at = torch.tensor(lanes, device=held[0].device) if held and not every else None
            own = [part if at is None else part.index_select(0, at) for part in parameters]
            kept = [part.detach() if at is None else part.detach().index_select(0, at) for part in buffers]
            drawn_for = lanes if places is None else [places[lane] for lane in lanes]
            out, after = self._run([x[lane] for lane in lanes], own, kept, drawn_for, draws)
            if not frozen:
                for to, new in zip(buffers, after, strict=True):
                    # a lane's row is being differentiated, and what moves here is no part of that
                    to.data[lanes] = new.detach().to(to.dtype)
            parts.append(nn.functional.pad(out, (0, 0, 0, max(padded, number) - number)))
        if len(parts) == 1:
            return parts[0]
        order = [lane for lanes in groups.values() for lane in lanes]
        back = torch.tensor(sorted(range(len(order)), key=order.__getitem__), device=parts[0].device)
        return torch.cat(parts).index_select(0, back)

    def _run(
        self, x: Sequence[ModuleInput], parameters: Sequence[Tensor], buffers: Sequence[Tensor], lanes: list[int],
        draws: ModuleDraws | None,
    ) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
        """Outputs (lanes, rows, C) of lanes with equal rows, and their buffers afterwards."""
        training = draws is not None
        kept = [part.detach().to(kind) for part, kind in zip(buffers, self.kinds, strict=True)]
        masks: list[Tensor] = []
        if draws is not None:
            self._note(x[0], [p[0] for p in parameters], [b[0] for b in kept])
            masks = masks_of(self.board, draws, lanes)
        if self.ways.training if training else self.ways.evaluation:
            called = self._training if training else self._evaluating
            with own_code(FORWARD, lanes):
                return self._stacked(called, stack_rows(x), parameters, [part.clone() for part in kept], masks)
        outs: list[Tensor] = []
        after: list[tuple[Tensor, ...]] = []
        own = [part.unbind(0) for part in parameters]  # whose derivative stacks; that of an index would fill zeros
        for i, lane in enumerate(lanes):
            with self._seeded(draws, lane), own_code(FORWARD, [lane]):
                out, new = self._one(
                    x[i], [part[i] for part in own], [part[i].clone() for part in kept], [m[i] for m in masks],
                    training=training,
                )  # fmt: skip
            outs.append(out)
            after.append(new)
        return torch.stack(outs), [torch.stack(part) for part in zip(*after, strict=True)]

    def _seeded(self, draws: ModuleDraws | None, lane: int) -> Any:
        return seeded_generator(draws.seed(lane)) if draws is not None and self.ways.draws else nullcontext()

    def _one(
        self, x: ModuleInput, parameters: Sequence[Tensor], buffers: Sequence[Tensor], masks: Sequence[Tensor], *,
        training: bool,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
        self.board.hand_out(masks)
        called = self._training if training else self._evaluating
        return called(x, (*parameters, *buffers))

    def _stacked(
        self, called: _Called, x: ModuleInput, parameters: Sequence[Tensor], buffers: Sequence[Tensor],
        masks: Sequence[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
        def one(x: ModuleInput, own: list[Tensor], kept: list[Tensor], drawn: list[Tensor]) -> Any:
            self.board.hand_out(drawn)
            return called(x, (*own, *kept))

        given = x, list(parameters), list(buffers), list(masks)
        count = len(tensors_of(x)[0])
        if self.ways.behind:
            copies = -(-BEHIND // tensors_of(x)[0].shape[1])
            given = tree_map(lambda part: torch.cat([part, part[:1].expand(copies, *part.shape[1:])]), given)
        out, after = vmap(one, randomness="error")(*given)
        return out[:count], [part[:count] for part in after]

    def _note(self, x: ModuleInput, parameters: Sequence[Tensor], buffers: Sequence[Tensor]) -> None:
        """Let the board know what dropout layers ask for with so many rows."""
        sizes = tuple(part.shape for part in tensors_of(x))
        if sizes not in self._noted:
            self.board.note()
            if self._drops:
                with torch.no_grad(), own_random_state():
                    self._training(x, [*(p.detach() for p in parameters), *(b.clone() for b in buffers)])
            self._noted[sizes] = self.board.noted
        self.board.noted = self._noted[sizes]


@contextmanager
def seeded_generator(seed: int) -> Generator[None]:
    """torch's generator of the CPU begun with a seed, and put back."""
    with own_random_state():
        torch.manual_seed(seed)
        yield


def call_module(module: nn.Module, x: ModuleInput) -> Any:
    """What a module returns: of a tuple as several arguments, of a dict by name."""
    return module(*x) if isinstance(x, tuple) else module(**x) if isinstance(x, dict) else module(x)


def tensors_of(x: ModuleInput) -> list[Tensor]:
    """The tensors of what a module is called with."""
    return list(x) if isinstance(x, tuple) else list(x.values()) if isinstance(x, dict) else [x]


def stack_rows(x: Sequence[ModuleInput]) -> ModuleInput:
    """What the lanes are called with as one, (lanes, rows, ...)."""
    first = x[0]
    if isinstance(first, tuple):
        return tuple(torch.stack(part) for part in zip(*x, strict=True))
    if isinstance(first, dict):
        return {name: torch.stack([row[name] for row in x]) for name in first}
    return torch.stack(list(x))


def one_line(error: BaseException) -> str:
    """The first line of an error."""
    return clipped(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__, 120)
