"""How far a search is, for whoever watches it; nothing is decided from it."""

from __future__ import annotations

from collections.abc import Callable


class Progress:
    """The share of a search's work that is done, and the best mean score so far.

    What is left is estimated again whenever a stage begins: who goes on, and what that costs, is then known. The part
    of the share that is still open is divided by it, so the share never falls, and the last stage ends at 1.
    """

    def __init__(self, sign: float, tell: Callable[[float, float | None], None]) -> None:
        self._sign, self._tell = sign, tell
        self._begun, self._before, self._left = 0.0, 0.0, 1.0  # where the stage begins: share, work done, work left
        self._made, self._told = 0.0, 0.0
        self._best: float | None = None

    @property
    def share(self) -> float:
        """Of the work that is done, in [0, 1]."""
        part = (self._made - self._before) / self._left if self._left > 0 else 1.0
        return self._begun + (1.0 - self._begun) * min(max(part, 0.0), 1.0)

    def stage(self, made: float, left: float) -> None:
        """A stage begins, with so much work done and so much left, that of later stages included."""
        self._begun, self._before, self._left, self._made = self.share, made, left, made

    def restart(self, made: float, best: float | None) -> None:
        """Take over what the records know: a resumed run goes on from there."""
        self._made = made
        self._improve(best)

    def advance(self, work: float, best: float | None) -> None:
        """Count so much more work, and tell."""
        self._made += work
        self._improve(best)
        self._told = self.share
        self._tell(self._told, self._best)

    def finish(self) -> None:
        """Tell that nothing is left, if that is not known."""
        if self._told < 1.0:
            self.stage(self._made, 0.0)
            self.advance(0.0, None)

    def _improve(self, best: float | None) -> None:
        if best is not None and (self._best is None or self._sign * best > self._sign * self._best):
            self._best = best
