"""Whether cross-validation is what it is told to be: folds, means, what is picked, what is kept."""
