"""An observer of packs: the numbers of all lanes at some updates, and one lane as a training that was watched."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.data.feed.batches import deal
from tenfold.doctor.measure.watching.watched import ObservedBatch, Watched
from tenfold.doctor.record import CurvePoint, Curves, NonFinite, OptimizerFacts, UpdateSizes
from tenfold.engine.layers import HeadsLayer
from tenfold.engine.module import ActivationLayer, build_module, lane_arrays
from tenfold.engine.packs.lane_states import LaneStates
from tenfold.engine.packs.lanes import Lane, times
from tenfold.engine.plan.shape import Layout
from tenfold.recipe.recipe import loss_of
from tenfold.rules.losses import Hinge

LOG_STEP = 1.5  # distance of the first sampled updates, as a factor
SPACING, EACH_EPOCH = 64, 3  # later ones are so many updates apart, and so many an epoch, whichever is fewer
MOST_LOSSES = 2048  # kept, at even distances
KEPT_ROWS, KEPT_VALUES = 4096, 8_000_000  # rows and numbers of the inputs that a lane brings along

Key = tuple[int, int]  # recipe number and fold of a lane


def sampled(update: int, per_epoch: int) -> bool:
    """Whether the sizes of this update (0, 1, 2, ...) are measured: 0, 1, 2, 3, 5, 8, 11, ..., then every
    max(SPACING, per_epoch / EACH_EPOCH) updates: at most 44 of the first 2,000."""
    if update % max(SPACING, per_epoch // EACH_EPOCH) == 0 or update < 2:
        return True
    return update < 2 * SPACING and update in LOGARITHMIC


def _logarithmic() -> frozenset[int]:
    found, value = set(), 1.0
    while value < 2 * SPACING:
        found.add(round(value))
        value *= LOG_STEP
    return frozenset(found)


LOGARITHMIC = _logarithmic()


@dataclass(frozen=True)
class LaneUpdateSizes:
    """One sampled update of the lanes that were there: norms (slots, L), None where there is no gradient; cosine (L,)
    between this gradient and the last sampled one."""

    update: int
    lanes: Sequence[Lane]
    weight: Tensor
    change: Tensor
    gradient: Tensor | None
    cosine: Tensor | None


@dataclass(frozen=True)
class LaneState:
    """Parameters (L, layout.total) and running moments (L, layout.moment_total) after `update` updates."""

    update: int
    lanes: Sequence[Lane]
    w: Tensor
    moments: Tensor


@dataclass
class LaneObserver:
    """Records a pack lane by lane: the loss of updates, and at sampled ones the norms of weights, gradient and true
    update of every parameter. It computes on all lanes at once, waits for no device, and changes no number.

    Made on a pack that has not begun, it observes it until `pack.observer` is None. states: keep the parameters at the
    start and after updates 1, 2, 4, 8, ... as well. Lanes may leave the pack. What is recorded is no part of a
    checkpoint: observe trainings that run through, as a diagnosis does, not runs that are resumed.
    """

    pack: LaneStates
    states: bool = False
    sizes: list[LaneUpdateSizes] = field(default_factory=list)
    kept: list[LaneState] = field(default_factory=list)
    validation: dict[Key, list[CurvePoint]] = field(default_factory=dict)
    _losses: list[tuple[int, Sequence[Lane], Tensor]] = field(default_factory=list)
    _stride: int = 1
    _before: Tensor | None = None
    _last: tuple[Sequence[Lane], Tensor, Tensor] | None = None  # lanes, gradient and its norm (L,)
    _measured: tuple[Tensor | None, Tensor | None] = (None, None)  # gradient norms and cosine of this update

    def __post_init__(self) -> None:
        self.pack.observer = self
        if self.states:
            self._keep(self.pack, 0)

    def _keep(self, pack: LaneStates, update: int) -> None:
        self.kept.append(LaneState(update, pack.lanes, pack.w.detach().clone(), pack.rows["moments"].clone()))

    def looks_at(self, pack: LaneStates, update: int) -> bool:
        """Whether its sizes are measured, or the parameters behind it are kept."""
        return sampled(update, pack.per_epoch) or (self.states and _keeps(update + 1))

    @torch.no_grad()
    def before(self, pack: LaneStates, loss: Tensor) -> None:
        """The loss, and at a sampled update the weights and the gradient."""
        if pack.update % self._stride == 0:
            self._losses.append((pack.update, pack.lanes, loss))
            # every second one is dropped, and half as many are noted from now on: distances stay even
            if len(self._losses) > MOST_LOSSES:
                self._losses = self._losses[::2]
                self._stride *= 2
        if not sampled(pack.update, pack.per_epoch):
            self._before = None
            return
        self._before = pack.w.clone()
        if pack.gradient is not None:
            self._measured = self._gradient(pack, pack.gradient)

    def _gradient(self, pack: LaneStates, g: Tensor) -> tuple[Tensor, Tensor | None]:
        """Norms (slots, L) of the gradient (L, total), and its cosine (L,) with the last sampled one."""
        norms = slot_norms(pack.layout, g)
        norm = torch.linalg.vector_norm(norms, dim=0)  # (L,)
        cosine = None
        if self._last is not None and self._last[0] is pack.lanes:
            _, other, length = self._last
            cosine = (g * other).sum(1) / (norm * length)
        self._last = pack.lanes, g.clone(), norm
        return norms, cosine

    @torch.no_grad()
    def after(self, pack: LaneStates) -> None:
        """At a sampled update the true change of the weights."""
        if self._before is not None:
            weight = slot_norms(pack.layout, self._before)
            # the copy of the weights before is not needed any more: the difference takes its memory
            change = slot_norms(pack.layout, torch.sub(pack.w, self._before, out=self._before))
            self.sizes.append(LaneUpdateSizes(pack.update, pack.lanes, weight, change, *self._measured))
        made = pack.update + 1
        if self.states and _keeps(made):
            self._keep(pack, made)

    @torch.no_grad()
    def validate(self) -> None:
        """Note the mean loss of each lane on its validation rows, in evaluation mode."""
        pack = self.pack
        for i, outputs in enumerate(pack.evaluate()):
            lane = pack.lanes[i]
            target = lane_targets(pack, i, pack.feed.folds[lane.fold].fold.validation)
            loss = float(criterion_of(lane, pack)(torch.from_numpy(outputs).to(target.device), target))
            self.validation.setdefault(_key(lane), []).append(CurvePoint(pack.update, loss))

    def losses(self, lane: Lane) -> list[CurvePoint]:
        """The loss of a lane's updates, evenly thinned."""
        found = [(update, loss, _place(lanes, lane)) for update, lanes, loss in self._losses]
        return [CurvePoint(update, float(loss[i])) for update, loss, i in found if i is not None]

    def updates(self, lane: Lane) -> list[UpdateSizes]:
        """The sampled updates of a lane; parameters in the order of its module."""
        return [
            UpdateSizes(
                s.update, s.change[:, i].tolist(), s.weight[:, i].tolist(),
                [None] * len(s.change) if s.gradient is None else s.gradient[:, i].tolist(),
                None if s.cosine is None else float(s.cosine[i]),
            )
            for s in self.sizes if (i := _place(s.lanes, lane)) is not None
        ]  # fmt: skip


