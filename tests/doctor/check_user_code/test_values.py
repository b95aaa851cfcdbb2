"""What a user gives the doctor: what cannot be judged is refused at once, in a sentence with one thing to do."""

import copy
import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import tenfold
from tenfold.doctor.check_user_code.values import tensor
from tenfold.doctor.measure.watching.quiet import quiet

X = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
CROSS = nn.CrossEntropyLoss()


def network(inputs=6, outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, outputs))


def adam(weights):
    return torch.optim.Adam(weights, lr=1e-3)


def changed(values, place, value):
    found = values.clone().float()
    found[place] = value
    return found


def broken():
    model = network()
    with torch.no_grad():
        model[2].weight[1, 2] = float("nan")
    return model


NAN, INF = float("nan"), float("inf")
TEXTS = np.array(["a", "b"] * 30)
PREFLIGHT = {  # name: (model, x, y, criterion, what is found, what to do)
    "nan": (network(), changed(X, (17, 3), NAN), Y, CROSS,
            "x holds 1 value of 360 that is not a number (row 17, column 3)", "drop the rows of x"),
    "infinite": (network(), changed(X, (17, 3), INF), Y, CROSS, "1 value of 360 that is infinite", "drop the rows"),
    "nan in y": (network(outputs=1), X, changed(Y, 5, NAN), nn.MSELoss(),
                 "y holds 1 value of 60 that is not a number (row 5)", "drop the rows of y"),
    "weights": (broken(), X, Y, CROSS, "parameter 2.weight holds 1 of 16 values", "initialize 2.weight again"),
    "function": (network, X, Y, CROSS, "the model is a function (network)", "tenfold.preflight(network(), x, y"),
    "class": (nn.Identity, X, Y, CROSS, "the model is a class (Identity)", "tenfold.preflight(Identity(), x, y"),
    "criterion's class": (network(), X, Y, nn.CrossEntropyLoss, "the criterion is the class CrossEntropyLoss",
                          "nn.CrossEntropyLoss()"),
    "optimizer": (network(), X, Y, adam(network().parameters()), "the criterion is an Adam", "the loss"),
    "lengths": (network(), X, Y[:-1], CROSS, "x has 60 rows and y has 59", "of the same rows"),
    "lengths that broadcast": (network(outputs=1), X, X[:-1, 0], nn.MSELoss(), "x has 60 rows and y has 59", "rows"),
    "no rows": (network(), X[:0], Y[:0], CROSS, "y has no rows", "32 rows"),
    "texts": (network(), X, TEXTS, CROSS, "y holds 'a' in row 0", "LabelEncoder"),
    "text column": (network(), [[1.0, "x"]] * 60, Y, CROSS, "x holds '1.0' in row 0, column 0", "encode or drop"),
    "mapping": (network(), {"a": 1}, Y, CROSS, "x is a dict", "a torch tensor or a NumPy array"),
    "ragged": (network(), [[1, 2], [1]], Y, CROSS, "x cannot be read as an array", "a torch tensor or a NumPy array"),
    "number": (network(), X, 3, CROSS, "y is a single value (int)", "pass the rows of y"),
    "float64 weights": (network().double(), X, Y, CROSS, "(32, 6) of float32", "model.float()"),
    "float64 rows": (network(), X.double(), Y, CROSS, "(32, 6) of float64", "x.float()"),
    "width": (network(5), X, Y, CROSS, "(32x6 and 5x8)", "layer 0 takes 5 numbers a row and gets 6: give it 6 inputs"),
    "images": (network(), X.reshape(60, 1, 2, 3), Y, CROSS, "(32, 1, 2, 3)", "nn.Flatten()"),
    "no images": (nn.Conv2d(1, 2, 3), X, Y, CROSS, "(32, 6) of float32", "x.reshape(rows, channels, height, width)"),
    "labels from 1": (network(), X, Y + 1, CROSS, "labels run to 2, the model has 2 outputs: 0 and 1", "y - 1"),
    "labels": (network(), X, 2 * Y, CROSS, "labels run to 2, the model has 2 outputs: 0 and 1", "3 outputs"),
    "late label": (network(), X, torch.cat([Y[:-1], torch.tensor([7])]), CROSS, "labels run to 7", "8 outputs"),
    "one output": (network(outputs=1), X, Y, CROSS, "labels run to 1, the model has 1 output: 0", "2 outputs"),
    "float labels": (network(), X, Y.float(), CROSS, "(32,) of float32", "y.long()"),
    "column of labels": (network(), X, Y[:, None], CROSS, "(32, 1) of int64", "y.squeeze(1)"),
    "flat targets": (network(outputs=1), X, Y.float(), nn.BCEWithLogitsLoss(), "(32, 1) of float32, and y, (32,)",
                     "y.unsqueeze(1)"),
    "bare outputs": (nn.Sequential(nn.Linear(6, 1), nn.Hardtanh(-9, -1)), X, Y.float()[:, None], nn.BCELoss(),
                     "between 0 and 1", "BCEWithLogitsLoss"),
    "no tensor": (network(), X, Y, lambda output, target: CROSS(output, target).item(), "gives a float", ".item()"),
}  # fmt: skip


def said(error, found, do):
    text = str(error.value)
    assert found in text
    assert do in text.splitlines()[-1]
    assert len(text.splitlines()) <= 4


