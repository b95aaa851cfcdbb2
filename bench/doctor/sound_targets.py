"""Sound programs by their targets and criteria: log-probabilities, counts, signs, quantiles, pictures."""

from __future__ import annotations

import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional as F

from bench.doctor.sound import Program, accuracy, divided, mlp, r2, sound, standard

C, E = "calibration", "evaluation"


def _digits(rows: int) -> tuple[Tensor, Tensor]:
    """(rows, 64) in [0, 1], and the digit."""
    x, y = datasets.load_digits(return_X_y=True)
    chosen = torch.randperm(len(x))[:rows]
    return torch.tensor(x, dtype=torch.float32)[chosen] / 16, torch.tensor(y)[chosen]


@sound(C, 0.85)
def divergence_of_shares(seed: int) -> Program:
    """Shares of five classes, KLDivLoss on log-probabilities."""
    x = torch.randn(600, 8)
    y = torch.softmax(2 * torch.tanh(x @ torch.randn(8, 5) / 2), 1)
    model = mlp(8, 48, 5, last=[nn.LogSoftmax(dim=1)])
    skill = r2(x, y, torch.exp)
    return Program(model, nn.KLDivLoss(reduction="batchmean"), torch.optim.Adam(model.parameters(), 5e-3), x, y, skill)


@sound(E, 0.8)
def shares_as_targets(seed: int) -> Program:
    """Shares of four classes as targets of the cross-entropy."""
    x = torch.randn(600, 6)
    y = torch.softmax(3 * torch.sin(x @ torch.randn(6, 4) / 2), 1)
    model = mlp(6, 64, 4)
    skill = r2(x, y, lambda o: o.softmax(1))
    return Program(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, skill, 32, 50)


@sound(C, 0.75)
def counts(seed: int) -> Program:
    """Counts with a Poisson loss on the log of the rate."""
    x = torch.randn(900, 5)
    rate = (1.2 + 0.8 * x[:, :1] - 0.5 * x[:, 1:2].abs()).exp()
    y = torch.poisson(rate)
    model = mlp(5, 32, 1)
    skill = r2(x, rate, torch.exp)
    return Program(model, nn.PoissonNLLLoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, skill, 32, 30)


@sound(E, 0.75)
def counts_by_rate(seed: int) -> Program:
    """Counts with a Poisson loss on the rate itself, behind a softplus."""
    x = torch.randn(900, 4)
    rate = F.softplus(2 + 1.5 * x[:, :1] - x[:, 1:2] * x[:, 2:3])
    y = torch.poisson(rate)
    model = mlp(4, 48, 1, last=[nn.Softplus()])
    criterion = nn.PoissonNLLLoss(log_input=False)
    return Program(model, criterion, torch.optim.Adam(model.parameters(), 3e-3), x, y, r2(x, rate), 32, 40)


@sound(C, 0.88)
def margin_of_classes(seed: int) -> Program:
    """Multi-class hinge on iris."""
    x, y = datasets.load_iris(return_X_y=True)
    x, y, u, v = divided(standard(torch.tensor(x, dtype=torch.float32)), torch.tensor(y))
    model = mlp(4, 16, 3)
    return Program(model, nn.MultiMarginLoss(), torch.optim.SGD(model.parameters(), 0.1), x, y, accuracy(u, v), 8, 60)


@sound(E, 0.85)
def signs(seed: int) -> Program:
    """Targets of -1 and 1: hinge as a function of one output, a linear model (a support vector machine)."""

    def hinge(output: Tensor, target: Tensor) -> Tensor:
        return F.relu(1 - output * target).mean()

    x = torch.randn(500, 10)
    y = torch.sign(x @ torch.randn(10, 1) + 0.2 * torch.randn(500, 1))
    model = nn.Linear(10, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, weight_decay=1e-3)
    skill = accuracy(x, (y > 0).long(), lambda o: (o > 0).long())
    return Program(model, hinge, optimizer, x, y, skill, 25, 25)


@sound(C, 0.85)
def soft_margin(seed: int) -> Program:
    """Targets of -1 and 1 with SoftMarginLoss."""
    x, y = datasets.make_circles(600, noise=0.08, factor=0.5, random_state=seed)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)[:, None] * 2 - 1
    model = mlp(2, 32, 1, activation=nn.Tanh)
    skill = accuracy(x, (y > 0).long(), lambda o: (o > 0).long())
    return Program(model, nn.SoftMarginLoss(), torch.optim.Adam(model.parameters(), 1e-2), x, y, skill, 32, 40)


@sound(E, 0.65)
def quantile(seed: int) -> Program:
    """The ninth decile by the pinball loss, a function."""

    def pinball(output: Tensor, target: Tensor) -> Tensor:
        rest = target - output
        return torch.maximum(0.9 * rest, -0.1 * rest).mean()

    x = torch.rand(1000, 3) * 2 - 1
    spread = 0.3 + x[:, 1:2].abs()
    y = torch.sin(3 * x[:, :1]) + spread * torch.randn(1000, 1)
    model = mlp(3, 48, 1, activation=nn.SiLU)
    skill = r2(x, torch.sin(3 * x[:, :1]) + 1.2816 * spread)
    return Program(model, pinball, torch.optim.Adam(model.parameters(), 3e-3), x, y, skill, 50, 80)


