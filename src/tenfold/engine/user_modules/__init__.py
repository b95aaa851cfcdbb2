"""Torch modules of the user's own: what one is, and its lanes trained stacked or one after another."""
