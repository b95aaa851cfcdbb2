"""Odd modules, losses and loops: under the doctor they do what they do without it, and a diagnosis comes, or is refused
in its own words."""

import copy
import dataclasses
import random
import warnings

import pytest
import torch
from torch import nn

import tenfold

COUNT = 200
UPDATES = 5


@dataclasses.dataclass
class Pair:
    first: object
    second: object


class Unhappy:
    """An attribute that cannot be copied."""

    def __deepcopy__(self, memo):
        raise RuntimeError("not to be copied")


GIVES = {
    "tensor": lambda z: z,
    "tuple": lambda z: (z, z * 2),
    "nested": lambda z: ((z, [z]), {"deep": (z,)}),
    "dict": lambda z: {"name": "x", "out": z},
    "dataclass": lambda z: Pair("x", z),
    "list": lambda z: [None, z],
    "number first": lambda z: (3, z),
    "nothing": lambda z: None,
    "whole": lambda z: z.argmax(-1),
    "scalar": lambda z: z.sum(),
    "empty": lambda z: z[:0],
    "complex": lambda z: torch.complex(z, z),
    "huge": lambda z: z * 1e38,
    "view": lambda z: z.T.T[..., :],
    "double": lambda z: z.double(),
}
INSIDE = {
    "plain": lambda m, x: m.out(torch.relu(m.into(x))),
    "in place": lambda m, x: m.out(m.into(x).relu_().mul_(2.0)),
    "under no_grad": lambda m, x: m.out(_without(m, x)),
    "buffers": lambda m, x: _counted(m, x),
    "no parameters": lambda m, x: x[:, :2],
    "raises late": lambda m, x: _late(m, x),
    "random": lambda m, x: m.out(torch.relu(m.into(x)) * torch.rand(16)),
    "shared": lambda m, x: m.out(torch.relu(m.into(x))) + m.out(torch.relu(m.into(-x))),
    "new tensor": lambda m, x: m.out(torch.tensor(torch.relu(m.into(x)).tolist())),
    "itself": lambda m, x: m.out(torch.relu(m.into(x))) if x.dim() == 2 else m(x.flatten(1)),
    "nan": lambda m, x: m.out(torch.relu(m.into(x)) / 0.0),
}


def _without(module, x):
    with torch.no_grad():
        return torch.relu(module.into(x))


def _counted(module, x):
    module.count += 1
    return module.out(torch.relu(module.into(x))) + 0.0 * module.count


def _late(module, x):
    module.calls += 1
    if module.calls > 3:
        raise ValueError("late")
    return module.out(torch.relu(module.into(x)))


class Odd(nn.Module):
    def __init__(self, inside, gives, unhappy):
        super().__init__()
        self.inside, self.gives, self.calls = inside, gives, 0
        if inside != "no parameters":
            self.into, self.out = nn.Linear(6, 16), nn.Linear(16, 2)
        self.register_buffer("count", torch.zeros(()))
        if unhappy:
            self.unhappy = Unhappy()

    def forward(self, x, scale=1.0):
        return GIVES[self.gives](INSIDE[self.inside](self, x) * scale)


def first(value):
    """Some tensor of an output, as its author knows where it is."""
    if isinstance(value, torch.Tensor):
        return value
    if dataclasses.is_dataclass(value):
        value = [value.first, value.second]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for item in value if (found := first(item)) is not None), None)
    return None


