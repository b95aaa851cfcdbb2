"""What TensorBoard shows of a search: the losses and the metric by epoch, a TensorBoard run for each recipe."""

from __future__ import annotations

import io
import os
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.errors import BadInput, RunFailed
from tenfold.search.so_far import TrialEpoch

FLUSH_SECONDS = 1.0


class TensorBoardLog:
    """Event files in a directory, `recipe-007/` for recipe 7: of each epoch the means over the folds under "train
    loss", "validation loss" and the name of the metric, and the same for fold 2 under "fold 2/...".

    A mean is of the folds that have made the epoch: a race over folds adds some later, and writes it again then.
    Nothing is read back: a run that goes on after a stop adds files, and epochs that it repeats since its last
    checkpoint appear twice.
    """

    def __init__(self, directory: str | Path, metric: str, describe: Callable[[int], str]) -> None:
        """metric: its name. describe: the recipe of that number in words. Raises `BadInput` where tensorboard is not
        installed, or the directory cannot be made."""
        refuse_without_tensorboard()
        self._proto = _Protocol()
        self.directory, self._describe = Path(directory), describe
        self._names = ("train loss", "validation loss", f"validation {metric}")
        self._sums: dict[tuple[int, int], np.ndarray] = defaultdict(lambda: np.zeros(4))  # three sums, and of how many
        self._waiting: dict[int, io.BytesIO] = {}
        self._files: dict[int, Path] = {}
        self._flushed = time.monotonic()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"--tensorboard {directory}: {error.strerror}", expected="a directory") from None

    def epochs(self, trials: Sequence[TrialEpoch]) -> None:
        """Log what an epoch of some trials came to."""
        values: dict[tuple[int, int], list[tuple[str, float]]] = defaultdict(list)
        for trial in trials:
            measured, place = (trial.train_loss, trial.loss, trial.score), (trial.recipe, trial.epoch)
            self._sums[place] += (*measured, 1.0)
            values[place] += [
                (f"fold {trial.fold}/{name}", value) for name, value in zip(self._names, measured, strict=True)
            ]
        for (recipe, epoch), by_fold in values.items():
            sums = self._sums[recipe, epoch]
            means = zip(self._names, (sums[:3] / sums[3]).tolist(), strict=True)
            self._add(recipe, epoch, [*means, *by_fold])
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Append what waits to the files. Raises `RunFailed` where the disk refuses."""
        for recipe, waiting in self._waiting.items():
            path = self._files[recipe]
            try:
                path.parent.mkdir(exist_ok=True)
                with path.open("ab") as file:
                    file.write(waiting.getvalue())
            except OSError as error:
                raise RunFailed(f"--tensorboard: {path} cannot be written: {error.strerror}") from None
        self._waiting.clear()
        self._flushed = time.monotonic()

    def _add(self, recipe: int, epoch: int, values: Sequence[tuple[str, float]]) -> None:
        proto = self._proto
        summary = proto.Summary(value=[proto.Summary.Value(tag=tag, simple_value=value) for tag, value in values])
        self._record(recipe, proto.Event(wall_time=time.time(), step=epoch, summary=summary))

    def _record(self, recipe: int, event: Any) -> None:
        """A record of the file of a recipe; before its first one, the version of the format and the recipe in words."""
        if recipe not in self._files:
            now = time.time()
            name = f"events.out.tfevents.{int(now)}.{socket.gethostname()}.{os.getpid()}"
            self._files[recipe] = self.directory / f"recipe-{recipe:03}" / name
            self._record(recipe, self._proto.Event(wall_time=now, file_version="brain.Event:2"))
            said = self._proto.text("recipe", self._describe(recipe))
            self._record(recipe, self._proto.Event(wall_time=now, step=0, summary=said))
        self._proto.writer(self._waiting.setdefault(recipe, io.BytesIO())).write(event.SerializeToString())


class _Protocol:
    """The classes of tensorboard that are needed here."""

    def __init__(self) -> None:
        # The classes of protocol buffers are made when their module is imported: no type checker sees them.
        self.Event: Any = import_module("tensorboard.compat.proto.event_pb2").Event
        self.Summary: Any = import_module("tensorboard.compat.proto.summary_pb2").Summary
        self.writer: Any = import_module("tensorboard.summary.writer.record_writer").RecordWriter
        self.text: Any = import_module("torch.utils.tensorboard.summary").text


def refuse_without_tensorboard() -> None:
    """Raise `BadInput` where the package is not installed."""
    if find_spec("tensorboard") is None:
        what = "--tensorboard needs the package tensorboard, which is not installed"
        raise BadInput(what, do="pip install 'tenfold[tensorboard]'")
