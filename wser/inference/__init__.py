"""Trained networks at work: what a run has learned, on recordings of anybody."""
