"""Sound programs whose loop is not the plain one: accumulation, closures, several optimizers, schedules, averages,
small types, and trainings without a target or with several criteria, which cannot be judged as supervised."""

from __future__ import annotations

import copy
from typing import Any

import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.nn import functional as F

from bench.doctor.sound import Program, accuracy, batches, divided, loss_of, mlp, plain, r2, sound, standard

C, E = "calibration", "evaluation"


def _three(rows: int = 600) -> tuple[Tensor, Tensor]:
    """Three classes by two bent lines."""
    x = torch.randn(rows, 7)
    score = x[:, 0] + torch.sin(2 * x[:, 1])
    return x, (score > -0.5).long() + (score > 0.6).long()


def _bent(rows: int = 600) -> tuple[Tensor, Tensor]:
    x = torch.randn(rows, 5)
    return x, torch.tanh(2 * x[:, :1]) * x[:, 1:2] + 0.5 * x[:, 2:3]


def _accumulated(parts: int) -> Any:
    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(program.epochs):
            program.optimizer.zero_grad()
            for number, rows in enumerate(batches(program), 1):
                loss = loss_of(program, program.model(program.x[rows]), program.y[rows], doctor)
                (loss / parts).backward()
                if number % parts == 0:
                    program.optimizer.step()
                    program.optimizer.zero_grad()
                    updates += 1
        return updates

    return loop


@sound(C, 0.85)
def accumulation(seed: int) -> Program:
    """Four batches of eight rows a step."""
    x, y = _three()
    model = mlp(7, 48, 3)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Program(model, nn.CrossEntropyLoss(), optimizer, x, y, accuracy(x, y), 8, 40, _accumulated(4))


@sound(E, 0.85)
def accumulation_of_two(seed: int) -> Program:
    """Two batches a step, momentum."""
    x, y = _bent()
    model = mlp(5, 64, 1, activation=nn.Tanh)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    return Program(model, nn.MSELoss(), optimizer, x, y, r2(x, y), 16, 60, _accumulated(2))


def _closures(program: Program, doctor: Any) -> int:
    for _ in range(program.epochs):

        def closure() -> Tensor:
            program.optimizer.zero_grad()
            loss = loss_of(program, program.model(program.x), program.y, doctor)
            loss.backward()
            return loss

        program.optimizer.step(closure)
    return program.epochs


@sound(C, 0.9)
def closures(seed: int) -> Program:
    """LBFGS on all rows."""
    x, y = _bent(300)
    model = mlp(5, 24, 1, activation=nn.Tanh)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.5, max_iter=10, line_search_fn="strong_wolfe")
    return Program(model, nn.MSELoss(), optimizer, x, y, r2(x, y), 300, 25, _closures)


