"""Sound programs on tables: sizes of batch from one row to all, one column, two levels, memory, several outputs."""

from __future__ import annotations

import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional as F

from bench.doctor.sound import Program, accuracy, divided, mlp, r2, sound, standard

C, E = "calibration", "evaluation"


def _iris(seed: int) -> tuple[Tensor, Tensor]:
    x, y = datasets.load_iris(return_X_y=True)
    return standard(torch.tensor(x, dtype=torch.float32)), torch.tensor(y)


def _numbers(rows: int, columns: int, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """y = tanh(x0 - x1) + x2^2 / 2 + noise."""
    x = torch.randn(rows, columns)
    y = torch.tanh(x[:, 0] - x[:, 1]) + x[:, 2].square() / 2 + noise * torch.randn(rows)
    return x, standard(y[:, None])


@sound(C, 0.9)
def one_row_a_step(seed: int) -> Program:
    """Stochastic gradient descent in its first sense."""
    x, y, u, v = divided(*_numbers(220, 4))
    model = mlp(4, 24, 1, activation=nn.Tanh)
    return Program(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), 0.01), x, y, r2(u, v), 1, 25)


@sound(E, 0.85)
def one_row_a_step_classes(seed: int) -> Program:
    """Iris, one flower a step."""
    x, y, u, v = divided(*_iris(seed))
    model = mlp(4, 10, 3)
    return Program(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 0.02), x, y, accuracy(u, v), 1, 30)


@sound(C, 0.85)
def batches_of_four(seed: int) -> Program:
    """Iris in batches of four."""
    x, y, u, v = divided(*_iris(seed))
    model = mlp(4, 16, 16, 3)
    return Program(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 3e-3), x, y, accuracy(u, v), 4)


@sound(E, 0.8)
def batches_of_five(seed: int) -> Program:
    """Numbers in batches of five, RMSprop."""
    x, y, u, v = divided(*_numbers(300, 6))
    model = mlp(6, 32, 1)
    return Program(model, nn.MSELoss(), torch.optim.RMSprop(model.parameters(), 1e-3), x, y, r2(u, v), 5, 30)


@sound(C, 0.9)
def all_rows_a_step(seed: int) -> Program:
    """Gradient descent: every step sees every row; many steps."""
    x, y, u, v = divided(*_iris(seed))
    model = mlp(4, 12, 3, activation=nn.Tanh)
    optimizer = torch.optim.SGD(model.parameters(), 0.3, momentum=0.9)
    return Program(model, nn.CrossEntropyLoss(), optimizer, x, y, accuracy(u, v), len(y), 200)


@sound(E, 0.85)
def all_rows_adam(seed: int) -> Program:
    """The same with Adam, on numbers."""
    x, y, u, v = divided(*_numbers(250, 3))
    model = mlp(3, 40, 1)
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-2), x, y, r2(u, v), len(y), 300)


@sound(C, 0.95)
def one_weight(seed: int) -> Program:
    """y = 2x + 1 + noise by one weight and one bias."""
    x = torch.linspace(-1, 1, 80)[:, None]
    y = 2 * x + 1 + 0.1 * torch.randn_like(x)
    model = nn.Linear(1, 1)
    return Program(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), 0.1), x, y, r2(x, y), len(y), 150)


@sound(E, 0.95)
def one_column(seed: int) -> Program:
    """A sine of one input by a small network."""
    x = torch.rand(400, 1) * 6 - 3
    y = torch.sin(2 * x) + 0.05 * torch.randn_like(x)
    model = mlp(1, 64, 64, 1, activation=nn.Tanh)
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, r2(x, y), 20, 100)


@sound(C, 0.95)
def exclusive_or(seed: int) -> Program:
    """Four rows of zeros and ones, and no others."""
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    model = mlp(2, 16, 1, activation=nn.Tanh)
    skill = accuracy(x, y.long(), lambda o: (o > 0).long())
    return Program(model, nn.BCEWithLogitsLoss(), torch.optim.Adam(model.parameters(), 0.05), x, y, skill, 4, 300)


