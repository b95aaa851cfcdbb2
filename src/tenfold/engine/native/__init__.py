"""Compiled lanes: one dense network trained alone, on one thread, by C++ that is compiled when Tenfold is installed."""
