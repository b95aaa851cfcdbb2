"""Sound programs on sequences and on two inputs: language models, taggers with padding, attention, forecasts."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.doctor.sound import Program, accuracy, mlp, r2, sound

C, E = "calibration", "evaluation"
WORDS = 12


def _sentences(rows: int, places: int) -> Tensor:
    """(rows, places): each word follows from the one before, with one in ten at random."""
    follows = torch.randperm(WORDS)
    words = torch.randint(0, WORDS, (rows, places))
    for place in range(1, places):
        kept = torch.rand(rows) < 0.9
        words[:, place] = torch.where(kept, follows[words[:, place - 1]], words[:, place])
    return words


class NextWord(nn.Module):
    """A GRU that gives outputs (rows, words, places), as CrossEntropyLoss wants them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(WORDS, 16), nn.GRU(16, 32, batch_first=True)
        self.out = nn.Linear(32, WORDS)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(self.embedding(x))[0]).transpose(1, 2)


@sound(C, 0.75)
def next_word(seed: int) -> Program:
    """A language model: at every place the next word."""
    words = _sentences(300, 13)
    x, y, model = words[:, :-1], words[:, 1:], NextWord()
    skill = accuracy(x, y, lambda o: o.argmax(1))
    return Program(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-2), x, y, skill, 20, 8)


class FlatWords(NextWord):
    """The same with outputs (rows * places, words)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).transpose(1, 2).reshape(-1, WORDS)


@sound(E, 0.75)
def next_word_flat(seed: int) -> Program:
    """The same with rows and places in one axis, where the criterion sees flat targets."""
    words = _sentences(300, 13)
    x, y, model = words[:, :-1], words[:, 1:], FlatWords()
    criterion = nn.CrossEntropyLoss()

    def loop(program: Program, doctor: object) -> int:
        updates = 0
        for _ in range(8):
            for rows in torch.randperm(len(x)).split(20):
                program.optimizer.zero_grad()
                criterion(model(x[rows]), y[rows].reshape(-1)).backward()
                program.optimizer.step()
                updates += 1
        return updates

    skill = accuracy(x, y.reshape(-1))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    return Program(model, criterion, optimizer, x, y, skill, loop=loop, early=False)


class Tagger(nn.Module):
    """Embedding, one dense layer over a word and its neighbours, a tag for every place: (rows, tags, places)."""

    def __init__(self, words: int, tags: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 16)
        self.conv, self.out = nn.Conv1d(16, 32, 3, padding=1), nn.Conv1d(32, tags, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.conv(self.embedding(x).transpose(1, 2))))


def _tagged(ignored: int) -> tuple[Tensor, Tensor]:
    x, length = torch.randint(1, 20, (300, 10)), torch.randint(4, 11, (300, 1))
    before = torch.cat([torch.zeros(300, 1, dtype=torch.long), x[:, :-1]], 1)
    y = (x + before) % 3
    padded = torch.arange(10)[None] >= length
    return x.masked_fill(padded, 0), y.masked_fill(padded, ignored)


@sound(C, 0.7)
def padded_tags(seed: int) -> Program:
    """Tags with padded places that the loss ignores."""
    x, y = _tagged(-100)
    model = Tagger(20, 3)
    skill = accuracy(x, y, lambda o: o.argmax(1))
    return Program(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-2), x, y, skill, 20, 40)


@sound(E, 0.7)
def padded_tags_by_number(seed: int) -> Program:
    """The same, where the ignored number is one of our own."""
    x, y = _tagged(255)
    model = Tagger(20, 3)
    skill = accuracy(x, y.masked_fill(y == 255, -1), lambda o: o.argmax(1))
    criterion = nn.CrossEntropyLoss(ignore_index=255)
    return Program(model, criterion, torch.optim.RMSprop(model.parameters(), 5e-3), x, y, skill, 20, 40)


class Attention(nn.Module):
    """A small encoder over tokens with a place for the class."""

    def __init__(self, tokens: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(tokens, 32), nn.Parameter(0.02 * torch.randn(1, 12, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.encoder(self.embedding(x) + self.places).mean(1))


@sound(C, 0.85)
def attention(seed: int) -> Program:
    """Which of three tokens stands most often."""
    x = torch.randint(0, 6, (600, 12))
    y = torch.stack([(x == token).sum(1) for token in range(3)], 1).argmax(1)
    model = Attention(6, 3, 0.0)
    return Program(
        model, nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), 2e-3), x, y, accuracy(x, y), 32, 20
    )


@sound(E, 0.8)
def attention_with_warm_up(seed: int) -> Program:
    """The same with dropout, a warm-up from a rate of 0 stepped every batch, and clipping."""
    x = torch.randint(0, 5, (600, 12))
    y = ((x == 1).sum(1) > (x == 2).sum(1)).long()
    model = Attention(5, 2, 0.1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    total = 18 * 24
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(n / 40, max(0.0, (total - n) / (total - 40))))
    criterion = nn.CrossEntropyLoss()

    def loop(program: Program, doctor: object) -> int:
        for _ in range(24):
            for rows in torch.randperm(len(x)).split(34):
                optimizer.zero_grad()
                criterion(model(x[rows]), y[rows]).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                rate.step()
        return total

    return Program(model, criterion, optimizer, x, y, accuracy(x, y), loop=loop)


def _series(rows: int, places: int) -> Tensor:
    phase = torch.rand(rows, 1) * 2 * math.pi
    speed = 0.3 + 0.5 * torch.rand(rows, 1)
    return torch.sin(phase + speed * torch.arange(places)) + 0.05 * torch.randn(rows, places)


@sound(C, 0.8)
def forecast_of_four(seed: int) -> Program:
    """The next four values of a series, by convolutions over time."""
    series = _series(500, 20)
    x, y = series[:, None, :16], series[:, 16:]
    model = nn.Sequential(
        nn.Conv1d(1, 16, 5), nn.ReLU(), nn.Conv1d(16, 16, 5), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8, 4)
    )
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), x, y, r2(x, y), 25, 30)


class Last(nn.Module):
    """An LSTM in time-first order, as torch has it by default; its last state predicts."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.LSTM(1, 24), nn.Linear(24, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x.transpose(0, 1))[0][-1])


