"""Cache in, results out: train and cross-validate speech emotion recognition on wavelet-scaled spectrograms."""
