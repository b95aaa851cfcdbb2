"""Reading, the schema contract, encoding, splits, fold statistics, batches."""
