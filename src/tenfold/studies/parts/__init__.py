"""What several studies measure with: chains of layers at their start, updates on known problems, trainings, figures."""
