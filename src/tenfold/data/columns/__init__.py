"""What a column is: its kind, the target, the schema contract."""
