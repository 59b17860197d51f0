"""The mathematics of the wavelet transform: NumPy in, NumPy out."""

FEWEST_SAMPLES = 4
"""Samples of the waveform in a column, at least."""
