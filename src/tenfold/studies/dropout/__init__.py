"""Studies of dropout: what it multiplies, what its masks average to, and what it is good for."""
