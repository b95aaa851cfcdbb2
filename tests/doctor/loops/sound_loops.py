"""Sound programs that look like those of `faulty_loops.py`; each returns the diagnosis."""

import copy
import dataclasses

import torch
from faulty_loops import (
    Listed,
    Sequence,
    Steps,
    Tagger,
    adam,
    batches,
    classes,
    dense,
    loop,
    numbers,
    said,
    sentences,
    walks,
)
from torch import nn
from torch.nn import functional as F

import tenfold


def padded(ignored=-100):
    x, y = sentences()
    y = torch.where(torch.arange(7) < 4 + torch.arange(96)[:, None] % 4, y, ignored)
    model = Tagger()
    return loop(model, adam(model, 2e-2), nn.CrossEntropyLoss(ignore_index=ignored), x, y)


def padded_255():
    return padded(255)


def kl_of_log_probabilities():
    x, y = classes()
    model = nn.Sequential(dense(8, 4), nn.LogSoftmax(1))
    return loop(model, adam(model), nn.KLDivLoss(reduction="batchmean"), x, F.one_hot(y, 4).float() * 0.9 + 0.025)


def soft_labels():
    x, y = classes()
    model = dense(8, 4)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, F.one_hot(y, 4).float() * 0.9 + 0.025)


def poisson():
    x, _ = numbers()
    y = torch.poisson(torch.exp(0.8 * x[:, :1] + 1), generator=torch.Generator().manual_seed(0))
    model = dense(6, 1)
    return loop(model, adam(model), nn.PoissonNLLLoss(), x, y, epochs=25)


def soft_margin():
    x, y = numbers()
    model = nn.Sequential(dense(6, 1), nn.Flatten(0))
    return loop(model, adam(model), nn.SoftMarginLoss(), x, 2.0 * y - 1)


def batch_first():
    x, y = walks()
    model = Sequence(first=True)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y, epochs=30)


class TimeFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(3, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.lstm(x)[0])  # (steps, rows, 2)


def time_first():
    x, _ = walks()
    y = (x[:, :, 0] > 0).long()
    model, criterion = TimeFirst(), nn.CrossEntropyLoss()
    optimizer = adam(model, 2e-2)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y, 15):
            optimizer.zero_grad()
            criterion(model(one.transpose(0, 1)).reshape(-1, 2), two.transpose(0, 1).reshape(-1)).backward()
            optimizer.step()
    return said(doctor)


def scheduled(make, every_batch):
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    schedule = make(optimizer)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for epoch in range(20):
            for one, two in batches(x, y, 1, seed=epoch):
                optimizer.zero_grad()
                criterion(model(one), two).backward()
                optimizer.step()
                if every_batch:
                    schedule.step()
            if not every_batch:
                schedule.step()
    return said(doctor)


def one_cycle():
    return scheduled(lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 2e-2, total_steps=240), True)


def cosine():
    return scheduled(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20), False)


def step_decay():
    return scheduled(lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.1), False)


def module_list():
    x, y = numbers()
    model = Listed(nn.ModuleList)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y)


def accumulation():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for number, (one, two) in enumerate(batches(x, y, 40, size=8)):
            (criterion(model(one), two) / 4).backward()
            if number % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
    return said(doctor)


def lbfgs():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=5, line_search_fn="strong_wolfe")
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for _ in range(15):

            def closure():
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                return loss

            optimizer.step(closure)
    return said(doctor)


class StraightThrough(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(6, 16), nn.Linear(16, 2)

    def forward(self, x):
        h = torch.tanh(self.into(x))
        return self.out(h + (h.round() - h).detach())


def straight_through():
    x, y = numbers()
    model = StraightThrough()
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y, epochs=30)


def monitored():
    """A second call of the criterion, of detached outputs, for a log."""
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            output = model(one)
            criterion(output, two).backward()
            optimizer.step()
            criterion(output.detach(), two).item()
    return said(doctor)


def frozen_backbone():
    x, y = numbers()
    model, criterion = dense(width=64), nn.CrossEntropyLoss()
    for p in model[0].parameters():
        p.requires_grad_(False)
    return loop(model, torch.optim.Adam(model[2].parameters(), 2e-2), criterion, x, y, epochs=60)


class Variational(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.mean, self.spread = nn.Linear(8, 32), nn.Linear(32, 2), nn.Linear(32, 2)
        self.back = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 8))

    def forward(self, x):
        h = torch.relu(self.into(x))
        mean, spread = self.mean(h), self.spread(h)
        return self.back(mean + torch.exp(0.5 * spread) * torch.randn_like(mean)), mean, spread


def variational():
    x, _ = classes()
    model, criterion = Variational(), nn.MSELoss()
    optimizer = adam(model, 3e-3)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, _ in batches(x, x, 20):
            optimizer.zero_grad()
            output, mean, spread = model(one)
            divergence = -0.5 * (1 + spread - mean**2 - spread.exp()).sum(1).mean()
            (criterion(output, one) + 0.02 * divergence).backward()
            optimizer.step()
    return said(doctor)


