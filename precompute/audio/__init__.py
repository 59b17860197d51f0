"""Recordings to waveforms: decoding, conditioning, noise, and the synthetic voice of the demonstration."""
