"""The data card, and what is suspicious in the data."""