@sound(E, 0.85)
def forecast_of_one(seed: int) -> Program:
    """The next value of a series by an LSTM whose inputs are turned to time-first."""
    series = _series(500, 15)
    x, y, model = series[:, :14, None], series[:, 14:], Last()
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-2), x, y, r2(x, y), 25, 20)


class TwoInputs(nn.Module):
    """Numbers and a category, each with layers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers, self.category = nn.Linear(6, 24), nn.Embedding(5, 8)
        self.head = mlp(32, 24, 1)

    def forward(self, numbers: Tensor, category: Tensor) -> Tensor:
        return self.head(torch.cat([torch.relu(self.numbers(numbers)), self.category(category)], 1))


@sound(C, 0.85)
def two_inputs(seed: int) -> Program:
    """Numbers and a category as two arguments."""
    numbers, category = torch.randn(600, 6), torch.randint(0, 5, (600,))
    y = torch.tanh(numbers[:, :1]) + numbers[:, 1:2] * torch.randn(5)[category][:, None]
    model = TwoInputs()
    x = (numbers, category)
    return Program(model, nn.SmoothL1Loss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, r2(x, y), 30, 40)


@sound(E, 0.85)
def distance_of_two(seed: int) -> Program:
    """Two inputs through the same layers, and how far apart they are."""

    class Twins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(6, 32, 8)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (self.body(a) - self.body(b)).square().sum(1, keepdim=True)

    a, b = torch.randn(700, 6), torch.randn(700, 6)
    y = (a[:, :3] - b[:, :3]).square().sum(1, keepdim=True) / 6
    model, x = Twins(), (a, b)
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), x, y, r2(x, y), 30, 40)
