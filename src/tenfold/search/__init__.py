"""Who is trained for how long: proposals, races, one job, records and results."""
