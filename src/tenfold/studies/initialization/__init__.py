"""Studies of initial weights: how large, how distributed, and what depth makes of them."""
