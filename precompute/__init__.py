"""Recordings in, cache out: wavelet-scaled spectrograms of speech corpora, computed once and stored in Zarr."""
