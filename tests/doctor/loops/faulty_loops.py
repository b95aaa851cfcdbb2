"""Programs with a fault in their loop, rebuilt from public reports on made-up data; each returns the diagnosis."""

import math

import torch
from torch import nn
from torch.nn import functional as F

import tenfold

BUDGET = 0.3


def numbers(count=192, columns=6, seed=0):
    """Inputs (count, columns) and classes (count,) that a linear map tells apart."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, columns, generator=generator)
    return x, (x[:, 0] - x[:, 1] > 0).long()


def classes(count=192, columns=8, kinds=4, seed=0):
    """Inputs about one of `kinds` centres, and which."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % kinds
    return 2 * torch.eye(kinds, columns)[y] + 0.5 * torch.randn(count, columns, generator=generator), y


def sentences(count=96, steps=7, words=12, tags=3, seed=0):
    """Numbers of words (count, steps) and the tag of each, its number modulo `tags`."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(words, (count, steps), generator=generator)
    return x, x % tags


def dense(inputs=6, outputs=2, width=16):
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


def adam(model, lr=1e-2):
    return torch.optim.Adam(model.parameters(), lr)


def batches(x, y, epochs=12, size=16, seed=0):
    """Shuffled batches of several epochs."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for part in torch.randperm(len(x), generator=generator).split(size):
            yield x[part], y[part]


def loop(model, optimizer, criterion, x, y, epochs=12, size=16):
    """A plain loop under `watch`, and its diagnosis."""
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y, epochs, size):
            optimizer.zero_grad()
            criterion(model(one), two).backward()
            optimizer.step()
    return said(doctor)


def said(doctor):
    return doctor.diagnose(prove=False, budget=BUDGET)


# B1: a batch in which every target is ignored has a loss that is not a number


class Tagger(nn.Module):
    def __init__(self, words=12, tags=3, width=16, flat=False):
        super().__init__()
        self.embed, self.out, self.flat = nn.Embedding(words, width), nn.Linear(width, tags), flat

    def forward(self, x):
        z = self.out(torch.tanh(self.embed(x)))  # (rows, steps, tags)
        return z.reshape(-1, z.shape[-1]) if self.flat else z.transpose(1, 2)


def every_target_ignored():
    x, y = sentences()
    y = torch.where(torch.arange(7) < 5, y, -100)
    y[40:48] = -100
    model, criterion = Tagger(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for _ in range(4):
            for part in torch.arange(96).split(8):
                optimizer.zero_grad()
                criterion(model(x[part]), y[part]).backward()
                optimizer.step()
    return said(doctor)


# B2: the space of a criterion


def kl_of_probabilities():
    x, y = classes()
    model = nn.Sequential(dense(8, 4), nn.Softmax(1))
    return loop(model, adam(model), nn.KLDivLoss(reduction="batchmean"), x, F.one_hot(y, 4).float() * 0.9 + 0.025)


def hinge_of_zeros():
    x, y = numbers()
    model = nn.Sequential(dense(6, 1), nn.Flatten(0))
    return loop(model, adam(model), nn.SoftMarginLoss(), x, y.float())


def poisson_of_negative_rates():
    x, _ = numbers()
    y = torch.poisson(torch.exp(0.5 * x[:, :1] + 1), generator=torch.Generator().manual_seed(0))
    model = dense(6, 1)
    return loop(model, adam(model), nn.PoissonNLLLoss(log_input=False), x, y)


# B3: the branch that is not taken has a gradient that is not finite


class Root(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 8, bias=False), nn.Linear(8, 2)

    def forward(self, x):
        s = self.a(x) ** 2
        return self.b(torch.where(s > 0, s.sqrt(), torch.zeros_like(s)))


def nan_of_the_other_branch():
    x, y = numbers()
    x[77] = 0.0
    model = Root()
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y)


def nan_behind_a_normalization():
    x, y = numbers()
    x[77] = 0.0
    model = Root()
    model.b = nn.Sequential(nn.BatchNorm1d(8), model.b)  # which takes no row alone
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y)