def _keeps(made: int) -> bool:
    """Whether the parameters after so many updates are kept: after powers of two."""
    return made & (made - 1) == 0


def _key(lane: Lane) -> Key:
    return lane.number, lane.fold


def _place(lanes: Sequence[Lane], lane: Lane) -> int | None:
    """The place of a lane among others."""
    return next((i for i, other in enumerate(lanes) if _key(other) == _key(lane)), None)


def slot_norms(layout: Layout, flat: Tensor) -> Tensor:
    """Euclidean norm of every learned parameter of every lane: (slots, L) of rows (L, layout.total), whose padding is
    0."""
    learned = [slot for slot in layout.slots if slot.learned]
    return torch.stack([torch.linalg.vector_norm(flat[:, slot.start : slot.stop], dim=1) for slot in learned])


class HingeLoss(nn.Module):
    """The mean of a recipe's multi-class hinge loss, a sum over classes."""

    reduction = "mean"

    def __init__(self, rule: Hinge) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean loss of outputs (rows, classes) and classes (rows,)."""
        return Hinge.formula(output[None], target[None], self.rule.kind, self.rule.margin).mean()


def criterion_of(lane: Lane, pack: LaneStates) -> nn.Module:
    """The recipe's mean loss of outputs (rows, C) and targets as `lane_targets` gives them."""
    rule = loss_of(lane.recipe, pack.feed.classification)
    return HingeLoss(rule) if isinstance(rule, Hinge) else rule.torch_criterion()


def lane_targets(pack: LaneStates, lane: int, rows: np.ndarray) -> Tensor:
    """Targets of rows as a lane's network learns them: classes (rows,), or (rows, 1) standardized numbers, for counts
    shares of the training rows' mean."""
    fold = pack.lanes[lane].fold
    index = torch.from_numpy(np.ascontiguousarray(rows))[None].expand(len(pack.feed.folds), -1).to(pack.feed.device)
    rated = loss_of(pack.lanes[lane].recipe, pack.feed.classification).link == "exp"
    target = (pack.feed.rates(index) if rated else pack.feed.targets(index))[fold]
    return target if pack.feed.classification else target[:, None]


