"""Choosing a recipe: cross-validation, baselines, the sealed test rows, the refit."""
