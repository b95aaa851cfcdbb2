"""Hooks into a training that is under way."""
