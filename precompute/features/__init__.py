"""What is computed of a waveform: one feature, one file."""
