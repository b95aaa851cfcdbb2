"""The slow twin: one network trained alone with torch.nn, torch.optim and a LambdaLR, from the same initial
weights, batches, dropout masks and augmentation draws that a pack uses."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from tenfold.data.feed.batches import deal
from tenfold.data.feed.encode import Inputs, fit_encoding, matrix_inputs
from tenfold.data.feed.level_rows import with_level_rows
from tenfold.data.feed.moments import target_scale, training_moments, training_quantiles
from tenfold.data.feed.randomness import derive
from tenfold.data.split.folds import Fold
from tenfold.engine.layers import HeadsLayer, ParametricLayer
from tenfold.engine.module import build_module
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.packs.dropout_masks import updates_per_draw
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.packs.rows import Feed, FoldInputs
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.layers import Views
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.dropout import dropout_scale
from tenfold.rules.preprocessing import apply_affine

OPTIMIZERS = {
    "SGD": lambda p, o, wd: torch.optim.SGD(p, lr=o.lr, weight_decay=wd),
    "Momentum": lambda p, o, wd: torch.optim.SGD(p, lr=o.lr, momentum=o.momentum, weight_decay=wd),
    "Nesterov": lambda p, o, wd: torch.optim.SGD(p, lr=o.lr, momentum=o.momentum, nesterov=True, weight_decay=wd),
    "Adagrad": lambda p, o, wd: torch.optim.Adagrad(p, lr=o.lr, eps=o.eps, weight_decay=wd),
    "RMSProp": lambda p, o, wd: torch.optim.RMSprop(p, lr=o.lr, alpha=o.rho, eps=o.eps, weight_decay=wd),
    "Adadelta": lambda p, o, wd: torch.optim.Adadelta(p, lr=o.lr, rho=o.rho, eps=o.eps, weight_decay=wd),
    "Adam": lambda p, o, wd: torch.optim.Adam(p, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, weight_decay=wd),
    "AMSGrad": lambda p, o, wd: torch.optim.Adam(
        p, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, weight_decay=wd, amsgrad=True
    ),
    "AdamW": lambda p, o, wd: torch.optim.AdamW(p, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, weight_decay=wd),
}
LOSSES = {
    "CrossEntropy": lambda o: nn.CrossEntropyLoss(label_smoothing=o.smoothing),
    "Squared": lambda o: nn.MSELoss(),
    "Absolute": lambda o: nn.L1Loss(),
    "Huber": lambda o: nn.HuberLoss(delta=o.delta),
}


class MaskedDropout(nn.Module):
    """Multiplies by a mask that is set from outside."""

    mask = None

    def forward(self, h):
        return h * self.mask if self.training else h


def as_inputs(x) -> Inputs:
    return x if isinstance(x, Inputs) else matrix_inputs(x)


def make_feed(x, y, folds, dtype, device="cpu", scatter=False, embedded=False):
    inputs = as_inputs(x)
    encodings = [fit_encoding(inputs, fold.train) for fold in folds]
    if embedded:
        encodings = [with_level_rows(e, inputs, fold.train) for e, fold in zip(encodings, folds, strict=True)]
    moments = training_moments(inputs, folds, encodings, scatter=scatter)
    moments = [m._replace(quantiles=q) for m, q in zip(moments, training_quantiles(inputs, folds), strict=True)]
    scale = [(0.0, 1.0) if y.dtype.kind == "i" else target_scale(y, fold) for fold in folds]
    parts = [FoldInputs(f, e, m, *s) for f, e, m, s in zip(folds, encodings, moments, scale, strict=True)]
    return Feed(inputs, y, parts, torch.device(device), dtype)


def make_pack(recipes, x, y, folds, dtype=torch.float32, keep=None, device="cpu"):
    """A pack of all recipes on all folds, or of the (recipe, fold) pairs in keep. Recipes must share their shape."""
    feed = make_feed(x, y, folds, dtype, device, any(recipe.preprocess.needs_scatter for recipe in recipes))
    outputs = int(y.max()) + 1 if y.dtype.kind == "i" else 1
    width = max(fold.encoding.width for fold in feed.folds)
    size = Size(width, outputs, as_inputs(x).image, as_inputs(x).numbers.shape[1])
    shape = Shape.of(recipes[0], size, folds)
    assert all(Shape.of(recipe, size, folds) == shape for recipe in recipes)
    lanes = [Lane(recipe, n, f) for n, recipe in enumerate(recipes) for f in range(len(folds))]
    if keep is not None:
        lanes = [lane for lane in lanes if (lane.number, lane.fold) in keep]
    return Pack(lanes, shape, feed)


def run(pack, updates):
    while pack.update < updates:
        pack.run_epoch(last=updates)
    return pack


def init_layers(pack):
    """The initial parameters of every lane, by (recipe number, fold)."""
    return {(lane.number, lane.fold): pack.parameters(i) for i, lane in enumerate(pack.lanes)}


def module_of(steps, arrays, image):
    """The module of the product with its dropouts replaced; and them, by the number of their operation."""
    model = build_module(steps, arrays, image)
    drops = [number for number, step in enumerate(steps) if isinstance(step.op, DropoutOp) and step.layer.rate]
    found = {}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Dropout | nn.Dropout2d):
                found[drops[len(found)]] = MaskedDropout()
                setattr(parent, name, found[drops[len(found) - 1]])
    return model.train(), found


def masks_for(steps, dropouts, fold, update, rows, count, dtype, trend=1.0):
    """rows: that a batch is padded to; count: its real ones."""
    for number, layer in dropouts.items():
        op, rate = steps[number].op, torch.tensor(steps[number].layer.rate * trend, dtype=dtype)
        shape, views = op.draws, math.prod(step.layer.count for step in steps[:number] if isinstance(step.layer, Views))
        block = updates_per_draw(views * rows * math.prod(shape))
        stream = derive(fold.seed, "dropout", fold.number, update // block, number)
        uniform = stream.random((block, views, rows, *shape), np.float32)[update % block][:, :count]
        mask = dropout_scale(torch.from_numpy(uniform), rate).to(dtype).flatten(0, 1)
        layer.mask = mask[:, : op.size] if len(shape) == 1 else mask.permute(0, 3, 1, 2)


def mean_loss(criterion, output, target):
    """Of the outputs of all views (rows, views, C) the mean of their losses."""
    if output.dim() == 2:
        return criterion(output, target)
    return torch.stack([criterion(view, target) for view in output.unbind(1)]).mean()


def train_plain(recipe: Recipe, x, y, fold: Fold, updates: int, *, shape: Shape, layers, dtype):
    """Train one module; returns it and its inputs for the validation rows. The preprocessing is the rule's own
    (which has its own oracles), fitted with numpy on the training rows."""
    inputs, dealing = as_inputs(x), shape.dealing
    parts = [fold]
    moments = training_moments(inputs, parts, [fit_encoding(inputs, fold.train)], scatter=True)[0]
    moments = moments._replace(quantiles=training_quantiles(inputs, parts)[0])
    z = torch.from_numpy(apply_affine(recipe.preprocess.fit(moments), inputs.values(slice(None)))).to(dtype)
    criterion = LOSSES[type(loss_of(recipe, y.dtype.kind == "i")).__name__](loss_of(recipe, y.dtype.kind == "i"))
    if y.dtype.kind == "i":
        t = torch.from_numpy(y)
    else:
        part = y[fold.train]
        t = torch.from_numpy((y - part.mean()) / part.std()).to(dtype)[:, None]
    steps = shape.steps(recipe)
    model, dropouts = module_of(steps, layers, shape.image)
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d | HeadsLayer)]
    make, own = OPTIMIZERS[type(recipe.optimizer).__name__], own_factors(model, recipe.rate_factors)
    optimizers = [make([p], recipe.optimizer, 0.0) for p in model.parameters()]
    total = dealing.updates * recipe.epochs
    factor = lambda u: factor_at(recipe.decay, u, dealing.updates, total)  # noqa: E731
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda u, p=p: factor(u) * own[p])
        for o, p in zip(optimizers, model.parameters(), strict=True)
    ]
    for update in range(updates):
        epoch, step = divmod(update, dealing.updates)
        rows, weight = deal(fold, dealing, epoch)
        real = weight[step] > 0
        batch = torch.from_numpy(rows[step][real])
        drops = factor_at(recipe.dropout_schedule, update, dealing.updates, total)
        masks_for(steps, dropouts, fold, update, len(real), len(batch), dtype, drops)
        strength = recipe.weight_decay * factor_at(recipe.weight_decay_schedule, update, dealing.updates, total)
        for o, p in zip(optimizers, model.parameters(), strict=True):
            of_lr = 1 / own[p] if recipe.optimizer.decoupled else 1.0  # torch multiplies it by the parameter's own rate
            o.param_groups[0]["weight_decay"] = strength * of_lr if any(p is w for w in weights) else 0.0
        loss = mean_loss(criterion, model(z[batch]), t[batch])
        for o in optimizers:
            o.zero_grad()
        loss.backward()
        if recipe.clip_value is not None:
            nn.utils.clip_grad_value_(model.parameters(), recipe.clip_value)
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        if recipe.l1:
            for w in weights:
                w.grad += recipe.l1 * w.detach().sign()
        for o in optimizers:
            o.step()
        if recipe.max_norm is not None:
            limit_norms(weights, recipe.max_norm)
        for s in schedules:
            s.step()
    return model.eval(), z[torch.from_numpy(fold.validation)]


def factor_at(schedule, update, per_epoch, total):
    return float(schedule.factor(np.array([update]), per_epoch, total)[0])


def own_factors(model, factors):
    """The factor of the rate of every parameter."""
    own, first = {}, None
    for layer in model.modules():
        for name, p in layer.named_parameters(recurse=False):
            if isinstance(layer, nn.Linear | nn.Conv2d | HeadsLayer):
                first = first or layer
                kind, fan_in = name, layer.weight.shape[1] if layer.weight.dim() == 3 else layer.weight[0].numel()
                own[p] = factors.of(kind, fan_in=fan_in, first_layer=layer is first)
            else:
                own[p] = factors.of("slope" if isinstance(layer, nn.PReLU | ParametricLayer) else "gamma")
    return own


@torch.no_grad()
def limit_norms(weights, limit):
    """Scale the inputs of each unit (rows of a Linear's weight, channels of a Conv2d's) down to the limit; heads are
    (views, inputs, units)."""
    for w in weights:
        heads = w.dim() == 3
        norm = w.norm(dim=1, keepdim=True) if heads else w.flatten(1).norm(dim=1).view(-1, *[1] * (w.dim() - 1))
        w.mul_((limit / norm).clamp(max=1))
