"""Newton and L-BFGS end in a few updates; what is impractical is the Hessian of a large network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import Tensor

from tenfold.rules.losses import CrossEntropy
from tenfold.rules.optimizers import LBFGS, SGD, Newton
from tenfold.rules.optimizers.objective import AutogradObjective
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.second_order import second_order_path
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

UPDATES, SMALL, L2, PARAMETERS = 1000, 1e-10, 0.01, 10**6


def _measure(seed: int) -> dict[str, Any]:
    """Regularized logistic regression on four fifths of breast cancer, from zeros to a gradient of 1e-10."""
    data: Any = load_breast_cancer()
    chosen = np.random.default_rng(seed).permutation(len(data.data))[: len(data.data) * 4 // 5]
    x = data.data[chosen]
    rows = torch.from_numpy(np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(len(x))]))
    target = torch.from_numpy(data.target[chosen].astype(np.int64))

    def outputs(w: Tensor) -> Tensor:
        score = w @ rows.T  # (L, B)
        return torch.stack([torch.zeros_like(score), score], 2)

    objective = AutogradObjective(
        outputs, lambda o: CrossEntropy.formula(o, target.expand(len(o), -1), 0.0).mean(1),
        torch.full((1, rows.shape[1]), L2, dtype=torch.float64),
    )  # fmt: skip
    start = torch.zeros(rows.shape[1]).double()
    newton, lbfgs = (second_order_path(rule, objective, start, 100, SMALL)[1] for rule in (Newton(), LBFGS()))
    steepest = float(torch.linalg.eigvalsh(rows.T @ rows / len(rows))[-1]) / 4 + L2
    norms = []

    def gradient(w: Tensor, t: int) -> Tensor:
        g = objective.gradient(w)[1]
        norms.append(float(g.norm()))
        return g

    descend([SGD()], gradient, np.full(UPDATES, 1 / steepest), start)
    curves = {name: np.append(path, np.full(101 - len(path), np.nan))[:101]
              for name, path in (("Newton", newton), ("L-BFGS", lbfgs), ("gradient descent", norms[:101]))}  # fmt: skip
    return {
        "updates of Newton": len(newton) - 1, "updates of L-BFGS": len(lbfgs) - 1,
        f"gradient left after {UPDATES} of gradient descent": norms[-1],
        "GiB of a Hessian of a million parameters": PARAMETERS**2 * 4 / 2**30,
    } | curves  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Regularized logistic regression, to a gradient of 1e-10: Newton takes {means['updates of Newton']:.0f} "
        f"updates and L-BFGS {means['updates of L-BFGS']:.0f}, while gradient descent has "
        f"{means[f'gradient left after {UPDATES} of gradient descent']:.0e} left after {UPDATES}. The Hessian of a "
        f"million parameters would take {means['GiB of a Hessian of a million parameters']:.0f} GiB."
    )


def _picture(found: Measured) -> StudyPicture:
    """The gradient's norm over the first hundred updates, of the first seed."""
    curves = {name: found[name][0] for name in ("Newton", "L-BFGS", "gradient descent")}
    return curve_picture(np.arange(101), curves, "update", "norm of the gradient", log="y")


STUDY = ClaimStudy(
    name="few-updates",
    claims=("C63",),
    told="second-order methods need few updates, but are impractical",
    verdict=f"{CONDITION}the network is large; with a few hundred parameters on full batches they end in a few updates",
    formula="near a minimum Newton's error is squared by each update, gradient descent's shrinks by 1 - h_min / "
    "h_max;\n"
    "H has P^2 numbers, L-BFGS keeps 2 m P",
    done="L2-regularized logistic regression (0.01) on drawn four fifths of the breast cancer data, 31 parameters, "
    "from zeros; gradient descent at 1 / (largest curvature).",
    follows="For small smooth models on full batches take `newton`, `gauss_newton` or `lbfgs`; for all others "
    "first-order methods.",
    rules=("newton", "lbfgs"),
    recipe="network: {hidden: []}\noptimizer: lbfgs\nbatch_size: full\nweight_decay: 0.01\nepochs: 40\n",
    sources=("Liu & Nocedal 1989, On the limited memory BFGS method for large scale optimization",
             "Stanford CS231n, notes on second order methods"),
    measure=by_seed(_measure),
    bounds=(
        Bound("updates of Newton", high=12), Bound("updates of L-BFGS", high=60),
        Bound(f"gradient left after {UPDATES} of gradient descent", SMALL),
        Bound("GiB of a Hessian of a million parameters", 3725, 3726),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
