"""One recording to one feature, as a recipe says."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precompute.audio import condition, decode, noise
from precompute.audio.chain import Audio, Frame
from precompute.cache import near_doubles
from precompute.common.arrays import Array
from precompute.common.errors import RecipeError, UnusableAudioError
from precompute.common.threads import one_thread
from precompute.features import logmel
from precompute.features._base import Levels
from precompute.recipe import Recipe

BANDS = 96
"""Mel bands that compare recordings that sound alike, where the feature has none: enough of them are under 3 kHz."""


@dataclass(frozen=True)
class Extracted:
    """A feature of one utterance.

    Attributes:
        values: As the recipe's `array` says; of a picture uint8 (height, width, 3), RGB, whose row 0 is the highest frequency
            and column 0 the earliest time.
        array: Says it.
        start: First step along the axis of time (column of a picture) that holds part of the utterance; 0 without such an axis.
        stop: Step after the last one that holds part of it; 1 without such an axis.
        duration: Of the utterance, in seconds, before padding or cropping.
        channels: Of the recording, before mixing down.
        sample_rate: Of the recording, in Hz.
        samples_sha256: What was decoded, as of `audio.digest`.
        acoustic_fingerprint: As of `near_doubles.fingerprint`.
    """

    values: NDArray[Any]
    array: Array
    start: int
    stop: int
    duration: float
    channels: int
    sample_rate: int
    samples_sha256: str
    acoustic_fingerprint: str


def extract(data: bytes, key: str, recipe: Recipe, begin: float | None = None, end: float | None = None) -> Extracted:
    """Compute the feature of one recording, by one thread.

    Args:
        data: Content of the audio file.
        key: The utterance's key, which seeds noise, and its place in the frame where the recipe pads at random.
        recipe: What to compute.
        begin: Of the utterance in the recording, in seconds; by default the recording's.
        end: Likewise.

    Raises:
        UnusableAudioError: The recording cannot be used; the message says why.
    """
    with one_thread():
        return _extract(data, key, recipe, begin, end)


def warm_up(recipe: Recipe) -> None:
    """Load and prepare what the first utterance of a recipe needs, so that it takes no longer than others."""
    with one_thread():
        recipe.feature.compute(Frame(np.zeros(recipe.audio.samples // 2, np.float32), 0, recipe.audio))


def frame(recording: decode.Waveform, key: str, audio: Audio) -> Frame:
    """Condition a recording, and pad or crop it.

    Args:
        recording: Decoded.
        key: The utterance's key, which seeds noise and place.
        audio: Says the rest.

    Raises:
        UnusableAudioError: As of `conditioned`.
    """
    samples, offset = condition.fit(conditioned(recording, key, audio), audio.samples, audio.pad, key)
    return Frame(samples, offset, audio)


def conditioned(recording: decode.Waveform, key: str, audio: Audio) -> NDArray[np.float32]:
    """The waveform of which a feature is computed: resampled, without its mean, with noise, and at its level.

    The level is that from f_min to f_max (`condition.level`), since nothing outside of a picture may change its brightness.

    Args:
        recording: Decoded.
        key: The utterance's key, which seeds the noise.
        audio: Says the rest.

    Returns:
        float32 (n,), at the sample rate of `audio`.

    Raises:
        UnusableAudioError: It is silent from f_min to f_max, or cannot be resampled.
    """
    # A mean would be a step, and so a click, at either end of the utterance.
    centred = recording.samples - recording.samples.mean()
    samples = condition.resample(centred, recording.sample_rate, audio.sample_rate)
    band = (audio.f_min, audio.f_max)
    level = condition.level(samples, audio.sample_rate, *band)
    if level < decode.SILENCE:
        raise UnusableAudioError(
            f"it is silent from {band[0]:g} to {band[1]:g} Hz, of which the picture is made (root mean square under "
            f"{decode.SILENCE:g} of full scale)"
        )
    noisy = noise.add(samples, audio.noise, audio.snr_db, audio.sample_rate, key, band)
    if audio.normalise == "none":
        return noisy
    if noisy is not samples:
        level = condition.level(noisy, audio.sample_rate, *band)
    scaled: NDArray[np.float32] = noisy / np.float32(level)
    return scaled


def _extract(data: bytes, key: str, recipe: Recipe, begin: float | None, end: float | None) -> Extracted:
    recording = decode.decode(data, begin, end)
    duration, array, audio = len(recording.samples) / recording.sample_rate, recipe.array, recipe.audio
    if duration < audio.duration / array.steps and array.time is not None:
        raise UnusableAudioError(f"{duration:.4f} s of audio is less than one column of {audio.duration / array.steps:g} s")
    framed = frame(recording, key, audio)
    computed = recipe.feature.compute(framed)
    per_step, end_of_it = audio.samples / array.steps, framed.offset + len(framed.samples)
    return Extracted(
        values=computed.values,
        array=array,
        start=0 if array.time is None else int(framed.offset // per_step),
        stop=min(array.steps, int(-(-end_of_it // per_step))),
        duration=duration,
        channels=recording.channels,
        sample_rate=recording.sample_rate,
        samples_sha256=decode.digest(recording.samples, recording.sample_rate),
        acoustic_fingerprint=_fingerprint(computed.levels, framed) if computed.levels else _fingerprint_of_bands(framed),
    )


def _fingerprint_of_bands(framed: Frame) -> str:
    """The acoustic fingerprint of the frame's mel bands; empty where the rate is too low for them, or the frame too short."""
    audio = framed.audio
    hop = round(near_doubles.STEP * audio.sample_rate)
    # Of the columns after the utterance nothing is read, and a frame may have room for a minute.
    columns = min(audio.samples // hop, -(-(framed.offset + len(framed.samples)) // hop))
    samples = framed.samples[: max(0, columns * hop - framed.offset)]
    if not len(samples):
        return ""
    whole = Frame(samples, framed.offset, replace(audio, duration=columns * hop / audio.sample_rate))
    try:
        bands = logmel.Feature(scales=BANDS, columns=columns)
        bands.check(whole.audio)
    except RecipeError:
        return ""
    levels = bands.compute(whole).levels
    return _fingerprint(levels, whole) if levels else ""


def _fingerprint(levels: Levels, framed: Frame) -> str:
    """The acoustic fingerprint of the columns that hold part of the utterance."""
    columns, audio = levels.values.shape[1], framed.audio
    per_column = audio.samples // columns
    within = levels.values[:, framed.offset // per_column : -(-(framed.offset + len(framed.samples)) // per_column)]
    return near_doubles.fingerprint(within, levels.frequencies, audio.duration / columns)