@sound(C, 0.85)
def mean_and_variance(seed: int) -> Program:
    """A mean and the log of a variance, Gaussian likelihood as a function of two outputs."""

    def likelihood(output: Tensor, target: Tensor) -> Tensor:
        return (output[:, 1:] + (target - output[:, :1]).square() * (-output[:, 1:]).exp()).mean() / 2

    x = torch.rand(800, 2) * 4 - 2
    centre = torch.sin(2 * x[:, :1]) + x[:, 1:]
    y = centre + (0.1 + 0.2 * x[:, :1].abs()) * torch.randn(800, 1)
    model = mlp(2, 64, 2, activation=nn.Tanh)
    skill = r2(x, centre, lambda o: o[:, :1])
    return Program(model, likelihood, torch.optim.Adam(model.parameters(), 5e-3), x, y, skill, 40, 60)


@sound(E, 0.85)
def logarithmic_error(seed: int) -> Program:
    """Prices by the squared error of logarithms, a function; the output is made positive by a softplus."""

    def logarithmic(output: Tensor, target: Tensor) -> Tensor:
        return (torch.log1p(output) - torch.log1p(target)).square().mean()

    x = torch.randn(700, 6)
    y = (2 + 0.7 * x[:, :1] + 0.4 * torch.sin(2 * x[:, 1:2])).exp()
    model = mlp(6, 64, 1, last=[nn.Softplus()])
    skill = r2(x, torch.log1p(y), torch.log1p)
    return Program(model, logarithmic, torch.optim.Adam(model.parameters(), 1e-2), x, y, skill, 32, 40)


@sound(C, 0.6)
def autoencoder(seed: int) -> Program:
    """Digits from twelve numbers, squared error; inputs are the targets."""
    x, _ = _digits(900)
    model = nn.Sequential(*mlp(64, 48, 12), *mlp(12, 48, 64))
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), x, x, r2(x, x), 32, 40)


@sound(E, 0.6)
def autoencoder_of_pixels(seed: int) -> Program:
    """The same with a sigmoid and the cross-entropy of grey levels."""
    x, _ = _digits(900)
    model = mlp(64, 64, 16, 64, 64, activation=nn.ELU, last=[nn.Sigmoid()])
    return Program(model, nn.BCELoss(), torch.optim.Adam(model.parameters(), 3e-3), x, x, r2(x, x), 32, 40)


@sound(C, 0.65)
def denoiser(seed: int) -> Program:
    """Clean pictures from noisy ones by convolutions."""
    clean, _ = _digits(700)
    clean = clean.reshape(-1, 1, 8, 8)
    noisy = clean + 0.3 * torch.randn_like(clean)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 1, 3, padding=1),
    )  # fmt: skip
    return Program(
        model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), noisy, clean, r2(noisy, clean), 32, 15
    )


@sound(E, 0.7)
def segmentation(seed: int) -> Program:
    """A class for every pixel: (rows, 3, 10, 10) outputs, (rows, 10, 10) targets."""
    x = 0.3 * torch.randn(300, 1, 10, 10)
    y = torch.zeros(300, 10, 10, dtype=torch.long)
    for row in range(300):
        a, b = torch.randint(0, 7, (2,)).tolist()
        kind = int(torch.randint(1, 3, ()))
        y[row, a : a + 4, b : b + 4] = kind
        x[row, 0, a : a + 4, b : b + 4] += 1.0 if kind == 1 else -1.0
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 3, 1),
    )  # fmt: skip
    skill = accuracy(x, y, lambda o: o.argmax(1))
    return Program(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, skill, 20, 12)


@sound(C, 0.7)
def label_smoothing(seed: int) -> Program:
    """Digits with smoothed labels."""
    x, y = _digits(800)
    model = mlp(64, 64, 10)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    return Program(model, criterion, torch.optim.Adam(model.parameters(), 3e-3), x, y, accuracy(x, y))


@sound(E, 0.9)
def ratings(seed: int) -> Program:
    """Ratings as products of learned vectors: embeddings, no hidden layer, pairs of numbers as input."""

    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.people, self.films = nn.Embedding(40, 4), nn.Embedding(30, 4)

        def forward(self, pairs: Tensor) -> Tensor:
            return (self.people(pairs[:, 0]) * self.films(pairs[:, 1])).sum(1, keepdim=True)

    u, v = torch.randn(40, 3), torch.randn(30, 3)
    x = torch.cartesian_prod(torch.arange(40), torch.arange(30))[torch.randperm(1200)]
    y = (u[x[:, 0]] * v[x[:, 1]]).sum(1, keepdim=True)
    model = Factors()
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 2e-2), x, y, r2(x, y), 40, 60)