# B4: rows that influence each other


def normalized_over_rows():
    x, y = classes()
    model = nn.Sequential(dense(8, 4), nn.LogSoftmax(dim=0))
    return loop(model, adam(model), nn.NLLLoss(), x, y)


class Sequence(nn.Module):
    def __init__(self, first, outputs=2):
        super().__init__()
        self.lstm, self.out = nn.LSTM(3, 8, batch_first=first), nn.Linear(8, outputs)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


def walks(count=160, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, 3, generator=generator)
    return x, (x[:, :, 0].sum(1) > 0).long()


def time_for_rows():
    x, y = walks()
    model = Sequence(first=False)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y, epochs=20)


# B5: schedules


def schedule_in_the_batch_loop():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model, 1e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one), two).backward()
            optimizer.step()
            schedule.step()
    return said(doctor)


def warm_up_by_epochs():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 1000))
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for epoch in range(8):
            for one, two in batches(x, y, 1, seed=epoch):
                optimizer.zero_grad()
                criterion(model(one), two).backward()
                optimizer.step()
            schedule.step()
    return said(doctor)


# B6: weights that the model does not hold


class Listed(nn.Module):
    def __init__(self, kind=list):
        super().__init__()
        layers = [nn.Linear(6, 16), nn.Linear(16, 16)]
        self.layers = kind(layers) if kind is not dict else {str(i): layer for i, layer in enumerate(layers)}
        self.out = nn.Linear(16, 2)

    def forward(self, x):
        for layer in self.layers.values() if isinstance(self.layers, dict) else self.layers:
            x = torch.relu(layer(x))
        return self.out(x)


def layers_in_a_list():
    x, y = numbers()
    model = Listed()
    return loop(model, adam(model, 1e-3), nn.CrossEntropyLoss(), x, y, epochs=4)


def layers_in_a_dict():
    x, y = numbers()
    model = Listed(dict)
    return loop(model, adam(model, 1e-3), nn.CrossEntropyLoss(), x, y, epochs=4)


# B7: no gradient at the step


def cleared_before_the_step():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            criterion(model(one), two).backward()
            optimizer.zero_grad()
            optimizer.step()
    return said(doctor)


def cleared_by_the_model():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2, weight_decay=0.1)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            criterion(model(one), two).backward()
            model.zero_grad(set_to_none=False)
            optimizer.step()
    return said(doctor)


def no_backward():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one), two)
            optimizer.step()
    return said(doctor)


def no_step():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one), two).backward()
    return said(doctor)


# B8: a cut path


def detached_output():
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one).detach(), two).requires_grad_(True).backward()
            optimizer.step()
    return said(doctor)


class Cut(nn.Module):
    def __init__(self, way, outputs=2):
        super().__init__()
        self.into, self.out, self.way = nn.Linear(6, 16), nn.Linear(16, outputs), way

    def forward(self, x):
        return self.out(self.way(torch.relu(self.into(x))))


def cut_by(way, epochs=4):
    x, y = numbers()
    model = Cut(way)
    return loop(model, adam(model, 1e-3), nn.CrossEntropyLoss(), x, y, epochs)


def detached_inside():
    return cut_by(lambda h: h.detach())


def numpy_inside():
    return cut_by(lambda h: torch.from_numpy(h.detach().numpy() * 1.0))


def a_new_tensor_inside():
    return cut_by(lambda h: torch.tensor(h.tolist()))


def rounded_inside():
    return cut_by(lambda h: h.round())


def thresholded_output():
    x, y = numbers()
    model, criterion = nn.Sequential(dense(6, 1), nn.Flatten(0)), nn.MSELoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y.float()):
            optimizer.zero_grad()
            criterion((model(one) > 0).float(), two).requires_grad_(True).backward()
            optimizer.step()
    return said(doctor)


