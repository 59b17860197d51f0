"""Figures of results: metrics, uncertainty, sweeps, and published ones."""
