"""What can be changed in a training to cure it."""
