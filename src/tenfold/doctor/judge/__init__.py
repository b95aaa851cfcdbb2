"""From recorded numbers to evidence, and from evidence to root causes."""