def rounded_output():
    x, y = numbers()
    model, criterion = nn.Sequential(dense(6, 1), nn.Flatten(0)), nn.MSELoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y.float()):
            optimizer.zero_grad()
            criterion(model(one).round(), two).backward()
            optimizer.step()
    return said(doctor)


# B9: the gradient of every small batch but the last is cleared


def accumulation_cleared(after=False):
    x, y = numbers()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for number, (one, two) in enumerate(batches(x, y, size=8)):
            optimizer.zero_grad()
            (criterion(model(one), two) / 4).backward()
            if number % 4 == 3:
                optimizer.step()
                if after:
                    optimizer.zero_grad()
    return said(doctor)


def accumulation_cleared_twice():
    return accumulation_cleared(after=True)


# B10: numbers too small for the type


def half_with_adam():
    x, y = numbers()
    torch.manual_seed(0)
    model, criterion = dense().half(), nn.CrossEntropyLoss()
    optimizer = adam(model, 1e-3)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x.half(), y):
            optimizer.zero_grad()
            criterion(model(one), two).backward()
            optimizer.step()
    return said(doctor)


# B11: the criterion's own numbers


def weighted(*weight):
    x, y = classes()
    model = dense(8, 4)
    return loop(model, adam(model), nn.CrossEntropyLoss(weight=torch.tensor(weight)), x, y)


def infinite_weights():
    return weighted(1.0, 1.0, math.inf, 1.0)


def nan_weights():
    return weighted(1.0, math.nan, 1.0, 1.0)


def zero_weights():
    return weighted(0.0, 0.0, 0.0, 0.0)


# B12: the order of axes


def transposed_and_reshaped():
    x, y = sentences()
    model, criterion = Tagger(), nn.CrossEntropyLoss()  # gives (rows, tags, steps)
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for one, two in batches(x, y):
            optimizer.zero_grad()
            criterion(model(one).reshape(-1, 3), two.reshape(-1)).backward()
            optimizer.step()
    return said(doctor)


class Steps(nn.Module):
    """(rows, steps, tags) of (rows, steps)."""

    def __init__(self, tags):
        super().__init__()
        self.embed, self.out = nn.Embedding(12, 16), nn.Linear(16, tags)

    def forward(self, x):
        return self.out(torch.tanh(self.embed(x)))


def steps_for_classes():
    x, y = sentences(steps=3)
    model = Steps(3)
    return loop(model, adam(model), nn.CrossEntropyLoss(), x, y)


# B17: evaluation mode is never taken back


def left_in_evaluation_mode():
    x, y = classes()
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    criterion, optimizer = nn.CrossEntropyLoss(), adam(model, 1e-3)
    x = 30 * x + 100
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for epoch in range(10):
            for one, two in batches(x[:160], y[:160], 1, seed=epoch):
                optimizer.zero_grad()
                criterion(model(one), two).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                criterion(model(x[160:]), y[160:])
    return said(doctor)


# B18: the loop itself raises


def raising(program):
    """What the doctor says of a loop that raised."""
    doctor = None
    try:
        for doctor in program():  # noqa: B007
            pass
    except (RuntimeError, ValueError, IndexError):
        pass
    return said(doctor)


def last_batch_of_one_row():
    def program():
        x, y = classes(145)
        model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
        criterion, optimizer = nn.CrossEntropyLoss(), adam(model)
        with tenfold.watch(model, optimizer, criterion) as doctor:
            yield doctor
            for one, two in batches(x, y):
                optimizer.zero_grad()
                criterion(model(one), two).backward()
                optimizer.step()

    return raising(program)


def labels_from_one():
    def program():
        x, y = classes()
        model, criterion = dense(8, 4), nn.CrossEntropyLoss()
        optimizer = adam(model)
        with tenfold.watch(model, optimizer, criterion) as doctor:
            yield doctor
            for one, two in zip(x.split(16), (y + 1).split(16), strict=True):
                optimizer.zero_grad()
                criterion(model(one), two).backward()
                optimizer.step()

    return raising(program)