@sound(E, 0.9)
def closures_linear(seed: int) -> Program:
    """LBFGS for a logistic regression."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x, y = standard(torch.tensor(x, dtype=torch.float32)), torch.tensor(y)
    model = nn.Linear(30, 2)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=5)
    return Program(model, nn.CrossEntropyLoss(), optimizer, x, y, accuracy(x, y), 569, 10, _closures)


@sound(C, 0.85)
def one_cycle(seed: int) -> Program:
    """OneCycleLR, stepped every batch as it must be."""
    x, y = _three()
    model = mlp(7, 64, 64, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=19 * 25)

    def loop(program: Program, doctor: Any) -> int:
        for _ in range(25):
            for rows in batches(program):
                optimizer.zero_grad()
                loss_of(program, model(x[rows]), y[rows], doctor).backward()
                optimizer.step()
                rate.step()
        return 19 * 25

    return Program(model, nn.CrossEntropyLoss(), optimizer, x, y, accuracy(x, y), 32, 25, loop)


@sound(E, 0.85)
def plateau(seed: int) -> Program:
    """ReduceLROnPlateau on the validation loss, evaluation after every epoch."""
    x, y, u, v = divided(*_bent(800))
    model = nn.Sequential(*mlp(5, 64, 64), nn.ReLU(), nn.Dropout(0.05), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    rate = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=3)
    criterion = nn.MSELoss()

    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(40):
            model.train()
            for rows in batches(program):
                optimizer.zero_grad()
                criterion(model(x[rows]), y[rows]).backward()
                optimizer.step()
                updates += 1
            model.eval()
            with torch.no_grad():
                rate.step(criterion(model(u), v))
        return updates

    return Program(model, criterion, optimizer, x, y, r2(u, v), 30, 40, loop)


@sound(C, 0.85)
def frozen_backbone(seed: int) -> Program:
    """A trained body that is frozen, and a new head for another target."""
    x, y = _three(700)
    body = mlp(7, 48, 24)
    first = nn.Sequential(body, nn.ReLU(), nn.Linear(24, 3))
    earlier = Program(first, nn.CrossEntropyLoss(), torch.optim.Adam(first.parameters(), 5e-3), x, y, accuracy(x, y))
    plain(earlier, None)
    body.requires_grad_(False)
    head = mlp(24, 24, 2)
    model, other = nn.Sequential(body, nn.ReLU(), head), (y == 1).long()
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    return Program(model, nn.CrossEntropyLoss(), optimizer, x, other, accuracy(x, other), 32, 40)


@sound(E, 0.8)
def fine_tuning(seed: int) -> Program:
    """A trained body at a hundredth of the new head's rate."""
    x, y = _bent(700)
    body = mlp(5, 64, 24, activation=nn.SiLU)
    first = nn.Sequential(body, nn.SiLU(), nn.Linear(24, 1))
    earlier = Program(first, nn.MSELoss(), torch.optim.Adam(first.parameters(), 5e-3), x, y, r2(x, y), 32, 40)
    plain(earlier, None)
    model, other = nn.Sequential(body, nn.SiLU(), nn.Linear(24, 1)), y.square().sqrt()
    groups = [{"params": body.parameters(), "lr": 1e-4}, {"params": model[2].parameters(), "lr": 1e-2}]
    return Program(model, nn.MSELoss(), torch.optim.Adam(groups), x, y + 0.2 * other, r2(x, y + 0.2 * other), 32, 30)


@sound(C, 0.85)
def two_optimizers(seed: int) -> Program:
    """The body by SGD, the head by Adam, both stepped."""
    x, y = _three()
    body, head = mlp(7, 48, 24), nn.Linear(24, 3)
    model = nn.Sequential(body, nn.ReLU(), head)
    pair = [torch.optim.SGD(body.parameters(), 0.1, momentum=0.9), torch.optim.Adam(head.parameters(), 5e-3)]

    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(program.epochs):
            for rows in batches(program):
                for optimizer in pair:
                    optimizer.zero_grad()
                loss_of(program, model(x[rows]), y[rows], doctor).backward()
                for optimizer in pair:
                    optimizer.step()
                updates += 1
        return updates

    return Program(model, nn.CrossEntropyLoss(), pair, x, y, accuracy(x, y), 32, 25, loop)


@sound(E, 0.85)
def averaged_weights(seed: int) -> Program:
    """A moving average of the weights beside the training, used for evaluation."""
    x, y = _three()
    model = mlp(7, 64, 3)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.95))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)

    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(30):
            for rows in batches(program):
                optimizer.zero_grad()
                loss_of(program, model(x[rows]), y[rows], doctor).backward()
                optimizer.step()
                average.update_parameters(model)
                updates += 1
        return updates

    return Program(model, nn.CrossEntropyLoss(), optimizer, x, y, accuracy(x, y), 32, 30, loop)


@sound(C, 0.78)
def half_precision(seed: int) -> Program:
    """Forward passes in bfloat16 by autocast on the CPU, weights in float32."""
    x, y = _three()
    model = mlp(7, 64, 3)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)

    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(25):
            for rows in batches(program):
                optimizer.zero_grad()
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = loss_of(program, model(x[rows]), y[rows], doctor)
                loss.backward()
                optimizer.step()
                updates += 1
        return updates

    return Program(model, nn.CrossEntropyLoss(), optimizer, x, y, accuracy(x, y), 32, 25, loop)


