"""Training many networks at once: packs of lanes, one stacked program for all of them."""
