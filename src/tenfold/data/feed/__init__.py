"""Columns to matrices, moments of training parts, batches, and derived random numbers."""
