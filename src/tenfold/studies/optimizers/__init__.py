"""Studies of optimizers: first order, decay of the rate, second order."""