def adversarial():
    x, _ = numbers(256)
    judge, maker = dense(6, 1), dense(4, 6)
    criterion = nn.BCEWithLogitsLoss()
    of_judge, of_maker = adam(judge, 1e-3), adam(maker, 1e-3)
    with tenfold.watch(judge, of_judge, criterion) as doctor:
        for one, _ in batches(x, x, 12):
            drawn = maker(torch.randn(len(one), 4))
            of_judge.zero_grad()
            real = criterion(judge(one), torch.ones(len(one), 1))
            (real + criterion(judge(drawn.detach()), torch.zeros(len(one), 1))).backward()
            of_judge.step()
            of_maker.zero_grad()
            criterion(judge(drawn), torch.ones(len(one), 1)).backward()
            of_maker.step()
    return said(doctor)


def triplets():
    x, y = classes()
    model, criterion = dense(8, 4), nn.TripletMarginLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            same = torch.stack([x[y == label][0] for label in two])
            other = torch.stack([x[y != label][0] for label in two])
            optimizer.zero_grad()
            criterion(model(one), model(same), model(other)).backward()
            optimizer.step()
    return said(doctor)


def cosine_pairs():
    x, y = classes()
    model, criterion = dense(8, 4), nn.CosineEmbeddingLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one), model(one.flip(0)), (two == two.flip(0)).float() * 2 - 1).backward()
            optimizer.step()
    return said(doctor)


def logarithmic(output, target):
    return ((torch.log1p(output) - torch.log1p(target)) ** 2).mean()


def squared_logarithms():
    x, _ = numbers()
    y = torch.exp(0.5 * x[:, :1])
    model = nn.Sequential(dense(6, 1), nn.Softplus())
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, logarithmic) as doctor:
        for one, two in batches(x, y, 30):
            optimizer.zero_grad()
            output = model(one)
            loss = logarithmic(output, two)
            doctor.observe(output, two, loss)
            loss.backward()
            optimizer.step()
    return said(doctor)


@dataclasses.dataclass
class Answer:
    logits: torch.Tensor
    hidden: torch.Tensor


class Answering(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.into, self.out, self.kind = nn.Linear(6, 16), nn.Linear(16, 2), kind

    def forward(self, x):
        h = torch.relu(self.into(x))
        return self.kind(logits=self.out(h), hidden=h)


def answered(kind, pick):
    x, y = numbers()
    model, criterion = Answering(kind), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(pick(model(one)), two).backward()
            optimizer.step()
    return said(doctor)


def a_dataclass():
    return answered(Answer, lambda answer: answer.logits)


def a_dict():
    return answered(dict, lambda answer: answer["logits"])


def a_dict_observed():
    x, y = numbers()
    model = Answering(dict)
    optimizer = adam(model)
    with tenfold.watch(model, optimizer) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            output = model(one)
            loss = F.cross_entropy(output["logits"], two)
            doctor.observe(output, {"label": two}, loss)
            loss.backward()
            optimizer.step()
    return said(doctor)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(3, 8), nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, a, b):
        return self.out(torch.relu(self.one(a) + self.two(b)))


def two_inputs():
    x, _ = numbers()
    return tenfold.diagnose(
        Two, (x[:, :3], x[:, 3:]), ((x[:, 0] - x[:, 3]) > 0).long(), nn.CrossEntropyLoss(),
        lambda p: torch.optim.Adam(p, 1e-2), seeds=1, budget=0.3,
    )  # fmt: skip


def several_binary_outputs():
    x, _ = numbers()
    model = dense(6, 3, 32)
    return loop(model, adam(model), nn.BCEWithLogitsLoss(), x, (x[:, :3] > 0).float(), epochs=25)


def batches_of_four():
    x, y = numbers()
    model = dense()
    return loop(model, adam(model, 3e-3), nn.CrossEntropyLoss(), x, y, epochs=8, size=4)


def batches_of_one():
    x, y = numbers(96)
    model = dense()
    return loop(model, adam(model, 2e-3), nn.CrossEntropyLoss(), x, y, epochs=8, size=1)


def own(output, target):
    return -torch.log(output[torch.arange(len(target)), target] + 1e-7).mean()


def probabilities_inside():
    x, y = classes()
    model = nn.Sequential(dense(8, 4), nn.Softmax(1))
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, own) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            output = model(one)
            loss = own(output, two)
            doctor.observe(output, two, loss)
            loss.backward()
            optimizer.step()
    return said(doctor)


def memory():
    x = (torch.arange(256)[:, None] >> torch.arange(8) & 1).float()
    y = torch.randint(4, (256,), generator=torch.Generator().manual_seed(0))
    model = dense(8, 4, 128)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y, epochs=120, size=64)


