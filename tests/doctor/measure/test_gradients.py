"""Gradients taken again: curvature, noise and checks with known answers."""

import copy

import pytest
import torch
from torch import nn

from tenfold.doctor.measure.numbers.gradients import against_recorded, check_gradient, curvature, mean_gradient, noise
from tenfold.doctor.measure.numbers.pipeline import Pipeline
from tenfold.doctor.measure.numbers.rows import RowBatch
from tenfold.doctor.measure.watching.watched import ObservedBatch, Watched
from tenfold.doctor.record import Curves, UpdateSizes

NUMBERS = Pipeline(nn.MSELoss(), "", (1,), "numbers", 0)


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_gradient_is_that_of_the_mean_loss_and_zero_where_it_does_not_reach():
    model = nn.ModuleDict({"used": nn.Linear(3, 1), "idle": nn.Linear(3, 1)}).double()
    model.forward = lambda x: model["used"](x)
    x, y = drawn(20, 3), drawn(20, 1, seed=1)
    found = mean_gradient(model, RowBatch((x,), {}, y), NUMBERS)
    error = model["used"](x) - y
    expected = (2 * error.T @ x / 20, 2 * error.mean(0), torch.zeros(1, 3), torch.zeros(1))
    for one, two in zip(found, expected, strict=True):
        assert torch.allclose(one, two.double(), rtol=1e-12, atol=1e-12)
    assert all(p.grad is None for p in model.parameters())


def test_curvature_of_linear_least_squares_is_known():
    """H = 2 X'X / n for the mean of the squares, without bias."""
    model = nn.Linear(4, 1, bias=False).double()
    x = drawn(50, 4) * torch.tensor([4.0, 1.0, 0.5, 0.1])
    expected = float(torch.linalg.eigvalsh(2 * x.T @ x / 50)[-1])
    assert curvature(model, RowBatch((x,), {}, drawn(50, 1, seed=1)), NUMBERS) == pytest.approx(expected, rel=1e-6)


def test_curvature_is_that_of_the_whole_hessian_of_a_network():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    rows, shapes = RowBatch((drawn(30, 3),), {}, drawn(30, 1, seed=1)), [p.shape for p in model.parameters()]

    def loss(flat):
        pieces = flat.split([s.numel() for s in shapes])
        named = {n: v.reshape(s) for (n, _), v, s in zip(model.named_parameters(), pieces, shapes, strict=True)}
        return NUMBERS.loss(torch.func.functional_call(model, named, rows.inputs), rows.target)

    whole = torch.autograd.functional.hessian(loss, torch.cat([p.detach().flatten() for p in model.parameters()]))
    values = torch.linalg.eigvalsh(whole)
    found, largest = curvature(model, rows, NUMBERS), float(values[values.abs().argmax()])
    assert found == pytest.approx(largest, rel=0.03)
    assert found <= largest
    flat = Pipeline(lambda output, target: output.sum() * 0 + 1, "", (1,), "numbers", 0)
    assert curvature(model, rows, flat) == 0.0


def test_the_noise_scale_of_gradients_with_known_mean_and_covariance():
    """The loss mean(w'x) has the gradient mean(x): tr(S) / |G|^2 is that of the rows themselves."""
    linear = Pipeline(lambda output, target: output.mean(), "", (1,), "numbers", 0)
    model = nn.Linear(40, 1, bias=False).double()
    spread, centre = 0.5, 0.2
    x = centre + spread * drawn(8 * 64, 40)
    parts = [RowBatch((piece,), {}, torch.zeros(64, 1)) for piece in x.split(64)]
    expected = 40 * spread**2 / (40 * centre**2)
    assert noise(model, parts, linear) == pytest.approx(expected, rel=0.25)
    stack = torch.stack([piece.mean(0) for piece in x.split(64)])
    variance = float(stack.var(0).sum())
    exact = 64 * variance / (float(stack.mean(0).square().sum()) - variance / 8)
    assert noise(model, parts, linear) == pytest.approx(exact, rel=1e-9)
    assert noise(model, parts[:3], linear) is None
    opposed = [RowBatch((sign * x[:64],), {}, torch.zeros(64, 1)) for sign in (1, -1, 1, -1)]
    assert noise(model, opposed, linear) == float("inf")


