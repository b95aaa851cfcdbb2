"""Recipes by name: whole training configurations of papers, for each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenfold.errors import BadInput
from tenfold.formatting import nearest
from tenfold.recipe.recipe import Recipe
from tenfold.rules.rate_factors import REALMLP_FACTORS

TASKS = ("classification", "regression")


def _realmlp(task: str) -> dict[str, Any]:
    """RealMLP-TD (Holzmueller, Grinsztajn & Steinwart 2024), table A.1."""
    classes = task == "classification"
    return {
        "preprocess": "robust_clip",
        "network": {
            "hidden": [256, 256, 256], "activation": {"parametric": "selu" if classes else "mish"}, "dropout": 0.15,
            "embedding": "pbld", "scale": True,
        },
        "init": "data_driven",
        "loss": {"cross_entropy": {"smoothing": 0.1}} if classes else "auto",
        "optimizer": {"adamw": {"lr": 0.04 if classes else 0.2, "beta2": 0.95}},
        "decay": "coslog",
        "rate_factors": REALMLP_FACTORS,
        "weight_decay": 0.02, "weight_decay_schedule": "flat_cos", "dropout_schedule": "flat_cos",
        "clip_predictions": not classes,
        "batch_size": 256, "epochs": 256,
    }  # fmt: skip


def _realmlp_s(task: str) -> dict[str, Any]:
    """RealMLP-TD-S, its simple form."""
    classes = task == "classification"
    return {
        "preprocess": "robust_clip",
        "network": {"hidden": [256, 256, 256], "activation": "selu" if classes else "mish", "scale": True},
        "init": {"lecun": {"bias": "normal", "zero_last": True}},
        "loss": {"cross_entropy": {"smoothing": 0.1}} if classes else "auto",
        "optimizer": {"adam": {"lr": 0.04 if classes else 0.07, "beta2": 0.95}},
        "decay": "coslog",
        "rate_factors": {"bias": 0.1, "scale": 6, "fan_in": True},
        "batch_size": 256, "epochs": 256,
    }  # fmt: skip


def _tabm_mini(_task: str) -> dict[str, Any]:
    """TabM-mini (Gorishniy, Kotelnikov & Babenko 2025) of the size that a CPU trains in minutes: 8 views and two layers
    of 128 units where its authors have 32 and 512; the optimizer is theirs."""
    return {
        "preprocess": "robust_clip",
        "network": {"hidden": [128, 128], "dropout": 0.1, "views": 8, "embedding": {"ple": {"bins": 16, "size": 8}}},
        "optimizer": {"adamw": {"lr": 2e-3}},
        "weight_decay": 3e-4, "clip_norm": 1.0,
        "batch_size": 256, "epochs": 64,
    }  # fmt: skip


RECIPE_PRESETS: dict[str, Callable[[str], dict[str, Any]]] = {
    "realmlp": _realmlp,
    "realmlp_s": _realmlp_s,
    "tabm_mini": _tabm_mini,
}


def recipe_preset(name: str, task: str) -> Recipe:
    """The recipe of that name for a task, "classification" or "regression"; to change it, `dataclasses.replace`.

    realmlp: RealMLP-TD, three layers of 256 units trained for 256 epochs, with the defaults that its authors tuned on
    118 tables. realmlp_s: its simple form, without embedding, dropout, decay and parametric activations. tabm_mini: 8
    views of two layers of 128 units behind PLE embeddings. Raises `BadInput` with the names there are.
    """
    if name not in RECIPE_PRESETS:
        near = nearest(name, RECIPE_PRESETS)
        hint = f"; nearest: {near}" if near else ""
        raise BadInput(f"unknown preset {name[:40]!r}{hint}", expected=f"one of: {', '.join(RECIPE_PRESETS)}")
    if task not in TASKS:
        raise BadInput(f"unknown task {task[:40]!r}", expected=f"one of: {', '.join(TASKS)}")
    return Recipe.from_dict(RECIPE_PRESETS[name](task))
