"""Studies of gradients: what multiplies, what bounces, what vanishes and explodes."""