class Scaled(torch.autograd.Function):
    """sin, with a gradient too large by a factor."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x.sin()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].cos() * ctx.factor, None


class Wrong(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.linear, self.factor = nn.Linear(4, 3), factor

    def forward(self, x):
        return Scaled.apply(self.linear(x), self.factor)


@pytest.mark.parametrize(("factor", "error"), [(1.0, 0.0), (1.01, 0.01 / 1.01), (2.0, 0.5)])
def test_the_check_finds_a_wrong_backward_pass(factor, error):
    torch.manual_seed(0)
    model, x, y = Wrong(factor), drawn(10, 4).float(), drawn(10, 3, seed=1).float()
    before = copy.deepcopy(model.state_dict())
    pipeline = Pipeline(nn.MSELoss(), "", (3,), "numbers", 0)
    assert check_gradient(model, RowBatch((x,), {}, y), pipeline) == pytest.approx(error, rel=1e-3, abs=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def trained(model, *, zero=True, sign=1.0, factor=lambda n: 1.0, penalty=0.0, steps=6):
    """A plain loop, watched by hand."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    start, batches, updates = copy.deepcopy(model.state_dict()), [], []
    snapshots = [(0, copy.deepcopy(model.state_dict()))]
    for step in range(steps):
        x, y = drawn(32, 4, seed=step) + 1, drawn(32, 1, seed=50 + step) + 3
        if zero:
            optimizer.zero_grad()
        output = model(x)
        loss = nn.functional.mse_loss(output, y)
        (sign * factor(step) * loss + penalty * next(model.parameters()).square().sum()).backward()
        norms = [float(p.grad.norm()) if p.grad is not None else None for p in model.parameters()]
        before = [p.detach().clone() for p in model.parameters()]
        optimizer.step()
        moved = [float((p.detach() - b).norm()) for p, b in zip(model.parameters(), before, strict=True)]
        updates.append(UpdateSizes(step, moved, [float(b.norm()) for b in before], norms))
        batches.append(ObservedBatch(step, (x,), {}, output.detach(), output.detach(), y, float(loss.detach()), True))
        snapshots.append((step + 1, copy.deepcopy(model.state_dict())))
    curves = Curves([], updates=updates)
    watched = Watched(model, nn.MSELoss(), [optimizer], [[{"lr": 1e-3}]], start, snapshots, batches, [], curves, steps)
    return against_recorded(copy.deepcopy(model), watched, NUMBERS)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).double()


@pytest.mark.slow
def test_a_plain_loop_agrees_with_itself():
    found = trained(network())
    assert found["gradient_ratio"] == pytest.approx(1.0, rel=1e-9)
    assert found["gradient_ratio_later"] == pytest.approx(1.0, rel=1e-9)
    assert found["gradient_shape"] == pytest.approx(1.0, rel=1e-9)
    assert found["descent"] == pytest.approx(1.0, rel=1e-6)


def test_gradients_that_are_never_zeroed_grow_with_the_updates():
    found = [trained(network(), zero=False, steps=steps) for steps in (2, 4, 8)]
    assert all(f["gradient_ratio"] == pytest.approx(1.0, rel=1e-9) for f in found)
    later = [f["gradient_ratio_later"] for f in found]
    assert later[0] == pytest.approx(2.0, rel=0.15)
    assert later[1] == pytest.approx(4.0, rel=0.2)
    assert later[0] < later[1] < later[2]


def test_a_flipped_sign_climbs():
    assert trained(network(), sign=-1.0)["descent"] == pytest.approx(-1.0, rel=1e-6)


def test_a_scaled_gradient_keeps_its_shape_and_a_penalty_does_not():
    found = trained(network(), factor=lambda step: 0.5)
    assert found["gradient_ratio"] == pytest.approx(0.5, rel=1e-9)
    assert found["gradient_shape"] == pytest.approx(1.0, rel=1e-9)
    model = network()
    x, y = drawn(32, 4) + 1, drawn(32, 1, seed=50) + 3  # the first batch
    data = torch.autograd.grad(nn.functional.mse_loss(model(x), y), list(model.parameters()))
    whole = [data[0] + 2 * 0.7 * model[0].weight, *data[1:]]
    size = lambda tensors: float(torch.cat([t.flatten() for t in tensors]).norm().detach())  # noqa: E731
    ratio = size(whole[:1]) / size(data[:1])
    found = trained(model, penalty=0.7)
    assert found["gradient_ratio"] == pytest.approx(size(whole) / size(data), rel=1e-9)
    assert found["gradient_shape"] == pytest.approx(max(ratio, 1 / ratio), rel=1e-9)


def test_only_what_can_be_compared_is():
    model = network()
    curves = Curves([], updates=[UpdateSizes(3, [], [], [])])
    watched = Watched(model, nn.MSELoss(), [], [], {}, [], [], [], curves, 4)
    assert against_recorded(model, watched, NUMBERS) == {}


def test_a_frozen_parameter_is_left_out():
    model = network()
    model[0].weight.requires_grad_(False)
    found = trained(model)
    assert found["gradient_ratio"] == pytest.approx(1.0, rel=1e-9)
    assert found["gradient_shape"] == pytest.approx(1.0, rel=1e-9)
    assert found["descent"] == pytest.approx(1.0, rel=1e-6)


def test_random_states_stay():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 1)).double()
    rows = RowBatch((drawn(10, 4),), {}, drawn(10, 1))
    state = torch.get_rng_state()
    mean_gradient(model, rows, NUMBERS)
    curvature(model, rows, NUMBERS)
    check_gradient(model, rows, NUMBERS)
    assert torch.equal(state, torch.get_rng_state())
