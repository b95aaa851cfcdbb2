"""Numbers recorded of a training; no verdicts."""
