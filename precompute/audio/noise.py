"""Noise at a given signal-to-noise ratio, for tests of robustness; an utterance always gets the same."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from precompute.audio import Noise, condition, seeding

TALKERS = 8
"""Voices that speak at once in babble: too many to follow any one."""

BABBLE_SECONDS = 20
"""Length of the babble from which each utterance takes a part."""


def add(
    samples: NDArray[np.float32], noise: Noise, snr_db: float, sample_rate: int, key: str, band: tuple[float, float]
) -> NDArray[np.float32]:
    """Add noise to an utterance.

    Args:
        samples: float32 (n,), not all zero.
        noise: `none`; `white`, Gaussian; or `babble`, eight synthetic voices at once, of our own synthesizer.
        snr_db: 20 log10 of the utterance's level over the noise's, both within the band, in dB.
        sample_rate: In Hz.
        key: The utterance's key, which seeds the noise.
        band: Lowest and highest frequency, in Hz, of what counts in the ratio.

    Returns:
        float32 (n,).
    """
    if noise == "none":
        return samples
    rng = seeding.generator(f"{noise} {key}")
    if noise == "white":
        added = rng.standard_normal(len(samples))
    else:
        talk = babble(sample_rate)
        added = np.take(talk, int(rng.integers(len(talk))) + np.arange(len(samples)), mode="wrap").astype(np.float64)
    gain = condition.level(samples, sample_rate, *band) / condition.level(added, sample_rate, *band) * 10 ** (-snr_db / 20)
    noisy: NDArray[np.float32] = (samples + gain * added).astype(np.float32)
    return noisy


@lru_cache(maxsize=1)
def babble(sample_rate: int) -> NDArray[np.float32]:
    """Eight voices speaking at once, each all the time, at equal level; float32 (20 * sample_rate,)."""
    from precompute.audio import synthesis

    total = np.zeros(BABBLE_SECONDS * sample_rate, np.float32)
    for speaker in synthesis.SPEAKERS[:TALKERS]:
        rng = seeding.generator(f"babble {speaker.name}")
        voice = np.zeros(0, np.float32)
        while len(voice) < len(total):
            sentence, emotion = int(rng.integers(len(synthesis.SENTENCES))), str(rng.choice(list(synthesis.EMOTIONS)))
            spoken = synthesis.synthesize(speaker, sentence, emotion, synthesis.SAMPLE_RATES[0])
            spoken = condition.resample(spoken, synthesis.SAMPLE_RATES[0], sample_rate)
            voice = np.concatenate([voice, spoken / np.sqrt(np.mean(np.square(spoken)))])
        total += voice[: len(total)]
    return total
