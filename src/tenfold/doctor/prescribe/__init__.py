"""From a root cause to a remedy in words."""
