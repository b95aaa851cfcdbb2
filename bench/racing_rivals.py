"""What other racers choose in the time that Tenfold's halving takes, on two cores, judged by one judge."""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from bench.contestants import _start_workers
from bench.machine import cores, facts
from bench.optuna_loop import Setting, Work, front, optuna_worker, standing
from bench.racing import EPOCHS, SPACE, asked_for, load, sweep
from bench.speed import RESULTS, markdown
from tenfold import Recipe, Space, cross_validate, search

Array = np.ndarray
GRID: dict[str, list[Any]] = {
    "hidden": [tuple(widths) for widths in SPACE["network"]["hidden"]],
    "activation": SPACE["network"]["activation"],
    "dropout": SPACE["network"]["dropout"],
    "lr": SPACE["optimizer"]["adam"]["lr"],
}
JUDGED = 3  # repeats of the judge's five folds
FACTOR = 3  # of HalvingGridSearchCV, whose last rung has all epochs
CONTESTANTS = ("random search", "HalvingGridSearchCV", "HalvingGridSearchCV, to its end", "Optuna, median pruner",
               "Optuna, Wilcoxon pruner")  # fmt: skip
HEAD = (
    "data", "metric", "contestant", "seeds", "time of Tenfold's halving, mean", "judged score, mean",
    "minus Tenfold's, mean", "in standard errors", "better / same recipe / worse", "recipes begun, mean",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What a contestant would take after `seconds`, having begun so many recipes; None: it had nothing to go by."""

    setting: Setting | None
    seconds: float
    begun: int


@dataclass(frozen=True)
class Contest:
    """One data set and seed. folds: (train, validation), those of Tenfold; seconds: everybody's time."""

    x: Any
    y: Array
    task: str
    seed: int
    folds: list[tuple[Array, Array]]
    seconds: float


def recipe_of(setting: Setting) -> Recipe:
    """The setting as a Tenfold recipe."""
    network = {"hidden": list(setting.hidden), "activation": setting.activation, "dropout": setting.dropout}
    return Recipe.from_dict({**SPACE, "network": network, "optimizer": {"adam": {"lr": setting.lr}}})


def raced(x: Any, y: Array, task: str, seed: int) -> tuple[Recipe, Contest, float]:
    """Tenfold's halving over all 81: its choice, what the others are to do, the share of the epochs it trained."""
    start = time.perf_counter()
    found = search(Space.from_dict(SPACE), x, y, trials=81, strategy="halving", seed=seed, task=task, device="cpu")
    best = found.best
    seconds = time.perf_counter() - start
    made, of_all = found.trained.epochs()
    folds = [(fold.train, fold.validation) for fold in found.trained.problem.folds]
    return best, Contest(x, y, task, seed, folds, seconds), made / of_all


def random_search(contest: Contest, share: float) -> tuple[Recipe, Choice]:
    """As many random recipes as Tenfold trains to the end in that time: a first guess, and a second from its time."""
    count, options = max(1, round(81 * share)), {"task": contest.task, "seed": contest.seed, "device": "cpu"}
    for _ in range(2):
        start = time.perf_counter()
        best = search(Space.from_dict(SPACE), contest.x, contest.y, trials=count, **options).best
        choice = Choice(None, time.perf_counter() - start, count)
        count = min(81, max(1, round(count * contest.seconds / choice.seconds)))
    return best, choice


def halving_grid(contest: Contest) -> list[Choice]:
    """scikit-learn's successive halving over max_iter: its choice after each rung, when it had run for so long (the
    time of the whole, by the rungs' shares of the fitting and scoring times).

    MLPClassifier and MLPRegressor have neither dropout nor ELU, so the grid is the 18 recipes without them.
    """
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    estimator, prefix = perceptron(contest)
    names = {"hidden": "hidden_layer_sizes", "activation": "activation", "lr": "learning_rate_init"}
    grid = {f"{prefix}{name}": GRID[ours] for ours, name in names.items()}
    grid[f"{prefix}activation"] = ["relu", "tanh"]
    found = HalvingGridSearchCV(
        estimator, grid, resource=f"{prefix}max_iter", factor=FACTOR, min_resources="exhaust", max_resources=EPOCHS,
        cv=contest.folds, n_jobs=cores(), refit=False, random_state=contest.seed,
    )  # fmt: skip
    _start_workers(cores(), "sklearn.neural_network")
    start = time.perf_counter()
    found.fit(contest.x, contest.y)
    seconds, results = time.perf_counter() - start, found.cv_results_
    rung, took = np.asarray(results["iter"]), results["mean_fit_time"] + results["mean_score_time"]
    choices = []
    for number in range(rung.max() + 1):
        mine = np.flatnonzero(rung == number)
        best = results["params"][mine[np.argmax(results["mean_test_score"][mine])]]
        picked = {ours: best[f"{prefix}{name}"] for ours, name in names.items()}
        share = took[rung <= number].sum() / took.sum()
        choices.append(Choice(Setting(**picked, dropout=0.0), seconds * share, int((rung == 0).sum())))
    return choices


def perceptron(contest: Contest) -> tuple[Any, str]:
    """The network of scikit-learn behind the same preprocessing, and the prefix of its parameters."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    options: dict[str, Any] = {
        "batch_size": SPACE["batch_size"], "tol": 0.0, "n_iter_no_change": EPOCHS + 1, "alpha": 0.0,
        "random_state": contest.seed,
    }  # fmt: skip
    if contest.task == "classification":
        return Pipeline([("front", front(contest.x)), ("net", MLPClassifier(**options))]), "net__"
    scaled = TransformedTargetRegressor(MLPRegressor(**options), transformer=StandardScaler())
    return Pipeline([("front", front(contest.x)), ("net", scaled)]), "net__regressor__"


def optuna_search(contest: Contest, pruner: str) -> Choice:
    """Optuna's default sampler and a pruner, in one process a core with a shared journal; every process stops at the
    deadline. Without a finished recipe the best of what was reported is taken."""
    with tempfile.TemporaryDirectory() as folder:
        journal, context = f"{folder}/journal", get_context("spawn")
        work = [
            Work(journal, pruner, contest.task, contest.seed, number, contest.seconds, EPOCHS, SPACE["batch_size"])
            for number in range(cores())
        ]
        barrier = context.Manager().Barrier(len(work))
        with ProcessPoolExecutor(len(work), mp_context=context) as pool:
            jobs = [pool.submit(optuna_worker, one, GRID, contest.x, contest.y, contest.folds, barrier) for one in work]
            seconds = max(job.result() for job in jobs)
        setting, begun = standing(journal, GRID)
    return Choice(setting, seconds, begun)


def one_seed(name: str, data: Path | None, seed: int) -> dict[str, Any]:
    """Everybody's choice on one data set with one seed, and the judge's scores of them."""
    x, y, task = load(name, data, seed)
    mine, contest, share = raced(x, y, task, seed)
    lucky, chance = random_search(contest, share)
    rungs = halving_grid(contest)
    in_time = [rung for rung in rungs if rung.seconds <= contest.seconds]
    late = Choice(None, contest.seconds, len(GRID["hidden"]) * 2 * len(GRID["lr"]))
    choices = {
        "HalvingGridSearchCV": in_time[-1] if in_time else late,
        "HalvingGridSearchCV, to its end": rungs[-1],
        "Optuna, median pruner": optuna_search(contest, "median"),
        "Optuna, Wilcoxon pruner": optuna_search(contest, "wilcoxon"),
    }
    chosen = {"tenfold": mine, "random search": lucky}
    chosen |= {who: recipe_of(choice.setting) for who, choice in choices.items() if choice.setting is not None}
    scores, metric = judge(chosen, contest)
    every = choices | {"random search": chance}
    return {
        "data": name, "seed": seed, "metric": metric, "seconds": contest.seconds, "share_of_epochs": share,
        "tenfold": scores["tenfold"] | {"begun": 81, "seconds": contest.seconds, "recipe": mine.describe()},
        "others": {
            who: {
                **scores.get(who, scores["by chance"]), "begun": every[who].begun, "seconds": every[who].seconds,
                "same": chosen.get(who) == mine, "recipe": chosen[who].describe() if who in chosen else None,
            } for who in CONTESTANTS
        },
    }  # fmt: skip


def judge(chosen: dict[str, Recipe], contest: Contest) -> tuple[dict[str, dict[str, float]], str]:
    """Mean and standard error of every choice, by five folds three times with seeds that no contestant saw.

    Who had nothing to go by gets the mean of three recipes drawn at random.
    """
    chance = Space.from_dict(SPACE).sample(3, seed=10_000 + contest.seed)
    recipes = list(dict.fromkeys([*chosen.values(), *chance]))
    found = cross_validate(
        recipes, contest.x, contest.y, repeats=JUDGED, seed=1_000 + contest.seed, task=contest.task, device="cpu"
    )
    rows = dict(zip(recipes, found.table, strict=True))
    scores = {who: {"mean": rows[recipe]["mean"], "se": rows[recipe]["se"]} for who, recipe in chosen.items()}
    drawn = [rows[recipe] for recipe in chance]
    scores["by chance"] = {name: float(np.nanmean([row[name] for row in drawn])) for name in ("mean", "se")}
    return scores, found.trained.problem.metric.name


def table(lines: list[dict[str, Any]]) -> list[list[str]]:
    """One line of the table for each data set and contestant; Tenfold first."""
    rows = []
    for name in dict.fromkeys(line["data"] for line in lines):
        mine = [line for line in lines if line["data"] == name]
        head, ours = [name, mine[0]["metric"]], [line["tenfold"]["mean"] for line in mine]
        seconds = statistics.mean(line["seconds"] for line in mine)
        rows.append([
            *head, "Tenfold, halving", str(len(mine)), f"1 ({seconds:.1f} s)", f"{statistics.mean(ours):.4f}", "", "",
            "", "81",
        ])  # fmt: skip
        for who in CONTESTANTS:
            theirs = [line["others"][who] for line in mine]
            less = [one["mean"] - score for one, score in zip(theirs, ours, strict=True)]
            same = [one["same"] for one in theirs]
            nothing = sum(one["recipe"] is None for one in theirs)
            errors = [d / line["tenfold"]["se"] for d, line in zip(less, mine, strict=True)]
            ratio = statistics.mean(one["seconds"] / line["seconds"] for one, line in zip(theirs, mine, strict=True))
            better, worse = sum(d > 0 for d in less), sum(d < 0 for d in less)
            rows.append([
                *head, who + (f" (no choice yet in {nothing})" if nothing else ""), str(len(mine)), f"{ratio:.2f}",
                f"{statistics.mean(one['mean'] for one in theirs):.4f}", f"{statistics.mean(less):+.4f}",
                f"{statistics.mean(errors):+.2f}", f"{better} / {sum(same)} / {worse}",
                f"{statistics.mean(one['begun'] for one in theirs):.0f}",
            ])  # fmt: skip
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Compare on the sets that were asked for."""
    asked = asked_for(arguments, "bench.racing_rivals", __doc__, RESULTS / "racing-rivals.json", 5)
    warnings.simplefilter("ignore", ConvergenceWarning)  # of every fit that ends at max_iter
    machine = facts()
    machine["versions"]["optuna"] = version("optuna")
    raced(*load("digits", None, 0), seed=0)  # everything is imported and warm before the first clock starts
    sweep(asked, machine, one_seed, lambda lines: markdown(table(lines), HEAD))


if __name__ == "__main__":
    main()
