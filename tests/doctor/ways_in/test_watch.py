"""Watching changes nothing, sees what happened, and leaves nothing behind."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import tenfold


def rows(count=96, columns=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, columns, generator=generator)
    return x, (x[:, 0] - x[:, 1] > 0).long()


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(24, 2)
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        return self.out(self.drop(F.relu(self.norm(self.conv(x.reshape(-1, 1, 2, 3))))).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(2, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        return self.out(self.lstm(x.reshape(-1, 3, 2))[0][:, -1])


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.middle, self.out = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(torch.tanh(self.middle(torch.tanh(self.middle(self.into(x))))))


def dense():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))


def train(model, optimizer, criterion, doctor=None, epochs=3, accumulate=1, autocast=False):
    """The weights and losses of a plain loop."""
    x, y = rows()
    losses = []
    for _ in range(epochs):
        for number, part in enumerate(torch.randperm(len(x)).split(16)):

            def closure(part=part, number=number):
                if number % accumulate == 0:
                    optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                    output = model(x[part])
                    loss = criterion(output, y[part])
                if doctor is not None and not isinstance(criterion, nn.Module):
                    doctor.observe(output, y[part], loss)
                loss.backward()
                losses.append(loss.item())
                return loss

            if isinstance(optimizer, torch.optim.LBFGS):
                optimizer.step(closure)
            else:
                closure()
                if number % accumulate == accumulate - 1:
                    optimizer.step()
        model.eval()
        with torch.no_grad():
            criterion(model(x[:32]), y[:32])
        model.train()
    return losses, [p.detach().clone() for p in model.parameters()]


def randomness():
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


CASES = {
    "dense": (dense, lambda p: torch.optim.Adam(p, 1e-2), nn.CrossEntropyLoss(), {}),
    "momentum": (dense, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), nn.CrossEntropyLoss(), {}),
    "convolutional": (Convolutional, lambda p: torch.optim.Adam(p, 1e-2), nn.CrossEntropyLoss(), {}),
    "recurrent": (Recurrent, lambda p: torch.optim.RMSprop(p, 1e-3), nn.CrossEntropyLoss(), {}),
    "shared": (Shared, lambda p: torch.optim.Adam(p, 1e-2), nn.CrossEntropyLoss(), {}),
    "closure": (dense, lambda p: torch.optim.LBFGS(p, 0.5, max_iter=3), nn.CrossEntropyLoss(), {}),
    "accumulated": (dense, lambda p: torch.optim.Adam(p, 1e-2), nn.CrossEntropyLoss(), {"accumulate": 2}),
    "autocast": (dense, lambda p: torch.optim.Adam(p, 1e-2), nn.CrossEntropyLoss(), {"autocast": True}),
    "function": (dense, lambda p: torch.optim.Adam(p, 1e-2), F.cross_entropy, {}),
    "compiled": (
        lambda: torch.compile(dense(), backend="eager"),
        lambda p: torch.optim.Adam(p, 1e-2),
        nn.CrossEntropyLoss(),
        {},
    ),
}


@pytest.mark.parametrize("schedule", ["default", "sparse"])
@pytest.mark.parametrize("case", CASES)
def test_a_watched_training_is_bit_for_bit_the_same_and_leaves_nothing_behind(case, schedule):
    make, optimizer_of, criterion, options = CASES[case]
    torch.manual_seed(3)
    model = make()
    optimizer = optimizer_of(model.parameters())
    plain = train(model, optimizer, criterion, **options)
    state = randomness()
    torch.manual_seed(3)
    model = make()
    optimizer = optimizer_of(model.parameters())
    own = model.register_forward_hook(lambda *_: None)
    with tenfold.watch(model, optimizer, criterion, schedule=schedule) as doctor:
        watched = train(model, optimizer, criterion, doctor, **options)
    assert plain[0] == watched[0]
    assert all(torch.equal(one, two) for one, two in zip(plain[1], watched[1], strict=True))
    assert randomness() == state
    assert list(model._forward_hooks) == [own.id]
    own.remove()
    assert not model._forward_pre_hooks
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert not isinstance(criterion, nn.Module) or not criterion._forward_hooks
    found = doctor.watched()
    assert found.steps == (9 if case == "accumulated" else 18)
    assert found.curves.loss
    assert found.batches[0].target.shape == (16,)
    if case != "compiled":
        copy.deepcopy(model)
        pickle.dumps(model.state_dict())


def test_update_sizes_are_what_a_hand_written_loop_measures():
    torch.manual_seed(0)
    x, y = rows()
    model = dense().double()
    x = x.double()
    optimizer, criterion = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), nn.CrossEntropyLoss()
    moved, gradients = [], []
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for part in torch.arange(96).split(16):
            before = [p.detach().clone() for p in model.parameters()]
            optimizer.zero_grad()
            criterion(model(x[part]), y[part]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            gradients.append([float(p.grad.norm()) for p in model.parameters()])
            optimizer.step()
            moved.append([float((p.detach() - b).norm()) for p, b in zip(model.parameters(), before, strict=True)])
    for sample in doctor.watched().curves.updates:
        np.testing.assert_allclose(sample.update, moved[sample.step], rtol=1e-12)
        np.testing.assert_allclose(sample.gradient, gradients[sample.step], rtol=1e-12)
    assert [u.step for u in doctor.watched().curves.updates][:4] == [0, 1, 2, 3]


def test_two_optimizers_are_watched_together():
    torch.manual_seed(0)
    x, y = rows()
    model, criterion = dense(), nn.CrossEntropyLoss()
    one, two = torch.optim.Adam(model[0].parameters(), 1e-2), torch.optim.SGD(model[2].parameters(), 0.1)
    with tenfold.watch(model, [one, two], criterion) as doctor:
        for part in torch.arange(96).split(16):
            one.zero_grad()
            two.zero_grad()
            criterion(model(x[part]), y[part]).backward()
            one.step()
            two.step()
    found = doctor.watched()
    assert found.steps == 6
    assert all(size is not None and size > 0 for size in found.curves.updates[-1].update)
    assert [type(o).__name__ for o in found.optimizers] == ["Adam", "SGD"]


def test_an_exception_in_the_doctor_is_a_note_and_one_in_the_loop_goes_on(monkeypatch):
    torch.manual_seed(0)
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())

    def broken(*_):
        raise ValueError("out of order")

    with tenfold.watch(model, optimizer, criterion) as doctor:
        monkeypatch.setattr(doctor.sampler, "before", broken)
        train(model, optimizer, criterion, doctor, epochs=1)
    assert any("out of order" in note for note in doctor.watched().notes)
    with pytest.raises(KeyError, match="mine"), tenfold.watch(model, optimizer, criterion):
        raise KeyError("mine")
    assert not model._forward_hooks
    assert not optimizer._optimizer_step_pre_hooks


def test_the_first_number_that_is_not_finite_is_named():
    torch.manual_seed(0)
    x, y = rows()
    model, criterion = dense(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x[40, 2] = float("inf")
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for part in torch.arange(96).split(16):
            optimizer.zero_grad()
            criterion(model(x[part]), y[part]).backward()
            optimizer.step()
    bad = doctor.watched().curves.non_finite
    assert (bad.step, bad.what) == (2, "the input")


def looped(criterion, called, lr=1e-2, evaluated=None):
    torch.manual_seed(0)
    model = dense()
    optimizer = torch.optim.Adam(model.parameters(), lr)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        train(model, optimizer, called, epochs=1)
        if evaluated is not None:
            with torch.no_grad():
                evaluated(model(rows()[0]), rows()[1])
    return doctor


def test_a_criterion_that_the_loop_never_called_is_refused():
    with pytest.raises(
        tenfold.BadInput, match=r"CrossEntropyLoss\) was not called in the block, though .* 6 updates"
    ) as e:
        looped(nn.CrossEntropyLoss(), F.cross_entropy).diagnose()
    assert "the criterion object that the loop calls, or call doctor.observe(output, target, loss)" in e.value.do
    mine = nn.CrossEntropyLoss()
    with pytest.raises(tenfold.BadInput, match="was not called in the block, only without gradients"):
        looped(mine, F.cross_entropy, evaluated=mine).diagnose()


@pytest.mark.parametrize("criterion", [None, F.cross_entropy])
def test_without_a_loss_that_is_seen_no_health_is_claimed_and_nothing_is_made_up(criterion):
    sound = looped(criterion, F.cross_entropy).diagnose()
    assert any("observe" in note for note in sound.notes)
    assert "Healthy" not in sound.report()
    assert "Whether it learns was not looked at" in sound.report()
    assert [note for note in sound.notes if "no loss was seen" in note] == sound.notes
    assert [op.rule for op in sound.record.facts.operations] == ["linear", "relu", "linear"]
    ill = looped(None, F.cross_entropy, lr=10.0).diagnose()
    assert ill.findings[0].cause == "lr_too_high"
    for finding in ill.findings:
        assert not any(word in said for said in finding.evidence for word in (" rows", "target", "the loss", "skill"))


def test_a_task_is_known_by_its_targets_where_the_way_to_the_criterion_is_not():
    torch.manual_seed(0)
    model, inner = dense(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    with tenfold.watch(model, optimizer, inner) as doctor:
        train(model, optimizer, lambda output, target: inner(output**3, target), epochs=2)
    diagnosis = doctor.diagnose(prove=False)
    assert (diagnosis.record.facts.task, diagnosis.record.facts.classes) == ("classes", 2)
    assert "targets that are numbers" not in diagnosis.report()


def test_a_second_block_is_refused_and_a_wrong_schedule_too():
    model = dense()
    optimizer = torch.optim.Adam(model.parameters())
    watch = tenfold.watch(model, optimizer)
    with pytest.raises(RuntimeError, match="nothing was watched"):
        watch.watched()
    with watch:
        pass
    with pytest.raises(tenfold.BadInput, match=r"made no update \(0 losses were seen\)"):
        watch.diagnose()
    with pytest.raises(RuntimeError, match="already"), watch:
        pass
    with pytest.raises(ValueError, match="schedule"):
        tenfold.watch(model, optimizer, schedule="often")