@sound(E, 0.9)
def double_precision(seed: int) -> Program:
    """Everything in float64."""
    x, y = _bent(500)
    model = mlp(5, 48, 48, 1, activation=nn.Tanh).double()
    x, y = x.double(), y.double()
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 5e-3), x, y, r2(x, y), 25, 60)


@sound(C, 0.8)
def tied_weights(seed: int) -> Program:
    """An autoencoder whose decoder is the encoder's weight, transposed."""

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.bias = nn.Linear(64, 20), nn.Parameter(torch.zeros(64))

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(torch.relu(self.encoder(x)), self.encoder.weight.T, self.bias)

    x = torch.tensor(datasets.load_digits(return_X_y=True)[0][:800], dtype=torch.float32) / 16
    model = Tied()
    return Program(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), x, x, r2(x, x), 32, 30)


@sound(E, 0.8)
def mixed_rows(seed: int) -> Program:
    """Mixup: rows and one-hot labels are mixed in pairs."""
    x, labels = _three(800)
    y = F.one_hot(labels, 3).float()
    model = mlp(7, 64, 64, 3)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)

    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(40):
            for rows in batches(program):
                other = rows[torch.randperm(len(rows))]
                share = float(torch.distributions.Beta(0.2, 0.2).sample())
                mixed = share * x[rows] + (1 - share) * x[other]
                optimizer.zero_grad()
                loss_of(program, model(mixed), share * y[rows] + (1 - share) * y[other], doctor).backward()
                optimizer.step()
                updates += 1
        return updates

    return Program(model, nn.CrossEntropyLoss(), optimizer, x, y, accuracy(x, labels), 32, 40, loop)


class Heads(nn.Module):
    """A common body with a head for classes and one for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.kind, self.size = mlp(7, 64, 32), nn.Linear(32, 3), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a = torch.relu(self.body(x))
        return self.kind(a), self.size(a)


@sound(C, 0.8)
def two_heads(seed: int) -> Program:
    """Two outputs, two criteria, the sum of both losses; watch is given one of them."""
    x, y = _three(700)
    size = torch.tanh(x[:, 2:3])
    model, kind = Heads(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)

    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(30):
            for rows in batches(program):
                first, second = model(x[rows])
                optimizer.zero_grad()
                (kind(first, y[rows]) + F.mse_loss(second, size[rows])).backward()
                optimizer.step()
                updates += 1
        return updates

    skill = accuracy(x, y, lambda o: o[0].argmax(1))
    return Program(model, kind, optimizer, x, y, skill, 32, 30, loop, early=False)


class Triplets(nn.Module):
    """A network for TripletMarginLoss."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(7, 32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.body(x), dim=1)


@sound(E, 0.5)
def triplets(seed: int) -> Program:
    """Rows of a class nearer to each other than to rows of another: no target at all."""
    x, y = _three(600)
    model, criterion = Triplets(), nn.TripletMarginLoss(0.3)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def loop(program: Program, doctor: Any) -> int:
        for _ in range(400):
            anchor = torch.randint(0, len(x), (48,))
            same = torch.stack([_one(torch.nonzero(y == y[i])) for i in anchor])
            other = torch.stack([_one(torch.nonzero(y != y[i])) for i in anchor])
            optimizer.zero_grad()
            criterion(model(x[anchor]), model(x[same]), model(x[other])).backward()
            optimizer.step()
        return 400

    def skill(model: nn.Module) -> float:
        far = torch.cdist(found := model(x), found) + 9 * torch.eye(len(x))
        return 2 * float((y[far.argmin(1)] == y).float().mean()) - 1

    return Program(model, criterion, optimizer, x, y, skill, loop=loop, early=False)


def _one(places: Tensor) -> Tensor:
    return places[int(torch.randint(0, len(places), ())), 0]


