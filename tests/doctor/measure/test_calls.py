"""The log of a loop's calls, and what a loss depends on, against loops and graphs that are written out."""

import pytest
import torch
from torch import nn

import tenfold
from tenfold.doctor.measure.watching.calls import CallLog, dependence, severed_by

X = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def logged(order, updates=3):
    """The log of a loop that makes these calls at each update."""
    torch.manual_seed(0)
    model, criterion = nn.Linear(6, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    loss = None
    calls = {
        "Z": lambda: optimizer.zero_grad(),  # looked up at the call, as a loop does
        "z": model.zero_grad,
        "S": optimizer.step,
        "B": lambda: loss.backward(),
    }
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for _ in range(updates):
            for letter in order:
                if letter == "F":
                    output = model(X)
                elif letter == "C":
                    loss = criterion(output, Y)
                else:
                    calls[letter]()
    return doctor.watched().loop


@pytest.mark.parametrize(
    ("order", "seen", "empty"),
    [
        ("ZFCBS", "ZFCBS", 0.0),
        ("FCZBS", "FCZBS", 0.0),
        ("FCBZS", "FCBZS", 1.0),
        ("FCBzS", "FCBZS", 1.0),  # cleared by the model: seen by what is gone
        ("ZFCS", "ZFCS", 1.0),
        ("ZFCBFCBS", "ZFCBFCBS", 0.0),
        ("ZFCBZFCBS", "ZFCBZFCBS", 0.0),
    ],
)
def test_calls_are_noted_in_their_order(order, seen, empty):
    found = logged(order)
    assert found.orders == [seen] * 3
    assert found.no_gradient == empty


def test_a_loss_is_multiplied_by_what_backward_multiplies_it_by():
    torch.manual_seed(0)
    model, criterion = nn.Linear(6, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        (-criterion(model(X), Y) / 4).backward()
        optimizer.step()
    assert doctor.watched().loop.factor == -0.25


def test_closures_stand_behind_the_step():
    model, criterion = nn.Linear(6, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=2)
    with tenfold.watch(model, optimizer, criterion) as doctor:

        def closure():
            optimizer.zero_grad()
            loss = criterion(model(X), Y)
            loss.backward()
            return loss

        optimizer.step(closure)
    (order,) = doctor.watched().loop.orders
    assert order.startswith("SZFCB")
    assert doctor.watched().loop.no_gradient == 0.0


def test_nothing_is_left_where_it_does_not_listen():
    model = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    own = optimizer.zero_grad
    log = CallLog(model, [optimizer])
    log.listen()
    assert "zero_grad" in vars(optimizer)
    log.rest()
    assert "zero_grad" not in vars(optimizer)
    assert optimizer.zero_grad == own
    assert not model.bias._post_accumulate_grad_hooks
    optimizer.zero_grad = lambda: "mine"
    log.listen()
    assert optimizer.zero_grad() == "mine"
    log.rest()
    assert vars(optimizer)["zero_grad"]() == "mine"


def test_what_a_loss_depends_on():
    a, b, c, d = (torch.ones(3, requires_grad=True) for _ in range(4))
    found = dependence((a * b.detach() + (3 * c).round() + d).sum())
    assert found.leaves.keys() == {id(a), id(c), id(d)}
    assert found.alive == {id(a), id(d)}
    assert found.flat == "round"
    both = dependence((c.round() + c).sum())  # straight through beside
    assert both.alive == {id(c)}
    assert dependence(a.sum()).flat == ""


def test_what_was_done_to_outputs_is_found_by_trying():
    z = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    assert severed_by(z, z.clone()) == "detach() or a new tensor"
    assert severed_by(z, z.argmax(-1)) == "argmax()"
    assert severed_by(z, (z > 0).float()) == "a threshold at 0"
    assert severed_by(z, (z.sigmoid() > 0.6).float()) == ""
