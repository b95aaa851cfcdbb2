"""Convolutional recipes cross-validated in packs, against the loop that most people write with torch.nn.

    python -m bench.images --data DIR --rows 10000      (Fashion-MNIST: the folder of its IDX files)
    python -m bench.images --data cifar10_subset.npz

The same folds, batch size, epochs, initialization and optimizer; accuracies are those after the last epoch. The
serial loop trains a part of the trials (`--trials`), with channels-last memory and the better of one thread and one
thread a core; its time is scaled to all trials. `--lanes` times the ways to convolve many small networks instead.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.machine import describe, facts
from tenfold.recipe.recipe import Recipe

Array = np.ndarray
RESULTS = Path(__file__).parent / "results"
RATES = (1e-3, 2e-3, 3e-3, 5e-3)
BATCH = 64


@dataclass(frozen=True)
class Images:
    """Pixels (rows, height, width, channels) uint8 and classes (rows,) int64."""

    name: str
    x: Array
    y: Array


def load(path: Path, rows: int | None) -> Images:
    """An npz file with x and y (or x_train and y_train), or a folder with the four IDX files of Fashion-MNIST."""
    if path.is_dir():
        pixels = gzip.decompress((path / "train-images-idx3-ubyte.gz").read_bytes())[16:]
        labels = gzip.decompress((path / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
        x = np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28, 1)
        y = np.frombuffer(labels, np.uint8).astype(np.int64)
    else:
        with np.load(path) as file:
            x, y = (file[name if name in file else f"{name}_train"] for name in ("x", "y"))
    rows = min(rows or len(x), len(x))
    return Images(path.name.removesuffix(".npz"), np.ascontiguousarray(x[:rows]), y[:rows].astype(np.int64))


def recipes(epochs: int) -> list[Recipe]:
    """The network of `network` at four rates."""
    conv = [{"conv": 16}, "batch_norm", "relu", {"max_pool": 2}, {"conv": 32}, "batch_norm", "relu", {"max_pool": 2}]
    return [
        Recipe.from_dict({
            "preprocess": "standardize_channel",
            "network": {"layers": [*conv, "flatten", {"dense": 64}, "relu"]},
            "optimizer": {"adamw": {"lr": rate}}, "weight_decay": 1e-2, "decay": {"cosine": {"warmup": 0.05}},
            "init": "he", "batch_size": BATCH, "epochs": epochs,
        })
        for rate in RATES
    ]  # fmt: skip


def network(image: tuple[int, ...], classes: int) -> nn.Sequential:
    """The same network as people write it, with He weights and zero biases."""
    flat = 32 * (image[0] // 4) * (image[1] // 4)
    model = nn.Sequential(
        nn.Conv2d(image[2], 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(flat, 64), nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def train_serially(
    images: Images, recipe: Recipe, parts: tuple[Array, Array], device: str, seed: int, epochs: int | None = None
) -> float:
    """One trial; the validation accuracy after its last epoch."""
    torch.manual_seed(seed)
    x = torch.tensor(images.x).to(device).permute(0, 3, 1, 2).float() / 255
    train, validation = (torch.from_numpy(part).to(device) for part in parts)
    over = (0, 2, 3)
    x = (x - x[train].mean(over, keepdim=True)) / x[train].std(over, keepdim=True, correction=0)
    x = x.to(memory_format=torch.channels_last)
    y = torch.from_numpy(images.y).to(device)
    model: Any = network(images.x.shape[1:], int(images.y.max()) + 1).to(device).to(memory_format=torch.channels_last)
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.optimizer.lr, weight_decay=recipe.weight_decay)
    updates = -(-len(train) // BATCH)
    total = updates * recipe.epochs
    factor = recipe.decay.factor(np.arange(total + 1), updates, total)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda u: float(factor[u]))
    for _ in range(epochs or recipe.epochs):
        model.train()
        for batch in train[torch.randperm(len(train), device=device)].split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            hits = [(model(x[b]).argmax(1) == y[b]).sum() for b in validation.split(512)]
    return float(sum(hits)) / len(validation)


def serial(images: Images, found: list[Recipe], folds: list[Any], device: str, trials: int) -> dict[str, Any]:
    """So many trials, recipe by recipe; seconds scaled to all, and accuracies by (recipe, fold)."""
    one = folds[0]
    seconds: dict[int, float] = {}
    for threads in {1, os.cpu_count() or 1}:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        train_serially(images, found[0], one, device, 0, epochs=1)
        seconds[threads] = time.perf_counter() - start
    threads = min(seconds, key=lambda count: seconds[count])
    torch.set_num_threads(threads)
    places = [(r, f) for f in range(len(folds)) for r in range(len(found))][:trials]
    start = time.perf_counter()
    scores = {f"{r}.{f}": train_serially(images, found[r], folds[f], device, f) for r, f in places}
    spent = time.perf_counter() - start
    return {"threads": threads, "seconds": spent * len(found) * len(folds) / len(places), "scores": scores}


def packs(images: Images, found: list[Recipe], folds: list[Any], device: str) -> dict[str, Any]:
    """All trials with `cross_validate`; seconds and accuracies after the last epoch."""
    import tenfold

    start = time.perf_counter()
    result = tenfold.cross_validate(found, images.x, images.y, folds=folds, device=device)
    spent = time.perf_counter() - start
    scores = {f"{t['recipe']}.{i % len(folds)}": t["curve"][-1] for i, t in enumerate(result.trials)}
    return {"seconds": spent, "scores": scores, "best": [row["mean"] for row in result.table]}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Packs and the serial loop in turn."""
    from sklearn.model_selection import StratifiedKFold

    images = load(arguments.data, arguments.rows)
    found = recipes(arguments.epochs)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(images.x, images.y))
    ours = packs(images, found, folds, arguments.device)
    peer = serial(images, found, folds, arguments.device, arguments.trials)
    shared = list(peer["scores"])
    accuracies = [np.array([side["scores"][key] for key in shared]) for side in (ours, peer)]
    return {
        "data": images.name, "rows": len(images.x), "recipes": len(found), "folds": len(folds),
        "epochs": arguments.epochs, "device": arguments.device, "tenfold": ours, "serial": peer,
        "ratio": peer["seconds"] / ours["seconds"],
        "accuracy": {"tenfold": float(accuracies[0].mean()), "serial": float(accuracies[1].mean()),
                     "standard_error": float((accuracies[0] - accuracies[1]).std(ddof=1) / len(shared) ** 0.5)},
        "machine": facts(),
    }  # fmt: skip