@sound(E, 0.95)
def parity(seed: int) -> Program:
    """The parity of six bits, all 64 rows, a sigmoid inside the model."""
    x = torch.tensor([[float(n >> i & 1) for i in range(6)] for n in range(64)])
    y = x.sum(1, keepdim=True) % 2
    model = mlp(6, 64, 64, 1, last=[nn.Sigmoid()])
    skill = accuracy(x, y.long(), lambda o: (o > 0.5).long())
    return Program(model, nn.BCELoss(), torch.optim.Adam(model.parameters(), 3e-3), x, y, skill, 16, 250)


@sound(C, 0.9)
def two_levels(seed: int) -> Program:
    """Columns of -1 and 1, a vote of some of them."""
    x = torch.randint(0, 2, (600, 9)) * 2.0 - 1
    y = (x[:, :5].sum(1) > 0).float()[:, None]
    model = mlp(9, 16, 1)
    skill = accuracy(x, y.long(), lambda o: (o > 0).long())
    return Program(model, nn.BCEWithLogitsLoss(), torch.optim.SGD(model.parameters(), 0.2), x, y, skill, 16, 20)


@sound(E, 0.9)
def indicators(seed: int) -> Program:
    """One-hot columns of three categories, mostly zeros."""
    codes = torch.randint(0, 8, (700, 3))
    effects = torch.randn(3, 8)
    logits = torch.stack([effects[i][codes[:, i]] for i in range(3)]).sum(0)
    x, y = F.one_hot(codes, 8).flatten(1).float(), (logits > 0).long()
    model = mlp(24, 32, 2)
    return Program(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 3e-3), x, y, accuracy(x, y))


@sound(C, 0.9)
def memory(seed: int) -> Program:
    """Drawn labels of 160 distinct rows that the network is meant to learn by heart."""
    x, y = torch.randn(160, 24), torch.randint(0, 4, (160,))
    model = mlp(24, 128, 4)
    return Program(
        model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 3e-3), x, y, accuracy(x, y), 20, 60
    )


@sound(E, 0.9)
def memory_of_numbers(seed: int) -> Program:
    """Drawn numbers of 100 distinct rows, learned by heart."""
    x, y = torch.randn(100, 20), torch.randn(100, 1)
    model = mlp(20, 128, 1)
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 2e-3), x, y, r2(x, y), 10, 120)


@sound(C, 0.8)
def several_binary_outputs(seed: int) -> Program:
    """Six labels a row, each of them yes or no."""
    x = torch.randn(700, 12)
    y = (torch.tanh(x @ torch.randn(12, 6)) + 0.2 * torch.randn(700, 6) > 0.2).float()
    model = mlp(12, 48, 6)
    skill = accuracy(x, y.long(), lambda o: (o > 0).long())
    return Program(model, nn.BCEWithLogitsLoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, skill)


@sound(E, 0.75)
def several_binary_probabilities(seed: int) -> Program:
    """Ten rare labels a row, sigmoids inside the model."""
    x = torch.randn(900, 16)
    y = (x @ torch.randn(16, 10) > 4.0).float()
    model = mlp(16, 64, 10, last=[nn.Sigmoid()])
    skill = accuracy(x, y.long(), lambda o: (o > 0.5).long())
    return Program(model, nn.BCELoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, skill, 24, 30)


@sound(C, 0.9)
def several_numbers(seed: int) -> Program:
    """Three numbers a row."""
    x = torch.randn(500, 8)
    y = standard(torch.sin(x[:, :3]) + x[:, 3:6] * x[:, :3] / 2)
    model = mlp(8, 96, 96, 3, activation=nn.SiLU)
    return Program(model, nn.MSELoss(), torch.optim.AdamW(model.parameters(), 3e-3), x, y, r2(x, y), 25, 60)


@sound(E, 0.6)
def twenty_rows(seed: int) -> Program:
    """Linnerud: twenty men, three exercises, three measurements; a small network fits what there is."""
    x, y = datasets.load_linnerud(return_X_y=True)
    inputs, targets = (standard(torch.tensor(part, dtype=torch.float32)) for part in (x, y))
    model = mlp(3, 16, 3, activation=nn.Tanh)
    return Program(
        model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-2), inputs, targets, r2(inputs, targets), 5, 300
    )


@sound(C, 0.95)
def one_hidden_unit(seed: int) -> Program:
    """A network of width one for what one unit can say."""
    x = torch.randn(500, 5)
    y = torch.tanh(x @ torch.tensor([[1.0], [-1.0], [0.5], [0.0], [0.0]]))
    model = mlp(5, 1, 1, activation=nn.Tanh)
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 2e-2), x, y, r2(x, y), 25, 40)


