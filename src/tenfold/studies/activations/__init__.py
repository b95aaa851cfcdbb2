"""Studies of activations: signs of gradients, dead units, formulas that are almost right."""
