"""The contestants. Each trains a grid on the same folds and returns the mean accuracy of every recipe.

Only training and scoring is inside; imports are done before the clock starts. A share below 1 takes every n-th
recipe, and the time is scaled by the caller.
"""

from __future__ import annotations

import warnings

import numpy as np

from bench.cases import Case


def run_tenfold(case: Case, share: float, device: str) -> np.ndarray:
    """Tenfold, from recipes to the finished table: planning, validation and bookkeeping counted."""
    import tenfold

    result = tenfold.cross_validate(case.recipes, case.x, case.y, folds=case.folds, device=device)
    # Peers report the score after the last epoch.
    return np.array(
        [[t["curve"][-1] for t in result.trials if t["recipe"] == n] for n in range(len(case.recipes))]
    ).mean(1)


def run_sklearn(case: Case, share: float, device: str) -> np.ndarray:
    """GridSearchCV over MLPClassifier on two processes."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier(
        case.hidden, batch_size=case.batch, max_iter=case.epochs, tol=0.0, n_iter_no_change=case.epochs + 1, alpha=0.0,
        random_state=0,
    )  # fmt: skip
    grid = {"mlpclassifier__learning_rate_init": _some(case.rates, share)}
    search = GridSearchCV(make_pipeline(StandardScaler(), network), grid, cv=case.folds, n_jobs=2, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(case.x, case.y)
    return search.cv_results_["mean_test_score"]


def run_torch(case: Case, share: float, device: str) -> np.ndarray:
    """A serial loop of torch.nn and torch.optim.Adam, with validation after every epoch."""
    import torch
    from torch import nn

    torch.set_num_threads(1)  # faster than 2 at these sizes
    means = []
    for rate in _some(case.rates, share):
        scores = []
        for train, validation in case.folds:
            mean, std = case.x[train].mean(0), case.x[train].std(0)
            std[std == 0] = 1
            x = torch.tensor((case.x - mean) / std, dtype=torch.float32, device=device)
            y = torch.tensor(case.y, device=device)
            torch.manual_seed(0)
            sizes = (x.shape[1], *case.hidden)
            layers: list[nn.Module] = []
            for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
                layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
            model = nn.Sequential(*layers, nn.Linear(sizes[-1], int(case.y.max()) + 1)).to(device)
            for layer in model:
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)
            optimizer, criterion = torch.optim.Adam(model.parameters(), lr=rate), nn.CrossEntropyLoss()
            rows, held_out = torch.from_numpy(train).to(device), torch.from_numpy(validation).to(device)
            score = 0.0
            for _ in range(case.epochs):
                for batch in rows[torch.randperm(len(rows), device=device)].split(case.batch):
                    optimizer.zero_grad()
                    criterion(model(x[batch]), y[batch]).backward()
                    optimizer.step()
                with torch.no_grad():
                    score = float((model(x[held_out]).argmax(1) == y[held_out]).float().mean())
            scores.append(score)
        means.append(np.mean(scores))
    return np.array(means)


def run_skorch(case: Case, share: float, device: str) -> np.ndarray:
    """skorch's NeuralNetClassifier in GridSearchCV on two processes."""
    import torch
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from skorch import NeuralNetClassifier
    from torch import nn

    sizes = (case.x.shape[1], *case.hidden)
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    module = nn.Sequential(*layers, nn.Linear(sizes[-1], int(case.y.max()) + 1))
    torch.set_num_threads(1)
    network = NeuralNetClassifier(
        module, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, batch_size=case.batch,
        max_epochs=case.epochs, train_split=None, verbose=0, iterator_train__shuffle=True,
    )  # fmt: skip
    grid = {"neuralnetclassifier__lr": _some(case.rates, share)}
    search = GridSearchCV(make_pipeline(StandardScaler(), network), grid, cv=case.folds, n_jobs=2, refit=False)
    search.fit(case.x.astype(np.float32), case.y.astype(np.int64))
    return search.cv_results_["mean_test_score"]


def _some(rates: list[float], share: float) -> list[float]:
    """Every n-th rate, so that the share covers the whole grid."""
    return rates[:: max(1, round(1 / share))]


PEERS = {"sklearn": run_sklearn, "torch": run_torch, "skorch": run_skorch}
SHARES = {"sklearn": 1.0, "torch": 0.25, "skorch": 0.125}
