"""Stacked lanes in torch: the forward pass, the updates, the state."""
