"""Metrics over many trials at once, intervals and tests: pure functions of arrays."""