class Own(nn.Module):
    """A criterion that takes what there is."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, output, target):
        z = first(output)
        if z is None:
            return torch.zeros(())
        z = z.real if z.is_complex() else z
        loss = z.float().square()
        return loss if self.kind == "vector" else loss.sum() if self.kind == "sum" else loss.mean()


def program(seed, unhappy=True):
    draw = random.Random(seed)
    torch.manual_seed(seed)
    inside, gives = draw.choice(list(INSIDE)), draw.choice(list(GIVES))
    model = Odd(inside, gives, unhappy and draw.random() < 0.1)
    if draw.random() < 0.1:
        model = model.to("meta")
    elif draw.random() < 0.15:
        model = model.double()
    kind = draw.choice(["Adam", "SGD", "RMSprop", "Adagrad", "Rprop", "Adamax"])
    parameters = list(model.parameters()) or [nn.Parameter(torch.zeros(3))]
    optimizer = getattr(torch.optim, kind)(parameters, lr=draw.choice([1e-3, 0.1, 1e4]))
    target = draw.choice([torch.zeros(8).long(), torch.randn(8, 2), None, {"y": torch.ones(8)}, "y", torch.tensor(1.0)])
    some = next(iter(model.parameters()), torch.zeros(()))
    x = torch.randn(8, 6).to(some.device, some.dtype)
    return model, optimizer, Own(draw.choice(["mean", "sum", "vector"])), x, target, draw.random() < 0.3


def train(model, optimizer, criterion, x, target, keywords, doctor=None):
    for number in range(UPDATES):
        optimizer.zero_grad()
        output = model(x, scale=0.5) if keywords else model(x)
        loss = criterion(output, target)
        if doctor is not None and number % 2:
            doctor.observe(output, target, loss)
        if loss.requires_grad:
            loss.sum().backward()
        optimizer.step()
    if number:
        model.eval()
        with torch.no_grad():
            criterion(model(x), target)


def ended(*given, doctor=None):
    """The error that a loop ends with, as words."""
    torch.manual_seed(1)
    try:
        train(*given, doctor=doctor)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def same(one, two):
    return all(
        p.is_meta or torch.equal(p.nan_to_num(), q.nan_to_num())
        for p, q in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("part", range(4))
def test_an_odd_loop_does_the_same_under_the_doctor(part):
    for seed in range(part, COUNT, 4):
        plain = program(seed)
        expected = ended(*plain)
        model, optimizer, criterion, *rest = program(seed)
        found = None
        try:
            with tenfold.watch(model, optimizer, criterion) as doctor:
                found = ended(model, optimizer, criterion, *rest, doctor=doctor)
                if found:
                    raise ArithmeticError(found)
        except ArithmeticError:
            pass
        assert found == expected, seed
        assert same(plain[0], model), seed
        assert "zero_grad" not in vars(optimizer)
        assert not model._forward_hooks
        assert not optimizer._optimizer_step_pre_hooks


def diagnosed(seed):
    model, optimizer, criterion, *rest = program(seed)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        ended(model, optimizer, criterion, *rest, doctor=doctor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert doctor.diagnose(prove=False, budget=0.01).report()
        except tenfold.BadInput as error:
            assert error.do


def looked_at(seed):
    model, _, criterion, x, target, _ = program(seed)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        assert tenfold.preflight(model, x, target, criterion).report()
    except tenfold.BadInput as error:
        assert error.do
    assert all(value.is_meta or torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("seed", [pytest.param(s, marks=[] if s < 4 else pytest.mark.slow) for s in range(COUNT)])
def test_an_odd_loop_is_diagnosed_or_refused(seed):
    diagnosed(seed)


@pytest.mark.parametrize("seed", [pytest.param(s, marks=[] if s < 3 else pytest.mark.slow) for s in range(COUNT)])
def test_an_odd_module_is_looked_at_before_any_training_or_refused(seed):
    looked_at(seed)


def test_a_copy_that_is_made_in_the_loop_is_not_watched():
    torch.manual_seed(0)
    model, criterion = nn.Linear(6, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = torch.randn(16, 6), torch.zeros(16).long()
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for _ in range(3):
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            copy.deepcopy(model)(x[:2])
            optimizer.step()
    assert [len(batch.inputs[0]) for batch in doctor.watched().batches] == [16] * 3
    assert doctor.watched().loop.orders == ["ZFCBS"] * 3
