"""Training: the Lightning module, one fold's run, the plan of all runs."""
