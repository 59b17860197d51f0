"""Random numbers that follow from a key, so that they are the same in every process and order of work."""

import hashlib

import numpy as np


def generator(key: str) -> np.random.Generator:
    """The random numbers that belong to a key, such as an utterance's, on every machine."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))