class LevelsApart(nn.Sequential):
    """A network that takes the rows of embedded categories (rows, categories) int64 beside all other columns (rows,
    columns), of which the first `numbers` are numbers: what is done to inputs, such as scaling, must not touch them."""

    def __init__(self, network: nn.Sequential, numbers: int) -> None:
        super().__init__(*network)
        self.numbers = numbers

    def forward(self, input: Tensor, levels: Tensor | None = None) -> Tensor:
        """Without levels, all columns in one."""
        if levels is not None:
            front, behind = input[:, : self.numbers], input[:, self.numbers :]
            input = torch.cat([front, levels.to(input.dtype), behind], 1)
        return super().forward(input)


def lane_inputs(pack: LaneStates, lane: int, rows: np.ndarray, update: int | None = None) -> tuple[Tensor, ...]:
    """Inputs (rows, columns) as they enter a lane's network: encoded, preprocessed, in training (`update`) augmented;
    where categories are embedded their rows apart (see `LevelsApart`). Images are rows of pixels, channel last; for a
    user's module (rows, channels, height, width), and tensors as it gets them, in their order."""
    feed, fold = pack.feed, pack.lanes[lane].fold
    if feed.given is not None:
        index = torch.from_numpy(np.ascontiguousarray(rows)).to(feed.device)
        return tuple(tensor.index_select(0, index) for tensor in feed.tensors.values())
    index = torch.from_numpy(np.ascontiguousarray(rows))[None].expand(len(feed.folds), -1).to(feed.device)
    group, width = pack.batches.group_list[lane], feed.folds[fold].encoding.width
    x = feed.inputs(index, pack.batches.groups, update)[group, :, :width]
    size = pack.shape.size
    if pack.shape.is_module and pack.shape.image is not None:
        return (x.unflatten(1, pack.shape.image).permute(0, 3, 1, 2).contiguous(),)
    if not size.tables:
        return (x,)
    levels = slice(size.numeric, size.numeric + len(size.tables))
    return torch.cat([x[:, : levels.start], x[:, levels.stop :]], 1), x[:, levels].long()


def lane_module(pack: LaneStates, lane: Lane, w: Tensor, moments: Tensor) -> nn.Module:
    """A lane's network in training mode, with its dropout and batch normalization, for its parameters (1, total) and
    running moments (moment_total,); activations are torch's own layers where torch has them. Of views it gives the mean
    in training too: what is measured is a row's output and its loss."""
    width = pack.feed.folds[lane.fold].encoding.width
    arrays = lane_arrays(pack.layout, width, w.detach(), moments)
    if pack.layout.module is not None:
        own: nn.Module = pack.layout.module.of_width(width).with_arrays(arrays_of_op(arrays))
        given = pack.feed.given
        if given is not None and given.kind == "dict":
            own = ByName(own, tuple(given.arrays))
        return own.to(pack.feed.device, w.dtype).train()
    module = build_module(pack.shape.steps(lane.recipe), arrays, pack.shape.image)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ActivationLayer) and (layer := child.rule.torch_layer()) is not None:
                setattr(parent, name, layer)
            if isinstance(child, HeadsLayer):
                child.apart = False
    if pack.shape.tables:
        module = LevelsApart(module, pack.shape.size.numeric)
    return module.to(pack.feed.device).train()


