"""Whatever torch and Python are set to, results are the same; and everything global is afterwards as it was before."""

import contextlib
import locale
import os
import random
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

import tenfold
from tenfold import Classifier, Recipe, Space

X, Y = load_iris(return_X_y=True)
X, Y = X[::3], Y[::3]
FIELDS = {"network": {"hidden": [8], "dropout": 0.2}, "batch_size": 16, "epochs": 3}
RECIPE = Recipe.from_dict(FIELDS)
IMAGES = np.random.default_rng(0).integers(256, size=(50, 6, 6, 1), dtype=np.uint8)
CONVOLUTION = Recipe.from_dict(
    {"network": {"layers": [{"conv": {"channels": 4, "kernel": 3}}, "relu", "flatten"]}, "epochs": 2}
)
LBFGS = Recipe.from_dict({"network": {"hidden": [4]}, "optimizer": "lbfgs", "batch_size": "full", "epochs": 3})
SPACE = Space.from_dict(FIELDS | {"optimizer": {"adam": {"lr": {"log_uniform": [1e-2, 1e-1]}}}})


def trained():
    """Out-of-fold predictions, and those of the model, of every engine and every way in."""
    found = [tenfold.cross_validate(recipe, X, Y, folds=2, device="cpu").out_of_fold for recipe in (RECIPE, LBFGS)]
    found.append(tenfold.cross_validate(CONVOLUTION, IMAGES, Y, folds=2, device="cpu").out_of_fold)
    search = tenfold.search(SPACE, X, Y, trials=2, folds=2, strategy="halving", device="cpu")
    model = search.refit()
    found += [model.predict_proba(X), *model.predict_samples(X, 3)]
    found.append(Classifier(RECIPE, folds=2, random_state=0, device="cpu").fit(X, Y).predict_proba(X))
    return found


@pytest.fixture(scope="module")
def plain():
    return trained()


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "another default device": lambda: torch.device("meta"),
    "another default dtype": default_dtype,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("case", SURROUNDINGS)
def test_results_do_not_depend_on_what_torch_is_set_to(plain, case):
    with SURROUNDINGS[case]():
        found = trained()
    for one, other in zip(plain, found, strict=True):
        np.testing.assert_array_equal(one, other)


def globals_now():
    return {
        "switch interval": sys.getswitchinterval(),
        "torch threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "torch's random state": torch.get_rng_state().tolist(),
        "numpy's random state": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "Python's random state": random.getstate(),
        "warnings": list(warnings.filters),
        "numpy's errors": np.geterr(),
        "locale": locale.setlocale(locale.LC_ALL),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": {thread.name for thread in threading.enumerate()},
    }


def test_everything_global_is_afterwards_as_it_was_before(plain):
    before = globals_now()
    trained()
    assert globals_now() == before


def test_fits_in_several_threads_at_once_give_the_same_and_leave_nothing_changed(plain):
    before = globals_now()
    found = {}

    def fit(number):
        found[number] = trained()

    threads = [threading.Thread(target=fit, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(3):
        for one, other in zip(plain, found[number], strict=True):
            np.testing.assert_array_equal(one, other)
    after = globals_now()
    assert after == before
    fresh = []
    thread = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert fresh == [before["torch threads"]]
