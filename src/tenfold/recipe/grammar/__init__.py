"""YAML and plain data in and out, with all faults at once and their places."""
