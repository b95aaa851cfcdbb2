"""Pages and figures, drawn from what a run has stored."""
