"""The doctor: measure, judge, prescribe and prove, which meet only through recorded numbers."""
