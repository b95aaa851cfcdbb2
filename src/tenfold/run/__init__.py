"""One `fit` on disk: its plan, journal, lockbox, result and verdict."""
