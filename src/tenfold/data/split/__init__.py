"""Which rows train and which are scored: the request, the folds, the test rows, and rows that must stay together."""
