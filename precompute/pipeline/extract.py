"""One recording to one picture, as a recipe says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precompute.audio import condition, decode, noise
from precompute.cache import near_doubles
from precompute.common.errors import UnusableAudioError
from precompute.common.threads import one_thread
from precompute.features import _picture as image
from precompute.features import spectrogram
from precompute.recipe import Recipe
from precompute.wavelet import cwt

FAINTEST_DB = -200.0
"""Least peak, in dB re 1, that `reference=peak` puts at the top: a frame of digital silence stays dark."""


@dataclass(frozen=True)
class Picture:
    """A wavelet-scaled spectrogram.

    Attributes:
        pixels: uint8 (height, width, 3), RGB; row 0 is the highest frequency, column 0 the earliest time.
        start: First column that holds part of the utterance.
        stop: Column after the last one that holds part of it.
        duration: Of the utterance, in seconds, before padding or cropping.
        channels: Of the recording, before mixing down.
        samples_sha256: What was decoded, as of `audio.digest`.
        acoustic_fingerprint: As of `near_doubles.fingerprint`, of the first wavelet where there are three.
    """

    pixels: NDArray[np.uint8]
    start: int
    stop: int
    duration: float
    channels: int
    samples_sha256: str
    acoustic_fingerprint: str


def picture(data: bytes, key: str, recipe: Recipe, begin: float | None = None, end: float | None = None) -> Picture:
    """Compute the wavelet-scaled spectrogram of one recording, by one thread.

    Args:
        data: Content of the audio file.
        key: The utterance's key, which seeds its place in the frame where the recipe pads at random.
        recipe: What to compute.
        begin: Of the utterance in the recording, in seconds; by default the recording's.
        end: Likewise.

    Raises:
        UnusableAudioError: The recording cannot be used; the message says why.
    """
    with one_thread():
        return _picture(data, key, recipe, begin, end)


def warm_up(recipe: Recipe) -> None:
    """Load and prepare what the first picture of a recipe needs, so that it takes no longer than others."""
    with one_thread():
        _powers(np.zeros(recipe.samples // 2, np.float32), 0, recipe)


def conditioned(recording: decode.Waveform, key: str, recipe: Recipe) -> NDArray[np.float32]:
    """The waveform of which a picture is made: resampled, without its mean, with the recipe's noise, and at its level.

    The level is that from f_min to f_max (`audio.level`), since nothing outside of the picture may change its brightness.

    Args:
        recording: Decoded.
        key: The utterance's key, which seeds the noise.
        recipe: Says the rest.

    Returns:
        float32 (n,), at the recipe's sample rate.

    Raises:
        UnusableAudioError: It is silent from f_min to f_max, or cannot be resampled.
    """
    # A mean would be a step, and so a click, at either end of the utterance.
    centred = recording.samples - recording.samples.mean()
    samples = condition.resample(centred, recording.sample_rate, recipe.sample_rate)
    band = (recipe.f_min, recipe.f_max)
    level = condition.level(samples, recipe.sample_rate, *band)
    if level < decode.SILENCE:
        raise UnusableAudioError(
            f"it is silent from {band[0]:g} to {band[1]:g} Hz, of which the picture is made (root mean square under "
            f"{decode.SILENCE:g} of full scale)"
        )
    noisy = noise.add(samples, recipe.noise, recipe.snr_db, recipe.sample_rate, key, band)
    if recipe.normalise == "none":
        return noisy
    if noisy is not samples:
        level = condition.level(noisy, recipe.sample_rate, *band)
    scaled: NDArray[np.float32] = noisy / np.float32(level)
    return scaled


def _picture(data: bytes, key: str, recipe: Recipe, begin: float | None, end: float | None) -> Picture:
    recording = decode.decode(data, begin, end)
    duration = len(recording.samples) / recording.sample_rate
    if duration < recipe.duration / recipe.columns:
        raise UnusableAudioError(f"{duration:.4f} s of audio is less than one column of {recipe.duration / recipe.columns:g} s")
    samples = conditioned(recording, key, recipe)
    samples, offset = condition.fit(samples, recipe.samples, recipe.pad, key)
    levels = [_levels(power, recipe) for power in _powers(samples, offset, recipe)]
    shades = [image.resize(one, recipe.height, recipe.width) for one in levels]
    per_column = recipe.samples / recipe.width
    return Picture(
        pixels=np.stack(shades, axis=-1) if recipe.rgb == "wavelets" else image.colour(shades[0], recipe.table),
        start=int(offset // per_column),
        stop=min(recipe.width, int(-(-(offset + len(samples)) // per_column))),
        duration=duration,
        channels=recording.channels,
        samples_sha256=decode.digest(recording.samples, recording.sample_rate),
        acoustic_fingerprint=_fingerprint(levels[0], offset, offset + len(samples), recipe),
    )


def _powers(samples: NDArray[np.float32], offset: int, recipe: Recipe) -> list[NDArray[np.float32]]:
    """Power of each channel, (scales, columns)."""
    if recipe.transform == "wavelet":
        return [
            cwt.power(samples, name, recipe.frequencies, recipe.sample_rate, recipe.columns, offset, recipe.samples)
            for name in recipe.wavelets
        ]
    frame = np.zeros(recipe.samples, np.float32)
    frame[offset : offset + len(samples)] = samples
    rate, window = recipe.sample_rate, round(recipe.window * recipe.sample_rate)
    if recipe.transform == "stft":
        return [spectrogram.stft(frame, recipe.frequencies, rate, recipe.columns, window)]
    return [spectrogram.mel(frame, recipe.f_min, recipe.f_max, recipe.scales, rate, recipe.columns, window)]


def _levels(power: NDArray[np.float32], recipe: Recipe) -> NDArray[np.uint8]:
    """8-bit levels, (scales, columns)."""
    db = image.decibels(power)
    top = recipe.top_db if recipe.reference == "fixed" else max(float(db.max()), FAINTEST_DB)
    return image.levels(db, top, recipe.range_db)


def _fingerprint(levels: NDArray[np.uint8], begin: int, end: int, recipe: Recipe) -> str:
    """The acoustic fingerprint of the columns that hold the samples from `begin` to `end` of the frame."""
    per_column = recipe.samples // recipe.columns
    within = levels[:, begin // per_column : -(-end // per_column)]
    return near_doubles.fingerprint(within, recipe.frequencies, recipe.duration / recipe.columns)
