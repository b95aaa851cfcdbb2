"""What is computed from a model, its rows and its updates."""
