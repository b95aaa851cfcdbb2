"""Short paired trainings that show whether a change helps."""
