"""Estimators that are copied, pickled, sent to processes and threads, interrupted and used again."""

import _thread
import copy
import gc
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import tenfold

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.where(X[:, 0] + 0.3 * RNG.normal(size=60) > 0, "up", "down")
RECIPE = tenfold.Recipe(epochs=4, batch_size=16)


def estimator():
    return tenfold.Classifier(RECIPE, folds=3, random_state=0, device="cpu")


def fitted(number=0):
    """Probabilities of an estimator that is fitted here."""
    return estimator().fit(X, Y).predict_proba(X)


def predicted(model):
    return model.predict_proba(X)


@pytest.fixture(scope="module")
def expected():
    return fitted()


def test_copies_predict_the_same_and_clones_are_fitted_again(expected):
    model = estimator().fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), expected)  # as has been done to most models that are kept
    for other in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(X), expected)
    fresh = clone(model)
    assert not hasattr(fresh, "model_")
    np.testing.assert_array_equal(fresh.fit(X, Y).predict_proba(X), expected)
    np.testing.assert_array_equal(clone(copy.deepcopy(model)).fit(X, Y).predict_proba(X), expected)


def test_threads_fit_and_predict_beside_each_other(expected):
    model = estimator().fit(X, Y)
    with ThreadPoolExecutor(4) as pool:
        for found in [*pool.map(fitted, range(4)), *pool.map(predicted, [model] * 8)]:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_processes_predict_with_what_they_are_sent_and_fit_the_same(expected):
    model = estimator().fit(X, Y)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for found in [*pool.map(predicted, [model] * 2), *pool.map(fitted, range(2))]:
            np.testing.assert_array_equal(found, expected)


def test_an_interrupted_fit_leaves_no_thread_behind_and_the_estimator_can_be_used_again(expected):
    model, threads = estimator().fit(X, Y), set(threading.enumerate())
    model.set_params(recipe=tenfold.Recipe(epochs=1_000_000, batch_size=16))
    timer = threading.Timer(1.0, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    timer.join()
    assert set(threading.enumerate()) <= threads
    model.set_params(recipe=RECIPE)
    np.testing.assert_array_equal(model.fit(X, Y).predict_proba(X), expected)


@pytest.mark.slow
def test_fifty_fits_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def resident():
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(10):
        fitted()
    memory, threads, files = resident(), threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        fitted()
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= files
    assert list(tmp_path.iterdir()) == []
    assert resident() - memory < 50e6  # a fit takes about 20 MB while it lasts
