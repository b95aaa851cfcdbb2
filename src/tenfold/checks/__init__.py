"""What a result is held against: baselines on the same folds, and an audit for leaks."""