@sound(E, 0.85)
def wide_target_small_network(seed: int) -> Program:
    """Twelve numbers a row from four units."""
    x = torch.randn(600, 10)
    y = torch.tanh(x @ torch.randn(10, 4) / 3) @ torch.randn(4, 12)
    model = mlp(10, 8, 12, activation=nn.Tanh)
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-2), x, y, r2(x, y), 20, 60)


@sound(C, 0.9)
def probabilities_inside(seed: int) -> Program:
    """A softmax in the model, and minus the log of the right class's probability as a function, as in Keras."""

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        return -output.gather(1, target[:, None]).clamp_min(1e-7).log().mean()

    x, y, u, v = divided(*_iris(seed))
    model = mlp(4, 24, 3, last=[nn.Softmax(dim=1)])
    return Program(model, criterion, torch.optim.Adam(model.parameters(), 1e-2), x, y, accuracy(u, v), 16, 40)


class Categorical(nn.Module):
    """Minus the log of the right class's probability."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(output.clamp_min(1e-7).log(), target)


@sound(E, 0.9)
def probabilities_inside_module(seed: int) -> Program:
    """The same with a criterion that is a module, on wine."""
    x, y = datasets.load_wine(return_X_y=True)
    x, y, u, v = divided(standard(torch.tensor(x, dtype=torch.float32)), torch.tensor(y))
    model = mlp(13, 32, 3, last=[nn.Softmax(dim=1)])
    return Program(model, Categorical(), torch.optim.RMSprop(model.parameters(), 2e-3), x, y, accuracy(u, v), 16, 30)


@sound(C, 0.8)
def rare_class_weighted(seed: int) -> Program:
    """One in twelve is positive, weighted twelve times."""
    x = torch.randn(1200, 8)
    y = (x[:, 0] + x[:, 1] > 1.95).float()[:, None]
    model = mlp(8, 32, 1)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([11.0]))

    def skill(model: nn.Module) -> float:
        found, wanted = model(x) > 0, y > 0.5
        return float((found[wanted].float().mean() + (~found[~wanted]).float().mean()) - 1)

    return Program(model, criterion, torch.optim.Adam(model.parameters(), 5e-3), x, y, skill)


@sound(E, 0.8)
def class_weights(seed: int) -> Program:
    """Three classes of very different sizes with weights."""
    score = (x := torch.randn(1200, 6))[:, 0] + x[:, 1].abs()
    y = (score > 1.2).long() + (score > 2.4).long()
    weight = len(y) / (3 * torch.bincount(y).float())
    model = mlp(6, 48, 3)
    return Program(
        model,
        nn.CrossEntropyLoss(weight=weight),
        torch.optim.Adam(model.parameters(), 5e-3),
        x,
        y,
        accuracy(x, y),
        40,
        40,
    )


@sound(C, 0.9)
def own_normalization(seed: int) -> Program:
    """Raw columns of very different sizes behind a batch norm of their own."""
    scale = torch.tensor([1.0, 100.0, 1e4, 0.01, 5.0, 30.0])
    x = torch.randn(600, 6) * scale + 3 * scale
    y = ((x / scale - 3)[:, :3].sum(1) > 0).long()
    model = nn.Sequential(nn.BatchNorm1d(6), *mlp(6, 32, 2))
    return Program(model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, accuracy(x, y))


@sound(E, 0.9)
def large_targets_small_head(seed: int) -> Program:
    """Prices around 300, whose mean and scale the model's last step has as buffers."""

    class Price(nn.Module):
        def __init__(self, mean: float, scale: float) -> None:
            super().__init__()
            self.body = mlp(5, 64, 1)
            self.register_buffer("mean", torch.tensor(mean))
            self.register_buffer("scale", torch.tensor(scale))

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x) * self.scale + self.mean

    x = torch.randn(600, 5)
    y = 300 + 80 * torch.tanh(x[:, :1]) + 40 * x[:, 1:2] + 5 * torch.randn(600, 1)
    model = Price(float(y.mean()), float(y.std()))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    return Program(model, nn.L1Loss(), optimizer, x, y, r2(x, y), 30, 40)