def one_column():
    x = numbers(columns=2)[0][:, :1]
    model = dense(1, 1)
    return loop(model, adam(model), nn.MSELoss(), x, 0.7 * x + 0.2, epochs=25)


def zeros_and_ones():
    x = (torch.arange(192)[:, None] >> torch.arange(6) & 1).float()
    model = dense(6, 2)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, (x[:, 0] + x[:, 1] > 1).long(), epochs=20)


def two_levels():
    x = torch.where(torch.arange(192)[:, None] % 2 == 0, -1.0, 1.0)
    model = dense(1, 2)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, torch.arange(192) % 2, epochs=8)


def averaged():
    """A copy with averaged weights, evaluated beside the model."""
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    mean = copy.deepcopy(model)
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one), two).backward()
            optimizer.step()
            with torch.no_grad():
                for p, q in zip(mean.parameters(), model.parameters(), strict=True):
                    p.lerp_(q, 0.1)
    return said(doctor)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.mix, self.out = nn.Embedding(12, 16), nn.Linear(16, 16), nn.Linear(16, 12, bias=False)
        nn.init.normal_(self.embed.weight, std=0.25)
        self.out.weight = self.embed.weight

    def forward(self, x):
        return self.out(torch.tanh(self.mix(self.embed(x)))).transpose(1, 2)


def shared_weights():
    x, _ = sentences()
    model = Shared()
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, (x + 1) % 12, epochs=25)


def flattened_right():
    x, y = sentences()
    model, criterion = Steps(3), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one).reshape(-1, 3), two.reshape(-1)).backward()
            optimizer.step()
    return said(doctor)


def normalized_in_training():
    x, y = classes()
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y)


def full_batch():
    x, y = numbers()
    model = dense()
    return loop(model, adam(model, 3e-2), nn.CrossEntropyLoss(), x, y, epochs=120, size=192)


def bfloat16():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = criterion(model(one), two)
            loss.backward()
            optimizer.step()
    return said(doctor)


def class_weights():
    x, y = classes()
    model = dense(8, 4)
    return loop(model, adam(model), nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5, 1.0])), x, y)


def few_counts():
    """Counts of 0 to 5, which are not six classes, by a Poisson loss of rates."""
    x, _ = numbers()
    y = torch.poisson(F.softplus(1.5 * x[:, :1] + 0.5), generator=torch.Generator().manual_seed(0)).clamp_max(5)
    model = nn.Sequential(dense(6, 1), nn.Softplus())
    return loop(model, adam(model), nn.PoissonNLLLoss(log_input=False), x, y, epochs=25)


class Pinball(nn.Module):
    def forward(self, output, target):
        rest = target - output
        return torch.maximum(0.9 * rest, -0.1 * rest).mean()


def ninth_decile():
    x, y = numbers()
    model = dense(6, 1)
    return loop(model, adam(model), Pinball(), x, y.reshape(-1, 1) + torch.randn(len(y), 1), epochs=25)


def raw_columns_behind_a_norm():
    x, y = classes()
    model = nn.Sequential(nn.BatchNorm1d(8), dense(8, 4))
    return loop(model, adam(model), nn.CrossEntropyLoss(), (x + 3) * 10.0 ** torch.arange(-2, 6), y, epochs=25)


def pixels_that_are_always_black():
    """Pictures whose corners are 0 in nearly all rows: one that is not is no residual of a trillion."""
    x = torch.rand(240, 1, 6, 6)
    x[:, :, 0, 0] = 0
    x[::40, :, 0, 0] = 0.5
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    return loop(model, adam(model, 5e-3), nn.MSELoss(), x + 0.2 * torch.randn_like(x), x, epochs=12)


SOUND = {
    program.__name__: program
    for program in (
        padded_255,
        kl_of_log_probabilities,
        soft_labels,
        poisson,
        soft_margin,
        batch_first,
        time_first,
        one_cycle,
        cosine,
        step_decay,
        module_list,
        accumulation,
        lbfgs,
        straight_through,
        monitored,
        frozen_backbone,
        variational,
        adversarial,
        triplets,
        cosine_pairs,
        squared_logarithms,
        a_dataclass,
        a_dict,
        a_dict_observed,
        two_inputs,
        several_binary_outputs,
        batches_of_four,
        batches_of_one,
        probabilities_inside,
        memory,
        one_column,
        zeros_and_ones,
        two_levels,
        averaged,
        shared_weights,
        flattened_right,
        normalized_in_training,
        full_batch,
        bfloat16,
        class_weights,
        few_counts,
        ninth_decile,
        raw_columns_behind_a_norm,
        pixels_that_are_always_black,
    )
}

# whether these learn cannot be told from outputs and targets
UNJUDGED = {"variational", "adversarial", "triplets", "cosine_pairs", "a_dict_observed", "ninth_decile"}
