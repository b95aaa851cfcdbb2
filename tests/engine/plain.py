"""The slow twin: one network trained alone with torch.nn, torch.optim and a LambdaLR, from the same initial
weights, batches and dropout masks that a pack uses."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tenfold.data.batches import Dealing, deal
from tenfold.data.encode import fit_encoding, matrix_inputs
from tenfold.data.folds import Fold
from tenfold.data.moments import target_scale, training_moments
from tenfold.data.randomness import derive
from tenfold.engine.feed import Feed, FoldInputs
from tenfold.engine.lanes import Lane
from tenfold.engine.pack import Pack
from tenfold.engine.shape import Shape, padded
from tenfold.recipe.recipe import Recipe
from tenfold.rules.normalization import BatchNorm

OPTIMIZERS = {
    "SGD": lambda p, o, wd: torch.optim.SGD(p, lr=o.lr, weight_decay=wd),
    "Momentum": lambda p, o, wd: torch.optim.SGD(p, lr=o.lr, momentum=o.momentum, weight_decay=wd),
    "Nesterov": lambda p, o, wd: torch.optim.SGD(p, lr=o.lr, momentum=o.momentum, nesterov=True, weight_decay=wd),
    "Adagrad": lambda p, o, wd: torch.optim.Adagrad(p, lr=o.lr, eps=o.eps, weight_decay=wd),
    "RMSProp": lambda p, o, wd: torch.optim.RMSprop(p, lr=o.lr, alpha=o.rho, eps=o.eps, weight_decay=wd),
    "Adam": lambda p, o, wd: torch.optim.Adam(p, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, weight_decay=wd),
    "AdamW": lambda p, o, wd: torch.optim.AdamW(p, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, weight_decay=wd),
}
ACTIVATIONS = {
    "Sigmoid": lambda a: nn.Sigmoid(),
    "Tanh": lambda a: nn.Tanh(),
    "ReLU": lambda a: nn.ReLU(),
    "LeakyReLU": lambda a: nn.LeakyReLU(a.slope),
    "ELU": lambda a: nn.ELU(a.alpha),
}


class MaskedDropout(nn.Module):
    """Multiplies by a mask that is set from outside."""

    mask = None

    def forward(self, h):
        return h * self.mask if self.training and self.mask is not None else h


def make_feed(x, y, folds, dtype, device="cpu"):
    inputs = matrix_inputs(x)
    encodings = [fit_encoding(inputs, fold.train) for fold in folds]
    moments = training_moments(inputs, folds, encodings)
    scale = [(0.0, 1.0) if y.dtype.kind == "i" else target_scale(y, fold) for fold in folds]
    parts = [FoldInputs(f, e, m, *s) for f, e, m, s in zip(folds, encodings, moments, scale, strict=True)]
    return Feed(inputs, y, parts, torch.device(device), dtype)


def make_pack(recipes, x, y, folds, dtype=torch.float32, keep=None, device="cpu"):
    """A pack of all recipes on all folds, or of the (recipe, fold) pairs in keep. Recipes must share their shape."""
    feed = make_feed(x, y, folds, dtype, device)
    dealing = Dealing.of(folds, recipes[0].batch_size)
    outputs = int(y.max()) + 1 if y.dtype.kind == "i" else 1
    shape = Shape.of(recipes[0].network, inputs=feed.width, outputs=outputs, dealing=dealing)
    lanes = [Lane(recipe, n, f) for n, recipe in enumerate(recipes) for f in range(len(folds))]
    if keep is not None:
        lanes = [lane for lane in lanes if (lane.number, lane.fold) in keep]
    return Pack(lanes, shape, feed)


def run(pack, updates):
    while pack.update < updates:
        pack.run_epoch(last=updates)
    return pack


def init_layers(pack):
    """The initial layers of every lane, by (recipe number, fold)."""
    return {(lane.number, lane.fold): pack.parameters(i) for i, lane in enumerate(pack.lanes)}


def module_of(recipe, layers, dtype):
    parts = []
    network = recipe.network
    for i, layer in enumerate(layers):
        normalized = isinstance(network.normalization, BatchNorm) and i < len(network.hidden)
        linear = nn.Linear(*layer[0].shape, bias=not normalized, dtype=dtype)
        linear.weight.data.copy_(torch.from_numpy(layer[0].T.copy()))
        parts.append(linear)
        if normalized:
            norm = network.normalization
            parts.append(nn.BatchNorm1d(layer[0].shape[1], eps=norm.eps, momentum=1 - norm.keep, dtype=dtype))
        else:
            nn.init.zeros_(linear.bias)
        if i < len(network.hidden):
            parts += [ACTIVATIONS[type(network.activation).__name__](network.activation), MaskedDropout()]
    return nn.Sequential(*parts)


def train_plain(recipe: Recipe, x, y, fold: Fold, updates: int, *, dealing: Dealing, layers, dtype):
    """Train one module; returns it and its inputs for the validation rows. Preprocessing is scikit-learn's."""
    from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

    scaler = {
        "NoPreprocessing": lambda p: FunctionTransformer(),
        "Center": lambda p: StandardScaler(with_std=False),
        "Standardize": lambda p: StandardScaler(),
        "MinMax": lambda p: MinMaxScaler((p.low, p.high)),
    }[type(recipe.preprocess).__name__](recipe.preprocess)
    scaler.fit(x[fold.train])
    z = torch.from_numpy(scaler.transform(x)).to(dtype)
    if y.dtype.kind == "i":
        t, criterion = torch.from_numpy(y), nn.CrossEntropyLoss()
    else:
        part = y[fold.train]
        t, criterion = torch.from_numpy((y - part.mean()) / part.std()).to(dtype)[:, None], nn.MSELoss()
    model = module_of(recipe, layers, dtype)
    weights = [m.weight for m in model if isinstance(m, nn.Linear)]
    others = [p for p in model.parameters() if not any(p is w for w in weights)]
    make = OPTIMIZERS[type(recipe.optimizer).__name__]
    optimizers = [make(weights, recipe.optimizer, recipe.weight_decay), make(others, recipe.optimizer, 0.0)]
    total = dealing.updates * recipe.epochs
    factor = lambda u: float(recipe.decay.factor(np.array([u]), dealing.updates, total)[0])  # noqa: E731
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, factor) for o in optimizers]
    dropouts = [m for m in model if isinstance(m, MaskedDropout)]
    for update in range(updates):
        epoch, step = divmod(update, dealing.updates)
        rows, weight = deal(fold, dealing, epoch)
        real = weight[step] > 0
        batch = torch.from_numpy(rows[step][real])
        draw = derive(fold.seed, "dropout", fold.number, update)
        widths = [padded(units) for units in recipe.network.hidden]
        uniform = draw.random((len(real), sum(widths)), np.float32)[real]
        start = 0
        for units, width, layer in zip(recipe.network.hidden, widths, dropouts, strict=True):
            kept = torch.from_numpy(uniform[:, start : start + units] >= recipe.network.dropout).to(dtype)
            layer.mask = kept / (1 - recipe.network.dropout)
            start += width
        loss = criterion(model(z[batch]), t[batch])
        for o in optimizers:
            o.zero_grad()
        loss.backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        for o in optimizers:
            o.step()
        for s in schedules:
            s.step()
    return model.eval(), z[torch.from_numpy(fold.validation)]
