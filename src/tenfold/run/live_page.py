"""report.html while a run goes on: drawn again at every rung and at least once a minute, at a bounded cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tenfold.errors import TenfoldError
from tenfold.run.unfinished import DRAWN, Status, unfinished_data
from tenfold.search.so_far import SoFar
from tenfold.store.run_directory import Run

DrawPage = Callable[[dict[str, Any]], str]
FILE = "report.html"


class LivePage:
    """Draws the page of a run that goes on.

    The first page comes with the first rung or minute after `first` seconds; a later one at every rung, and at the
    latest `every` seconds after the one before. Before each, at least cost / `share` seconds pass, where cost is the
    processor time that the last one took: so the pages take no more than that share of one core, and a rung that comes
    sooner waits. The first one loads what draws, which the final report needs as well, and does not count.
    """

    first: float = 5.0
    every: float = 60.0
    share: float = 0.03

    def __init__(self, run: Run, draw: DrawPage | None, seconds: Callable[[], float]) -> None:
        """draw: the page of what `unfinished_data` gives, None for no page. seconds: that the run has taken."""
        self.run, self._draw, self._run_seconds = run, draw, seconds
        self._so_far, self._status = SoFar(), Status("running", time.time())
        self._began = self._last = time.monotonic()
        self._cost, self._pages, self._asked = 0.0, 0, False
        self.seconds = 0.0  # of a processor, that all pages but the first took

    def look(self, so_far: SoFar) -> None:
        """What is known of the search from now on."""
        self._so_far = so_far
        self._status = replace(self._status, step=None)

    def progress(self, share: float) -> None:
        """How much of the search is done."""
        if self._status.step is None:  # a nested search counts for itself
            self._status = replace(self._status, share=share)

    def step(self, what: str) -> None:
        """A step before or after the search begins."""
        self._status = replace(self._status, step=what)

    def rung(self) -> None:
        """The race has decided: the page is due."""
        self._asked = True
        self.tick()

    def tick(self) -> None:
        """Draw the page if it is due; to be called often, in the thread that works on the run."""
        now = time.monotonic()
        due = self._asked or now - self._last >= self.every or (not self._pages and now - self._began >= self.first)
        if due and now - self._began >= self.first and now - self._last >= self._cost / self.share:
            self._write(self._status)

    def stopped(self) -> None:
        """The run has been stopped: a page that reloads itself would wait in vain."""
        if self._draw is not None and (self.run.path / FILE).exists():
            self._write(replace(self._status, state="stopped"))

    def _write(self, status: Status) -> None:
        if self._draw is None:
            return
        begun = time.thread_time()
        status = replace(status, time=time.time(), seconds=self._run_seconds())
        try:
            data = unfinished_data(self.run, status, self._so_far)
            page = self._draw(data)
        except TenfoldError:
            raise
        except Exception as error:
            # A page that cannot be drawn must not end hours of training: the diary says why, and there are no more.
            self.run.event("page not drawn", {"error": f"{type(error).__name__}: {error}"})
            self._draw = None
            return
        self.run.write_file(FILE, page)
        self.run.put(DRAWN, {"time": status.time, "share": status.share, "lines": data["lines"]})
        self._last, self._asked = time.monotonic(), False
        if self._pages:
            self._cost = time.thread_time() - begun
            self.seconds += self._cost
        self._pages += 1
