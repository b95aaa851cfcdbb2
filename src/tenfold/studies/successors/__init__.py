"""Studies of what came later, and of checks before and during a training: widths, depths, averages, updates."""
