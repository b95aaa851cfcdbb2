"""The modules of these tests, as users write them; and one of them trained alone by a plain loop of torch."""

import numpy as np
import torch
from torch import nn

from tenfold.data.feed.batches import deal
from tenfold.data.feed.randomness import derive
from tenfold.engine.packs.dropout_masks import updates_per_draw
from tenfold.engine.user_modules.skeleton import first_seed
from tenfold.rules.dropout import dropout_scale


def mlp(input_shape, outputs, width=16, rate=0.0, norm=False):
    hidden = [
        nn.Linear(input_shape[0], width, bias=not norm),
        *([nn.BatchNorm1d(width)] if norm else []),
        nn.ReLU(),
        nn.Dropout(rate),
    ]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


class Cnn(nn.Module):
    def __init__(self, input_shape, outputs, channels=4, rate=0.0):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.drop, self.out = nn.Dropout2d(rate), nn.Linear(channels * (input_shape[1] // 2) ** 2, outputs)

    def forward(self, x):
        h = nn.functional.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        return self.out(self.drop(h).view(len(x), -1))


class Lstm(nn.Module):
    """Over the columns, or over a sequence (rows, time, features)."""

    def __init__(self, input_shape, outputs, width=6):
        super().__init__()
        self.lstm = nn.LSTM(input_shape[1] if len(input_shape) > 1 else 1, width, batch_first=True)
        self.out = nn.Linear(width, outputs)

    def forward(self, x):
        return self.out(self.lstm(x if x.dim() == 3 else x[..., None])[0][:, -1])


class Transformer(nn.Module):
    """Over tokens."""

    def __init__(self, outputs, tokens, width=8, rate=0.0):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.layer = nn.TransformerEncoderLayer(width, 2, 16, rate, batch_first=True)
        self.layer.self_attn.dropout = 0.0
        self.out = nn.Linear(width, outputs)

    def forward(self, x):
        return self.out(self.layer(self.embedding(x)).mean(1))


class TwoInputs(nn.Module):
    """Tokens and numbers of each row; the factor is tied, the scale frozen."""

    def __init__(self, input_shape, outputs, tokens=7):
        super().__init__()
        self.embedding = nn.Embedding(tokens, 5)
        self.left, self.right = nn.Linear(input_shape[1][0], 5), nn.Linear(5, 5)
        self.again = self.right
        self.scale = nn.Parameter(torch.full((5,), 2.0), requires_grad=False)
        self.out = nn.Linear(5, outputs)

    def forward(self, tokens, numbers):
        h = torch.tanh(self.right(self.embedding(tokens).mean(1)) + self.left(numbers))
        return self.out(self.again(h) * self.scale)


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = None

    def forward(self, x):
        return x if self.mask is None or not self.training else x * self.mask(x)


def loop_of_torch(recipe, make, x, target, fold, dealing, updates, optimizer, criterion, *, dtype=torch.float64):
    """The module that a user's own loop gives. make: called as the function is; x: a tensor, or a tuple or dict of
    them, of all rows; optimizer: of (named parameters)."""
    torch.manual_seed(first_seed(fold))
    model = make().to(dtype)
    step = [0]
    sites = []
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Dropout | nn.Dropout2d) and child.p:
                masked, channels, rate = Masked(), isinstance(child, nn.Dropout2d), child.p

                def mask(h, channels=channels, rate=rate):
                    shape = (*h.shape[:2], 1, 1) if channels else tuple(h.shape)
                    count = updates_per_draw(int(np.prod(shape)))
                    stream = derive(fold.seed, "module", fold.number, 1, step[0] // count, len(sites))
                    sites.append(1)
                    drawn = stream.random((count, *shape), np.float32)[step[0] % count]
                    return dropout_scale(torch.from_numpy(drawn), torch.tensor(rate)).to(h.dtype)

                masked.mask = mask
                setattr(parent, name, masked)
    moved = optimizer(model)
    for update in range(updates):
        epoch, step_of = divmod(update, dealing.updates)
        rows, weights = deal(fold, dealing, epoch)
        batch = torch.from_numpy(rows[step_of][weights[step_of] > 0])
        step[0] = update
        sites.clear()
        model.train()
        loss = criterion(call(model, rows_of(x, batch)), target[batch])
        moved.zero_grad()
        loss.backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        moved.step()
    return model.eval()


def rows_of(x, rows):
    if isinstance(x, tuple):
        return tuple(part[rows] for part in x)
    return {name: part[rows] for name, part in x.items()} if isinstance(x, dict) else x[rows]


def call(model, x):
    return model(*x) if isinstance(x, tuple) else model(**x) if isinstance(x, dict) else model(x)


def adamw(lr, weight_decay):
    """torch's AdamW, with decay on the weights alone."""

    def made(model):
        learned = [p for p in model.parameters() if p.requires_grad]
        weights, others = [p for p in learned if p.dim() > 1], [p for p in learned if p.dim() < 2]
        return torch.optim.AdamW(
            [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}], lr=lr
        )

    return made
