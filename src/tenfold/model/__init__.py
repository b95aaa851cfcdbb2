"""What predicts: a model with its members, and how the final one is chosen and trained."""
