"""Numbers: metrics, uncertainty, sweeps, and published results."""
