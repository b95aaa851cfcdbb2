"""What predicts: a model with its members, its training on all development rows, and which kind is kept."""
