"""Frames of a waveform."""

import numpy as np

from precompute.features._frames import framed


def test_frames_lie_within_the_samples():
    assert framed(np.arange(9.0), 5, 2).tolist() == [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [4, 5, 6, 7, 8]]


def test_samples_shorter_than_a_frame_are_filled_with_zeros():
    assert framed(np.ones(3), 5, 2).tolist() == [[1, 1, 1, 0, 0]]
