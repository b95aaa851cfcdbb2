"""Studies of batch normalization: what it makes of features, gradients, rates and starts, and what it does not."""