def ways(lanes: int, batch: int, image: int, channels: tuple[int, int]) -> Iterator[tuple[str, float, bool]]:
    """(way, milliseconds of forward and backward on one thread, whether its bits are those of a lane alone)."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    into, out = channels
    stack = torch.randn(lanes, batch, image, image, into)
    weights = torch.randn(lanes, out, into, 3, 3)
    alone = [functional.conv2d(x.permute(0, 3, 1, 2), w, padding=1) for x, w in zip(stack, weights, strict=True)]

    def loop(x: Tensor, w: Tensor) -> Tensor:
        pairs = zip(x.unbind(), w.unbind(), strict=True)
        return torch.stack([functional.conv2d(i.permute(0, 3, 1, 2), j, padding=1) for i, j in pairs])

    def grouped(x: Tensor, w: Tensor) -> Tensor:
        wide = x.permute(1, 0, 4, 2, 3).reshape(batch, lanes * into, image, image)
        y = functional.conv2d(wide, w.flatten(0, 1), padding=1, groups=lanes)
        return y.unflatten(1, (lanes, out)).transpose(0, 1)

    def unfolded(x: Tensor, w: Tensor) -> Tensor:
        wide = functional.pad(x, (0, 0, 1, 1, 1, 1))
        shifts = [wide[:, :, i : i + image, j : j + image] for i in range(3) for j in range(3)]
        patches = torch.cat(shifts, -1).view(lanes, -1, 9 * into)
        y = patches.bmm(w.permute(0, 3, 4, 2, 1).reshape(lanes, 9 * into, out))
        return y.view(lanes, batch, image, image, out).permute(0, 1, 4, 2, 3)

    for name, way in {"loop over lanes": loop, "grouped": grouped, "unfold + bmm": unfolded}.items():
        x, w = stack.clone().requires_grad_(), weights.clone().requires_grad_()
        same = all(torch.equal(a, b) for a, b in zip(way(x, w), alone, strict=True))
        times = []
        for _ in range(7):
            start = time.perf_counter()
            torch.autograd.grad(way(x, w).sum(), (x, w))
            times.append(time.perf_counter() - start)
        yield name, 1e3 * float(np.median(times)), same


def compare_ways() -> None:
    """A table of the ways to convolve many small networks, for several sizes."""
    print("| lanes, batch, image, channels | way | ms | bits of a lane alone |\n|---|---|---|---|")
    sizes = [
        (40, 32, 8, (1, 8)),
        (40, 32, 8, (8, 16)),
        (8, 64, 28, (1, 16)),
        (8, 64, 14, (16, 32)),
        (8, 64, 32, (3, 16)),
    ]
    for lanes, batch, image, channels in sizes:
        for name, spent, same in ways(lanes, batch, image, channels):
            print(f"| {lanes}, {batch}, {image}, {channels[0]} to {channels[1]} | {name} | {spent:.1f} | {same} |")


def main(arguments: list[str] | None = None) -> None:
    """Print the comparison and keep it under bench/results."""
    found = argparse.ArgumentParser(prog="python -m bench.images", description=__doc__)
    found.add_argument("--data", type=Path, help="an npz file, or the folder of Fashion-MNIST's IDX files")
    found.add_argument("--rows", type=int, help="the first so many images (default: all)")
    found.add_argument("--epochs", type=int, default=8)
    found.add_argument("--trials", type=int, default=4, help="that the serial loop trains (default 4)")
    found.add_argument("--device", default="cpu")
    found.add_argument("--lanes", action="store_true", help="time the ways to convolve many networks instead")
    asked = found.parse_args(arguments)
    print(describe(facts()))
    if asked.lanes:
        compare_ways()
        return
    if asked.data is None:
        found.error("--data is needed")
    measured = run(asked)
    target = RESULTS / f"images-{measured['data']}-{measured['rows']}-{asked.device}.json"
    target.write_text(json.dumps(measured, indent=1) + "\n")
    ours, peer, accuracy = measured["tenfold"], measured["serial"], measured["accuracy"]
    print(f"{measured['data']}, {measured['rows']} images, {len(RATES)} recipes x 5 folds x {asked.epochs} epochs")
    times = f"packs {ours['seconds']:.0f} s; serial loop {peer['seconds']:.0f} s on {peer['threads']} threads"
    print(f"{times} (scaled from {asked.trials} trials): {measured['ratio']:.2f} times")
    both = f"{accuracy['tenfold']:.4f} packs, {accuracy['serial']:.4f} serial"
    error = f"standard error of the difference {accuracy['standard_error']:.4f}"
    print(f"accuracy on the same trials: {both}, {error}; best recipe {max(ours['best']):.4f}")


if __name__ == "__main__":
    main()