def backward_on_a_cut_path():
    def program():
        x, y = numbers()
        model, criterion = dense(), nn.CrossEntropyLoss()
        optimizer = adam(model)
        with tenfold.watch(model, optimizer, criterion) as doctor:
            yield doctor
            for one, two in batches(x, y):
                optimizer.zero_grad()
                criterion(torch.tensor(model(one).tolist()), two).backward()
                optimizer.step()

    return raising(program)


# another model's optimizer; the same batch


def optimizer_of_another_model():
    x, y = numbers()
    model, other, criterion = dense(), dense(), nn.CrossEntropyLoss()
    optimizer = adam(other)
    return loop(model, optimizer, criterion, x, y)


def the_same_batch():
    x, y = classes(192, 24, 6, seed=3)
    x = x / 3
    model, criterion = dense(24, 6, 64), nn.CrossEntropyLoss()
    optimizer = adam(model)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for _ in range(60):
            optimizer.zero_grad()
            criterion(model(x[:12]), y[:12]).backward()
            optimizer.step()
        with torch.no_grad():
            criterion(model(x[96:]), y[96:])
    return said(doctor)


# name: (program, the cause that stands first)
FAULTY = {
    "every_target_ignored": (every_target_ignored, "ignored_targets"),
    "kl_of_probabilities": (kl_of_probabilities, "criterion_space"),
    "hinge_of_zeros": (hinge_of_zeros, "criterion_space"),
    "poisson_of_negative_rates": (poisson_of_negative_rates, "criterion_space"),
    "nan_of_the_other_branch": (nan_of_the_other_branch, "hidden_nan_gradient"),
    "nan_behind_a_normalization": (nan_behind_a_normalization, "hidden_nan_gradient"),
    "normalized_over_rows": (normalized_over_rows, "rows_mixed"),
    "time_for_rows": (time_for_rows, "rows_mixed"),
    "schedule_in_the_batch_loop": (schedule_in_the_batch_loop, "schedule"),
    "warm_up_by_epochs": (warm_up_by_epochs, "schedule"),
    "layers_in_a_list": (layers_in_a_list, "unregistered_parameters"),
    "layers_in_a_dict": (layers_in_a_dict, "unregistered_parameters"),
    "cleared_before_the_step": (cleared_before_the_step, "order_of_calls"),
    "cleared_by_the_model": (cleared_by_the_model, "order_of_calls"),
    "no_backward": (no_backward, "order_of_calls"),
    "no_step": (no_step, "order_of_calls"),
    "detached_output": (detached_output, "cut_path"),
    "detached_inside": (detached_inside, "cut_path"),
    "numpy_inside": (numpy_inside, "cut_path"),
    "a_new_tensor_inside": (a_new_tensor_inside, "cut_path"),
    "rounded_inside": (rounded_inside, "cut_path"),
    "thresholded_output": (thresholded_output, "cut_path"),
    "rounded_output": (rounded_output, "cut_path"),
    "accumulation_cleared": (accumulation_cleared, "order_of_calls"),
    "accumulation_cleared_twice": (accumulation_cleared_twice, "order_of_calls"),
    "half_with_adam": (half_with_adam, "optimizer_epsilon"),
    "infinite_weights": (infinite_weights, "criterion_numbers"),
    "nan_weights": (nan_weights, "criterion_numbers"),
    "zero_weights": (zero_weights, "criterion_numbers"),
    "transposed_and_reshaped": (transposed_and_reshaped, "axes_order"),
    "steps_for_classes": (steps_for_classes, "axes_order"),
    "left_in_evaluation_mode": (left_in_evaluation_mode, "batch_norm_misuse"),
    "last_batch_of_one_row": (last_batch_of_one_row, "loop_error"),
    "labels_from_one": (labels_from_one, "loop_error"),
    "backward_on_a_cut_path": (backward_on_a_cut_path, "cut_path"),
    "optimizer_of_another_model": (optimizer_of_another_model, "foreign_optimizer"),
    "the_same_batch": (the_same_batch, "same_batch"),
}
