"""Metrics of many trials at once, intervals, tests and corrections: pure functions of arrays."""
