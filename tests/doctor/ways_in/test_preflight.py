"""Before any training: sound networks raise no alarm, faults do, and neither depends on the machine."""

import copy

import pytest
import torch
from sklearn.datasets import load_digits, make_friedman1
from torch import nn

import tenfold
from tenfold.doctor.prove import attempts, cost

X, LABELS = (torch.tensor(part) for part in load_digits(return_X_y=True))
SLOW = pytest.mark.slow
DIGITS = (X / 16).float()  # 0 to 1, as images are given to networks every day


def dense(seed, *, width=32, depth=2, activation=nn.ReLU, inputs=64, outputs=10):
    torch.manual_seed(seed)
    layers = [nn.Linear(inputs, width), activation()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def looked(model, x=DIGITS, y=LABELS, criterion=None):
    return tenfold.preflight(model, x, y, criterion or nn.CrossEntropyLoss())


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in (1, 2, 3))])
def test_a_sound_network_of_any_start(seed):
    diagnosis = looked(dense(seed))
    assert diagnosis.healthy, diagnosis.report()


@SLOW
@pytest.mark.parametrize("activation", [nn.Tanh, nn.GELU])
def test_a_sound_network_of_another_activation(activation):
    assert looked(dense(0, activation=activation)).healthy


@SLOW
def test_a_sound_network_of_numbers():
    x, y = make_friedman1(600, noise=0.5, random_state=0)
    x, y = torch.tensor(x).float(), torch.tensor((y - y.mean()) / y.std()).float()[:, None]
    assert looked(dense(0, inputs=10, outputs=1), (x - 0.5) * 3.46, y, nn.MSELoss()).healthy


@SLOW
def test_a_sound_network_of_images():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10))
    assert looked(model, DIGITS.reshape(-1, 1, 8, 8)).healthy


def zeros():
    model = dense(0)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.weight)
    return (model,)


def deep():
    return (dense(0, depth=10, activation=nn.Sigmoid),)


def shuffled():
    return dense(0), DIGITS, LABELS[torch.randperm(len(LABELS), generator=torch.Generator().manual_seed(0))]


def unscaled():
    return dense(0), DIGITS * 1e4


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (unscaled, "unscaled_inputs"),
        pytest.param(zeros, "constant_init", marks=SLOW),
        pytest.param(deep, "hidden_activation", marks=SLOW),
    ],
)
def test_a_fault_of_data_or_network_is_named(fault, cause):
    assert looked(*fault()).findings[0].cause == cause


@SLOW
def test_a_hard_task_and_shuffled_labels_are_not_told_apart_before_any_training():
    torch.manual_seed(0)
    bits = torch.randint(2, (512, 12)).float()
    parity = dense(0, inputs=12, outputs=2), bits, (bits.sum(1) % 2).long()
    for given in (shuffled(), parity):
        found = looked(*given)
        assert found.healthy
        assert "Whether it learns is not judged: nothing learns" in found.report()


@SLOW
def test_a_network_that_learns_slowly_at_the_rate_that_is_tried_raises_no_alarm():
    found = looked(dense(0, activation=nn.Sigmoid))
    assert 0.5 < found.record.reached("as_is") < found.record.most_reached - 0.2
    assert found.healthy


@SLOW
def test_neither_the_threads_nor_the_call_change_the_diagnosis():
    model = dense(1)
    before, threads = copy.deepcopy(model.state_dict()), torch.get_num_threads()
    records = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            diagnosis = looked(model)
            assert torch.get_num_threads() == count
            records.append((diagnosis.record.trials, diagnosis.report()))
    finally:
        torch.set_num_threads(threads)
    assert records[0] == records[1]
    assert records[0][0][0].steps == attempts.SETTLED
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_network_whose_updates_take_long_gets_fewer_and_a_note(monkeypatch):
    monkeypatch.setattr(attempts, "PATIENCE", 0.1)
    model = dense(0, activation=nn.Tanh)
    diagnosis = looked(model)
    assert attempts.FEWEST <= diagnosis.record.trials[0].steps < attempts.SETTLED
    assert any("a slow start may look ill" in note for note in diagnosis.notes)


def test_what_an_update_costs_is_counted():
    n, i, o = 32, 100, 50  # rows, inputs, outputs
    weight, x = torch.randn(i, o, generator=torch.Generator().manual_seed(0)), torch.ones(n, i)
    found = cost.seconds_per_update(lambda updates: [x @ weight for _ in range(updates)])
    assert found == pytest.approx(cost.OPERATION + 2 * n * i * o * cost.ARITHMETIC + n * o * cost.NUMBER)
    assert cost.seconds_per_update(lambda updates: None) == cost.OPERATION  # never nothing


def test_what_does_not_fit_is_said():
    with pytest.raises(tenfold.BadInput, match=r"the model cannot be called.*\(32, 64\) of float64"):
        looked(dense(0), x=DIGITS.double())
    with pytest.raises(tenfold.BadInput, match=r"the criterion cannot be called.*of float32"):
        looked(dense(0), y=LABELS.float())


class Hidden(nn.Module):
    """64-16-10, with something done to the hidden layer, whose first layer stands in a container."""

    def __init__(self, kind=nn.ModuleList, then=lambda h: h, last=lambda z: z):
        super().__init__()
        self.layers, self.out, self.then, self.last = kind([nn.Linear(64, 16)]), nn.Linear(16, 10), then, last

    def forward(self, x):
        return self.last(self.out(self.then(torch.relu(self.layers[0](x)))))


@pytest.mark.parametrize(
    ("model", "criterion", "cause"),
    [
        (lambda: Hidden(list), nn.CrossEntropyLoss(), "unregistered_parameters"),
        (lambda: Hidden(then=lambda h: h.detach()), nn.CrossEntropyLoss(), "cut_path"),
        (lambda: Hidden(then=lambda h: torch.tensor(h.tolist())), nn.CrossEntropyLoss(), "cut_path"),
        (lambda: Hidden(last=lambda z: z.detach()), nn.CrossEntropyLoss(), "cut_path"),
        (lambda: Hidden(last=lambda z: z.log_softmax(0)), nn.NLLLoss(), "rows_mixed"),
        (Hidden, nn.CrossEntropyLoss(weight=torch.tensor([float("inf")] + 9 * [1.0])), "criterion_numbers"),
    ],
)
def test_what_the_loop_would_do_wrong_is_seen_before_it(model, criterion, cause):
    torch.manual_seed(0)
    diagnosis = looked(model(), criterion=criterion)
    assert diagnosis.findings[0].cause == cause, diagnosis.report()


def test_a_model_without_parameters_is_refused():
    with pytest.raises(tenfold.BadInput, match="no parameter that is trained"):
        looked(nn.Flatten())