class Variational(nn.Module):
    """A variational autoencoder; its output has the picture, the mean and the log of the variance."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 16), mlp(8, 64, 64, last=[nn.Sigmoid()])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        return self.decoder(mean + noise * (0.5 * log_variance).exp()), mean, log_variance


@sound(C, 0.65)
def variational(seed: int) -> Program:
    """Reconstruction and divergence, told to the doctor as one loss."""
    x = torch.tensor(datasets.load_digits(return_X_y=True)[0][:800], dtype=torch.float32) / 16
    model = Variational()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def criterion(output: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
        picture, mean, log_variance = output
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
        return (F.binary_cross_entropy(picture, target, reduction="none").sum(1) + 0.3 * divergence).mean()

    def loop(program: Program, doctor: Any) -> int:
        updates = 0
        for _ in range(30):
            for rows in batches(program):
                optimizer.zero_grad()
                output = model(x[rows])
                loss = criterion(output, x[rows])
                if doctor is not None:
                    doctor.observe(output[0], x[rows], loss)
                loss.backward()
                optimizer.step()
                updates += 1
        return updates

    return Program(model, criterion, optimizer, x, x, r2(x, x, lambda o: o[0]), 32, 30, loop, early=False)


@sound(E, 0.3)
def adversaries(seed: int) -> Program:
    """A generator and a discriminator; the discriminator is watched, its criterion sees both kinds of rows."""
    real = torch.randn(800, 2) * 0.3 + torch.tensor([1.0, -1.0])
    generator = mlp(4, 32, 2)
    model, criterion = mlp(2, 32, 1, activation=lambda: nn.LeakyReLU(0.2)), nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, betas=(0.5, 0.999))
    other = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.5, 0.999))

    def loop(program: Program, doctor: Any) -> int:
        one, zero = torch.ones(40, 1), torch.zeros(40, 1)
        for _ in range(900):
            rows = real[torch.randint(0, 800, (40,))]
            drawn = generator(torch.randn(40, 4))
            optimizer.zero_grad()
            (criterion(model(rows), one) + criterion(model(drawn.detach()), zero)).backward()
            optimizer.step()
            other.zero_grad()
            criterion(model(drawn), one).backward()
            other.step()
        return 900

    def skill(_: nn.Module) -> float:
        return float(1 - (generator(torch.randn(500, 4)).mean(0) - real.mean(0)).norm() / real.mean(0).norm())

    return Program(model, criterion, optimizer, real, torch.ones(800, 1), skill, loop=loop, early=False)


@sound(E, 0.6)
def rewards(seed: int) -> Program:
    """REINFORCE on a bandit with a state: the loss is made of rewards, there is no target."""
    model = mlp(4, 32, 3)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    best = lambda x: (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()  # noqa: E731

    def loop(program: Program, doctor: Any) -> int:
        for _ in range(400):
            state = torch.randn(64, 4)
            policy = torch.distributions.Categorical(logits=model(state))
            action = policy.sample()
            reward = (action == best(state)).float()
            optimizer.zero_grad()
            (-policy.log_prob(action) * (reward - reward.mean())).mean().backward()
            optimizer.step()
        return 400

    x = torch.randn(500, 4)
    y = best(x)
    return Program(model, None, optimizer, x, y, accuracy(x, y), loop=loop, early=False)


@sound(C, 0.6)
def distilled(seed: int) -> Program:
    """A small network learns the softened outputs of a large one, which is not trained."""
    x, y = _three(700)
    large = mlp(7, 128, 3)
    plain(Program(large, nn.CrossEntropyLoss(), torch.optim.Adam(large.parameters(), 5e-3), x, y, accuracy(x, y)), None)
    teacher = copy.deepcopy(large).eval()
    model = mlp(7, 24, 3)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(F.log_softmax(output / 2, 1), F.softmax(target / 2, 1), reduction="batchmean") * 4

    with torch.no_grad():
        wanted = teacher(x)
    return Program(model, criterion, optimizer, x, wanted, accuracy(x, wanted.argmax(1)), 32, 25)
