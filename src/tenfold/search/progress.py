"""How far a search is, for whoever watches it; nothing is decided from it."""

from __future__ import annotations

from collections.abc import Callable


class Progress:
    """Counts epochs of trials and remembers the best mean score. planned: epochs that are likely to be trained."""

    def __init__(self, sign: float, tell: Callable[[float, float | None], None]) -> None:
        self._sign, self._tell = sign, tell
        self.planned, self._made = 1.0, 0
        self._best: float | None = None

    def restart(self, made: int, best: float | None) -> None:
        """Take over what the records know: a resumed run goes on from there."""
        self._made = made
        self._improve(best)

    def advance(self, made: int, best: float | None) -> None:
        """Count so many more epochs, and tell."""
        self._made += made
        self._improve(best)
        self._tell(min(1.0, self._made / self.planned), self._best)

    def _improve(self, best: float | None) -> None:
        if best is not None and (self._best is None or self._sign * best > self._sign * self._best):
            self._best = best