def arrays_of_op(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of a network of one operation, without its number."""
    return {name.split(".", 1)[1]: array for name, array in arrays.items()}


class ByName(nn.Module):
    """A user's module that takes its inputs by name, called with them in the order of X."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module, self.names = module, tuple(names)

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the module gives."""
        return self.module(**dict(zip(self.names, inputs, strict=True)))


@torch.no_grad()
def dead_relu_share(pack: LaneStates, lane: int, rows: np.ndarray) -> float:
    """The largest share of a ReLU layer's units or channels that are 0 on all of these rows, in evaluation mode."""
    module = lane_module(pack, pack.lanes[lane], pack.w[lane, None], pack.rows["moments"][lane]).eval()
    shares: list[float] = []

    def count(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
        active = (output != 0).transpose(0, 1).flatten(1).any(1)  # (units,)
        shares.append(1 - float(active.float().mean()))

    # the module is a copy of the lane: its hooks leave with it
    for layer in module.modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(count)
    module(*lane_inputs(pack, lane, rows))
    return max(shares, default=0.0)


def lane_watched(pack: LaneStates, observer: LaneObserver, lane_index: int) -> Watched:
    """One lane of a pack as a training that was watched; the observer must have kept states.

    The module takes preprocessed rows, so what the recipe's preprocessing does shows in its inputs.
    """
    lane = pack.lanes[lane_index]
    kept = [(s, i) for s in observer.kept if (i := _place(s.lanes, lane)) is not None]
    if not kept:
        raise ValueError("the observer kept no states")
    modules = [(s.update, lane_module(pack, lane, s.w[i, None], s.moments[i])) for s, i in kept]
    now = lane_module(pack, lane, pack.w[lane_index, None], pack.rows["moments"][lane_index])
    if modules[-1][0] < pack.update:
        modules.append((pack.update, now))
    model, states = modules[0][1], [(update, module.state_dict()) for update, module in modules[1:]]
    criterion = criterion_of(lane, pack)
    curves = _curves(pack, observer, lane_index)
    if any(not parameter.requires_grad for parameter in model.parameters()):
        # they are of learned parameters alone, and would be taken for those of others
        curves = replace(curves, updates=[])
    return Watched(
        model=model,
        criterion=criterion,
        optimizers=[optimizer_facts(lane, sum(p.numel() for p in model.parameters()), pack.weight_factor(lane_index))],
        options=[],
        start={name: value.clone() for name, value in model.state_dict().items()},
        snapshots=states,
        batches=_batches(pack, lane_index, model, criterion),
        evaluation=_evaluation(pack, lane_index, deepcopy(now), criterion),
        curves=curves,
        steps=pack.update,
    )


def optimizer_facts(lane: Lane, parameters: int, factor: float) -> OptimizerFacts:
    """A recipe's optimizer as the doctor knows it: with the rate of its weights. factor: of the rate, for these."""
    rule, recipe = lane.recipe.optimizer, lane.recipe
    return OptimizerFacts(
        type(rule).__name__.lower(), float(rule.lr) * factor, float(getattr(rule, "momentum", 0.0)),
        float(recipe.weight_decay), getattr(rule, "eps", None), parameters, bool(rule.decoupled),
    )  # fmt: skip


def _few(pack: LaneStates, rows: int) -> int:
    """So many of these rows are kept."""
    return max(1, min(rows, KEPT_ROWS, KEPT_VALUES // max(1, pack.feed.width)))


@torch.no_grad()
def _batches(pack: LaneStates, lane: int, model: nn.Module, criterion: nn.Module) -> list[ObservedBatch]:
    """The first epoch's training batches, with what the network gives for them in training mode as it started."""
    fold = pack.feed.folds[pack.lanes[lane].fold].fold
    rows, weights = deal(fold, pack.shape.dealing, 0)
    network, left, found = deepcopy(model), _few(pack, len(fold.train)), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for step, (index, weight) in enumerate(zip(rows, weights, strict=True)):
            mine = index[weight > 0]
            if found and len(mine) > left:
                break
            x, target = lane_inputs(pack, lane, mine, step), lane_targets(pack, lane, mine)
            found.append(_seen(step, network, criterion, x, target))
            left -= len(mine)
    return found


@torch.no_grad()
def _evaluation(pack: LaneStates, lane: int, model: nn.Module, criterion: nn.Module) -> list[ObservedBatch]:
    """The validation rows as the network saw them at the end."""
    rows = pack.feed.folds[pack.lanes[lane].fold].fold.validation
    if not len(rows):
        return []
    rows = rows[: _few(pack, len(rows))]
    return [_seen(pack.update, model.eval(), criterion, lane_inputs(pack, lane, rows), lane_targets(pack, lane, rows))]


def _seen(step: int, model: nn.Module, criterion: nn.Module, x: tuple[Tensor, ...], target: Tensor) -> ObservedBatch:
    output = model(*x)
    return ObservedBatch(step, x, {}, output, output, target, float(criterion(output, target)), model.training)


def _curves(pack: LaneStates, observer: LaneObserver, lane_index: int) -> Curves:
    lane = pack.lanes[lane_index]
    updates, bad = observer.updates(lane), int(pack.bad[lane_index])
    norms = [(u.step, np.array(u.gradient, float)) for u in updates if u.gradient and u.gradient[0] is not None]
    last = np.unique(np.linspace(0, max(pack.update - 1, 0), 64).astype(int))
    return Curves(
        loss=observer.losses(lane),
        validation=observer.validation.get(_key(lane), []),
        gradient_norm=[CurvePoint(step, float(np.linalg.norm(norm))) for step, norm in norms],
        lr=[CurvePoint(int(u), float(times(lane, int(u), 1, pack.schedule_updates)[0][0])) for u in last],
        updates=updates,
        non_finite=NonFinite(bad, "loss") if bad >= 0 else None,
    )
