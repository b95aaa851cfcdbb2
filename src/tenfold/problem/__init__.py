"""What is learned from which rows, from a file or from arrays."""
