"""A network as operations, its shapes and costs, and which trials train together."""
