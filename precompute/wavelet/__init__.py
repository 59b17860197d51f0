"""The mathematics of the wavelet transform: NumPy in, NumPy out."""