@pytest.mark.parametrize("name", PREFLIGHT)
def test_preflight_refuses(name):
    *arguments, found, do = PREFLIGHT[name]
    with pytest.raises(tenfold.BadInput) as error:
        tenfold.preflight(*arguments)
    said(error, found, do)


ONE = network()
DIAGNOSE = {  # name: (what is given instead, what is found, what to do)
    "nan": (
        {"X": changed(X, (17, 3), NAN)},
        "X holds 1 value of 360 that is not a number (row 17",
        "drop the rows of X",
    ),
    "nan in y": ({"y": changed(Y, 5, NAN).numpy()}, "y holds 1 value of 60 that is not a number (row 5)", "rows of y"),
    "weights": ({"make_model": broken}, "parameter 2.weight holds 1 of 16 values", "initialize 2.weight again"),
    "module": ({"make_model": network()}, "make_model is a Sequential", "make_model=lambda: Network()"),
    "optimizer": ({"make_optimizer": adam(network().parameters())}, "make_optimizer is an Adam", "lambda parameters:"),
    "no optimizer": ({"make_optimizer": lambda weights: None}, "make_optimizer gives None", "lambda parameters:"),
    "no module": ({"make_model": lambda: None}, "the model is None", "let make_model return the module"),
    "the same module": ({"make_model": lambda: ONE}, "the same module", "build the layers inside the function"),
    "the same weights": ({"make_model": lambda: nn.Sequential(ONE)}, "the same weights", "build the layers inside"),
    "float64": ({"make_model": lambda: network().double()}, "(32, 6) of float32", "model.float()"),
    "width": ({"make_model": lambda: network(5)}, "(32x6 and 5x8)", "give it 6 inputs"),
    "texts": ({"y": TEXTS}, "y holds 'a' in row 0", "LabelEncoder"),
    "late label": ({"y": [*Y[:-1].tolist(), 7]}, "labels run to 7, the model has 2 outputs", "8 outputs"),
    "criterion's class": ({"criterion": nn.CrossEntropyLoss}, "the criterion is the class", "nn.CrossEntropyLoss()"),
    "lengths": ({"y": Y[:-1]}, "X has 60 rows and y has 59", "of the same rows"),
}


@pytest.mark.parametrize("name", DIAGNOSE)
def test_diagnose_refuses(name):
    given, found, do = DIAGNOSE[name]
    arguments = {"make_model": network, "X": X, "y": Y, "criterion": CROSS, "make_optimizer": adam} | given
    before = copy.deepcopy(ONE.state_dict())
    with pytest.raises(tenfold.BadInput) as error:
        tenfold.diagnose(**arguments, epochs=1, seeds=2, budget=0.2)
    said(error, found, do)
    assert all(torch.equal(before[name], value) for name, value in ONE.state_dict().items())  # nothing was trained


@pytest.mark.parametrize(
    "order",
    ["optimizer model criterion", "model criterion optimizer", "maker optimizer criterion", "model none criterion"],
)
def test_watch_refuses_another_order(order):
    model = network()
    known = {"model": model, "optimizer": adam(model.parameters()), "criterion": CROSS, "maker": network, "none": []}
    with pytest.raises(tenfold.BadInput) as error:
        tenfold.watch(*(known[name] for name in order.split()))
    said(error, "tenfold.watch(", "tenfold.watch(model, optimizer, criterion)")


def test_watch_refuses_a_class():
    model = network()
    with pytest.raises(tenfold.BadInput, match=re.escape("nn.CrossEntropyLoss()")):
        tenfold.watch(model, adam(model.parameters()), nn.CrossEntropyLoss)


def test_arrays_and_lists_become_tensors():
    for values in (X.double().numpy(), X.tolist(), X.numpy().astype(object)):
        found = tensor(values, "x")
        assert found.dtype == torch.float32
        assert torch.equal(found, X)
    assert tensor(Y.int().numpy(), "y").dtype == tensor(Y.tolist(), "y").dtype == torch.int64
    assert tensor(Y.bool().numpy(), "y").dtype == torch.bool
    assert tensor(X.double(), "x").dtype == torch.float64


@pytest.mark.slow
def test_arrays_and_lists_are_taken_as_tensors_are():
    model = network()
    wanted = tenfold.preflight(model, X, Y, CROSS).report()
    assert tenfold.preflight(model, X.double().numpy(), Y.numpy(), CROSS).report() == wanted
    assert tenfold.preflight(model, X.tolist(), Y.int().numpy(), CROSS).report() == wanted


@pytest.mark.slow
def test_the_doctors_own_probes_are_quiet_and_nothing_else_is():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = tenfold.preflight(network(outputs=1), X, 2 * X[:, 0], nn.MSELoss())
        warnings.warn("mine", UserWarning, stacklevel=1)
        nn.MSELoss()(X[:, :1], X[:, 0])
    assert found.findings[0].cause == "label_shape_broadcast"
    assert [str(item.message).split(" (")[0] for item in seen] == ["mine", "Using a target size"]


def test_only_what_torch_says_is_silenced():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet():
            nn.MSELoss()(X[:, :1], X[:, 0])
            warnings.warn("mine", UserWarning, stacklevel=1)
    assert [str(item.message) for item in seen] == ["mine"]
