"""A compact source-filter synthesizer of emotional, speech-like utterances for the embedded "demo" corpus.

A glottal pulse train and noise excite time-varying formant resonators, after Klatt & Klatt (1990),
doi:10.1121/1.398894.  What each emotion does to prosody and voice quality follows the reviews of Scherer (2003),
doi:10.1016/S0167-6393(02)00084-5, and Juslin & Laukka (2003), doi:10.1037/0033-2909.129.5.770, and for boredom and
disgust the measurements of Banse & Scherer (1996), doi:10.1037/0022-3514.70.3.614.  The sizes of the effects are ours.
"""

from dataclasses import astuple, dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from precompute.audio import seeding

_Floats = NDArray[np.float64]

_FRAME = 0.005  # s, the step of every control track
_RESPONSE_FRAMES = 10  # 50 ms; 40 ms after its frame, even a formant 60 Hz wide has decayed by 65 dB
_SPEECH_SECONDS = (1.15, 3.1)  # with the silences on either side, the whole lasts 1.2 to 3.5 s
_SILENCE_FRAMES = (10, 30)  # 50 to 150 ms
_INTENSITY = (0.85, 1.3)  # of an utterance; the range of a factor on all of an emotion's deviations
_OPEN_QUOTIENT = 0.6  # of neutral speech
_BREATH, _FRICTION = 0.028, 2.8  # noise levels of an average speaker, relative to glottal pulses of about 1
_PEAK, _FLOOR = 0.8, 0.0005  # of full scale; the floor is the noise of a quiet studio
SAMPLE_RATES = (16000, 48000)  # Hz; below it the highest formants and fricatives would pass the Nyquist frequency


@dataclass(frozen=True)
class Speaker:
    """A speaker's neutral voice, and how strongly each kind of cue carries this speaker's emotions.

    Attributes:
        name: Identifier, unique among the speakers; it enters the random seed.
        sex: "female" or "male".
        f0: Median F0 of neutral speech in Hz.
        tract: Factor on all formant frequencies, 1.0 for an average adult male vocal tract.
        rate: Factor on the speech rate.
        tilt: Attenuation of the glottal source at 3 kHz in dB, beyond the -6 dB per octave of the pulses; above 0.
        breath: Level of the aspiration noise in dB, relative to the average speaker.
        jitter: Standard deviation of the period from cycle to cycle, as a fraction; shimmer is four times as large.
        pitch_cue: Multiplier on the emotional deviations of F0.
        tempo_cue: Multiplier on those of rate, pauses and energy dynamics.
        voice_cue: Multiplier on those of voice quality and articulation.
    """

    name: str
    sex: Literal["female", "male"]
    f0: float
    tract: float
    rate: float
    tilt: float
    breath: float
    jitter: float
    pitch_cue: float
    tempo_cue: float
    voice_cue: float


SPEAKERS: tuple[Speaker, ...] = (
    Speaker("F1", "female", 205.0, 1.16, 1.00, 10.0, 0.0, 0.006, 1.10, 0.90, 1.00),
    Speaker("F2", "female", 182.0, 1.12, 0.92, 13.0, 4.0, 0.008, 0.70, 1.10, 1.20),
    Speaker("F3", "female", 228.0, 1.20, 1.10, 8.0, -2.0, 0.005, 1.25, 1.15, 0.70),
    Speaker("F4", "female", 194.0, 1.18, 1.05, 11.0, 2.0, 0.010, 0.90, 0.60, 1.10),
    Speaker("F5", "female", 216.0, 1.13, 0.95, 9.0, -3.0, 0.007, 1.00, 1.05, 0.85),
    Speaker("M1", "male", 118.0, 1.00, 1.00, 10.0, 0.0, 0.007, 1.05, 1.00, 1.00),
    Speaker("M2", "male", 98.0, 0.95, 0.90, 12.0, 2.0, 0.011, 0.75, 0.85, 1.25),
    Speaker("M3", "male", 135.0, 1.05, 1.08, 8.0, -3.0, 0.006, 1.20, 0.75, 0.80),
    Speaker("M4", "male", 108.0, 0.98, 1.12, 9.0, -1.0, 0.009, 0.85, 1.20, 0.95),
    Speaker("M5", "male", 126.0, 1.03, 0.94, 13.0, 3.0, 0.008, 1.00, 1.10, 0.70),
)


@dataclass(frozen=True)
class Expression:
    """Deviation of an utterance from its speaker's neutral speech; neutral is all zeros.

    A "log ratio" is the natural logarithm of the ratio to neutral: 0.1 is about 10 % more.

    Attributes:
        f0_level: F0 level in semitones.
        f0_range: Log ratio of the F0 excursions (accents and declination).
        final: F0 movement over the last quarter of the utterance in semitones; positive rises.
        tremor: Depth of a 5 to 8 Hz modulation of F0 in semitones.
        rate: Log ratio of the speech rate.
        pauses: Log ratio of the duration of pauses.
        dynamics: Log ratio of the energy, in dB, by which accented syllables stand out.
        drawl: Log ratio of the duration of accented vowels.
        tilt: Attenuation of the glottal source at 3 kHz in dB; negative is a tenser, brighter voice.
        open_quotient: Open phase as a fraction of the glottal cycle.
        breath: Level of the aspiration noise in dB.
        jitter: Log ratio of jitter and shimmer.
        smile: Log ratio of all formant frequencies: spread lips shorten the vocal tract.
        f1: Log ratio of the first formant alone: a wider jaw or a narrowed pharynx raises it.
        precision: Log ratio of the distance of the formants from those of the neutral vowel.
    """

    f0_level: float = 0.0
    f0_range: float = 0.0
    final: float = 0.0
    tremor: float = 0.0
    rate: float = 0.0
    pauses: float = 0.0
    dynamics: float = 0.0
    drawl: float = 0.0
    tilt: float = 0.0
    open_quotient: float = 0.0
    breath: float = 0.0
    jitter: float = 0.0
    smile: float = 0.0
    f1: float = 0.0
    precision: float = 0.0


_CUE_SIZES = (4, 4, 7)  # the fields of Expression that follow pitch_cue, tempo_cue and voice_cue, in this order
# Standard deviations of the random part of each deviation, for any emotion.
_SPREAD = Expression(1.1, 0.22, 1.0, 0.08, 0.08, 0.35, 0.25, 0.08, 1.6, 0.04, 2.0, 0.25, 0.02, 0.03, 0.10)
_EXPRESSIONS = {
    "angry": Expression(3.8, 0.45, -1.5, 0.0, 0.10, -0.5, 0.55, 0.0, -6.0, -0.14, -4.0, 0.25, 0.0, 0.10, 0.18),
    "bored": Expression(-1.8, -0.75, -0.5, 0.0, -0.20, 0.3, -0.35, 0.15, 3.0, 0.03, 0.0, 0.0, -0.01, -0.04, -0.25),
    "disgusted": Expression(-0.8, 0.10, -3.5, 0.0, -0.18, 0.3, 0.35, 0.25, -1.5, -0.06, -1.0, 0.65, -0.02, 0.09, 0.0),
    "fearful": Expression(5.5, -0.25, 1.0, 0.45, 0.22, 0.0, -0.15, -0.1, 1.0, 0.02, 4.0, 0.55, 0.01, -0.03, -0.08),
    "happy": Expression(4.0, 0.55, 2.5, 0.0, 0.10, -0.4, 0.20, 0.0, -3.0, -0.04, -1.0, -0.15, 0.06, 0.03, 0.08),
    "neutral": Expression(),
    "sad": Expression(-1.2, -0.45, -1.5, 0.12, -0.28, 0.7, -0.45, 0.0, 5.5, 0.10, 6.0, 0.30, -0.02, -0.04, -0.18),
}
EMOTIONS: tuple[str, ...] = tuple(_EXPRESSIONS)


class _Segment(NamedTuple):
    """A stretch of speech: formant targets and friction centre in Hz, levels relative to a vowel's, duration in s."""

    f1: float
    f2: float
    f3: float
    voice: float = 1.0
    aspiration: float = 1.0
    friction: float = 0.0
    centre: float = 4000.0
    duration: float = 0.095


_NEUTRAL_VOWEL = (500.0, 1500.0, 2500.0)  # Hz, these and the next: resonances of a uniform tube of 17.5 cm
_HIGH_FORMANTS = (3500.0, 4500.0, 5500.0)
_VOWELS = {  # all but @ the men's averages of Peterson & Barney (1952), doi:10.1121/1.1906875
    "a": _Segment(730.0, 1090.0, 2440.0),
    "e": _Segment(530.0, 1840.0, 2480.0),
    "i": _Segment(270.0, 2290.0, 3010.0),
    "o": _Segment(570.0, 840.0, 2410.0),
    "u": _Segment(300.0, 870.0, 2240.0),
    "@": _Segment(500.0, 1400.0, 2500.0),
}
_CONSONANTS = {
    "m": _Segment(250.0, 1000.0, 2200.0, 0.4, 0.5, duration=0.065),
    "n": _Segment(250.0, 1500.0, 2500.0, 0.4, 0.5, duration=0.065),
    "l": _Segment(350.0, 1100.0, 2700.0, 0.6, 0.5, duration=0.065),
    "j": _Segment(280.0, 2150.0, 2900.0, 0.7, 0.5, duration=0.065),
    "s": _Segment(320.0, 1700.0, 2550.0, 0.0, 0.3, 0.30, 6200.0),
    "z": _Segment(320.0, 1700.0, 2550.0, 0.3, 0.3, 0.18, 6000.0),
    "S": _Segment(320.0, 1900.0, 2550.0, 0.0, 0.3, 0.35, 3200.0),
    "f": _Segment(320.0, 1100.0, 2300.0, 0.0, 0.3, 0.10, 5200.0),
    "v": _Segment(320.0, 1100.0, 2300.0, 0.4, 0.3, 0.06, 5000.0),
}
_BURSTS = {
    "p": _Segment(300.0, 900.0, 2300.0, 0.0, 0.3, 0.12, 1200.0, 0.02),
    "t": _Segment(300.0, 1750.0, 2600.0, 0.0, 0.4, 0.25, 4500.0, 0.025),
    "k": _Segment(300.0, 2000.0, 2400.0, 0.0, 0.5, 0.25, 2200.0, 0.03),
    "b": _Segment(300.0, 900.0, 2300.0, 0.2, 0.1, 0.06, 1000.0, 0.015),
    "d": _Segment(300.0, 1750.0, 2600.0, 0.2, 0.1, 0.12, 4000.0, 0.015),
    "g": _Segment(300.0, 2000.0, 2400.0, 0.2, 0.1, 0.12, 2000.0, 0.02),
}
_SILENCE = _Segment(*_NEUTRAL_VOWEL, voice=0.0, aspiration=0.0, duration=0.12)
_ACCENT, _PAUSE = "'", "_"
_PHONEMES = {name: (segment,) for name, segment in (_VOWELS | _CONSONANTS | {_PAUSE: _SILENCE}).items()} | {
    name: (burst._replace(aspiration=0.0, friction=0.0, duration=0.055), burst) for name, burst in _BURSTS.items()
}

# Each string is a syllable of one-letter phonemes; a leading ' marks the accent, _ is a pause.
SENTENCES: tuple[tuple[str, ...], ...] = (
    ("d@", "'ma", "n@", "'list", "_", "'ume", "zo"),
    ("'ti", "fa", "n@", "'So", "la", "_", "v@", "'ne", "ki"),
    ("so", "'bu", "li", "n@", "'ka", "mef", "_", "d@", "'go", "nu"),
    ("'ja", "mo", "_", "p@", "'Sel", "du", "'naf", "ti", "ma"),
    ("ki", "v@", "'zan", "do", "'mil", "_", "'pe", "su", "la", "n@"),
    ("'le", "no", "gu", "'fi", "Sa", "_", "be", "'to", "mi", "'dak"),
)


class _Score(NamedTuple):
    """The control tracks of an utterance, one row per frame: F0, formants and friction centre in Hz, gain a factor."""

    f0: _Floats
    gain: _Floats
    formants: _Floats
    voice: _Floats
    aspiration: _Floats
    friction: _Floats
    centre: _Floats


def _draw(speaker: Speaker, emotion: str, rng: np.random.Generator) -> Expression:
    """The expression of one utterance: the emotion's, at a random intensity in this speaker's manner, perturbed."""
    cues = np.repeat([speaker.pitch_cue, speaker.tempo_cue, speaker.voice_cue], _CUE_SIZES)
    mean = np.array(astuple(_EXPRESSIONS[emotion])) * cues * rng.uniform(*_INTENSITY)
    return Expression(*(mean + np.array(astuple(_SPREAD)) * rng.standard_normal(mean.size)).tolist())


def _segment(
    sentence: int, speaker: Speaker, expression: Expression, rng: np.random.Generator
) -> tuple[_Floats, NDArray[np.intp], _Floats]:
    """Segments of an utterance as rows, the frames each lasts, and its stress: about 1 in accented vowels, else 0."""
    rows, stress, stretch = [_SILENCE], [0.0], [0.0]
    for syllable in SENTENCES[sentence]:
        height = rng.uniform(0.6, 1.4) if syllable.startswith(_ACCENT) else 0.0
        for phoneme in syllable.removeprefix(_ACCENT):
            segments, accented = _PHONEMES[phoneme], height > 0 and phoneme in _VOWELS
            lengthening = expression.pauses if phoneme == _PAUSE else accented * (0.25 + expression.drawl)
            rows += segments
            stress += [accented * height] * len(segments)
            stretch += [lengthening] * len(segments)
    durations = np.array([row.duration for row in rows]) * np.exp(np.array(stretch) - expression.rate) / speaker.rate
    durations *= rng.lognormal(0.0, 0.08, durations.size)
    durations[-3:] *= 1.25  # speakers slow down before the end of a phrase
    durations *= np.clip(durations[1:].sum(), *_SPEECH_SECONDS) / durations[1:].sum()
    frames = np.maximum(1, np.rint(durations / _FRAME)).astype(np.intp)
    frames[0], last = rng.integers(*_SILENCE_FRAMES, size=2, endpoint=True)
    return np.array([*rows, _SILENCE]), np.append(frames, last), np.array([*stress, 0.0])


def _score(sentence: int, speaker: Speaker, expression: Expression, rng: np.random.Generator) -> _Score:
    """Control tracks of an utterance: articulation smoothed over neighbouring segments, F0 and gain."""
    rows, frames, stress = _segment(sentence, speaker, expression, rng)
    targets = np.repeat(rows, frames, axis=0)
    voice, aspiration, friction = uniform_filter1d(targets[:, 3:6], 4, axis=0, mode="nearest").T
    formants = gaussian_filter1d(targets[:, :3], 4.0, axis=0, mode="nearest")
    formants = (formants - _NEUTRAL_VOWEL) * np.exp(expression.precision) + _NEUTRAL_VOWEL
    formants = np.hstack([formants, np.broadcast_to(_HIGH_FORMANTS, formants.shape)])
    formants *= speaker.tract * np.exp(expression.smile)
    formants[:, 0] *= np.exp(expression.f1)

    count = len(targets)
    time = np.arange(count) * _FRAME
    position = np.clip((np.arange(count) - frames[0]) / (count - frames[0] - frames[-1]), 0.0, 1.0)
    accents = gaussian_filter1d(np.repeat(stress, frames), 8.0)
    drift = gaussian_filter1d(rng.standard_normal((2, count)), 20.0) * 6.0  # standard deviation about 0.7
    tremor = np.sin(2 * np.pi * (rng.uniform(5.0, 8.0) * time + rng.uniform()))
    semitones = expression.f0_level + np.exp(expression.f0_range) * (4.0 * accents - 3.0 * (position - 0.4))
    semitones += expression.final * np.clip(4 * position - 3, 0.0, 1.0)
    semitones += max(0.0, expression.tremor) * tremor + 0.4 * drift[0]
    decibels = 6.0 * np.exp(expression.dynamics) * (accents - 0.5 * position) + drift[1]
    f0, gain = speaker.f0 * 2 ** (semitones / 12), 10 ** (decibels / 20)
    return _Score(f0, gain, formants, voice, aspiration, friction, targets[:, 6])


def _glottal_flow(f0: _Floats, jitter: float, open_quotient: float, rng: np.random.Generator, rate: int) -> _Floats:
    """Glottal flow from 0 to about 1 after Rosenberg (1971), doi:10.1121/1.1912389, type C, at F0 in Hz per sample."""
    cycle = np.cumsum(f0 / rate).astype(np.intp)
    random = rng.standard_normal((2, 2 * cycle[-1] + 2))  # halving every period would double the cycles
    phase = np.cumsum(f0 / rate / np.maximum(1.0 + jitter * random[0, cycle], 0.5))
    amplitude = np.maximum(1.0 + 4.0 * jitter * random[1, phase.astype(np.intp)], 0.0)
    within = phase % 1.0 / open_quotient
    opening = 0.5 - 0.5 * np.cos(np.pi * within * 1.5)
    closing = np.cos(0.5 * np.pi * (within * 3.0 - 2.0))
    flow: _Floats = amplitude * np.where(within < 2 / 3, opening, np.where(within < 1.0, closing, 0.0))
    return flow


def _low_pass(signal: _Floats, decibels: float, rate: int) -> _Floats:
    """Tilt the spectrum with one real pole: 0 dB at 0 Hz, minus the given decibels (above 0) at 3 kHz."""
    power = 10 ** (-decibels / 10)
    half = (1 - power * np.cos(2 * np.pi * 3000.0 / rate)) / (1 - power)
    pole = half - np.sqrt(half**2 - 1)
    # It takes half the time of `precompute list`, which only reads what this module says of its utterances.
    from scipy.signal import lfilter

    return np.asarray(lfilter([1 - pole], [1, -pole], signal))


def _all_pole(frequencies: _Floats, bandwidths: _Floats, rate: int, size: int) -> NDArray[np.complex128]:
    """Denominator of a cascade of resonators on the bins of an FFT: (frames, resonators) in Hz to (frames, bins)."""
    radius = np.exp(-np.pi * bandwidths / rate)
    middle = -2 * radius * np.cos(2 * np.pi * frequencies / rate)
    coefficients = np.zeros((len(frequencies), 2 * frequencies.shape[1] + 1))
    coefficients[:, 0] = 1.0
    for b, c in zip(middle.T, (radius**2).T, strict=True):
        coefficients[:, 2:] += b[:, None] * coefficients[:, 1:-1] + c[:, None] * coefficients[:, :-2]
        coefficients[:, 1] += b
    return np.asarray(rfft(coefficients, size))


def _windowed(signal: _Floats, hop: int) -> _Floats:
    """Half-overlapping Hann-windowed blocks that sum to the signal again: ((n + 1) * hop,) to (n, 2 * hop)."""
    blocks = signal.reshape(-1, hop)
    from scipy.signal.windows import hann

    window: _Floats = hann(2 * hop, sym=False)
    return np.hstack([blocks[:-1], blocks[1:]]) * window


def _excite(
    score: _Score, speaker: Speaker, expression: Expression, rng: np.random.Generator, rate: int
) -> tuple[_Floats, _Floats]:
    """Windowed frames of the glottal source (pulses and aspiration) and of the friction source."""
    hop, count = round(_FRAME * rate), len(score.f0)
    samples = (count + 1) * hop
    f0 = np.interp(np.arange(samples) / hop - 1.0, np.arange(count), score.f0)
    open_quotient = float(np.clip(_OPEN_QUOTIENT + expression.open_quotient, 0.35, 0.9))
    flow = _glottal_flow(f0, speaker.jitter * np.exp(expression.jitter), open_quotient, rng, rate)
    tilt = max(speaker.tilt + expression.tilt, 0.5)
    pulses = _low_pass(np.diff(flow, prepend=0.0) * rate / 1000, tilt, rate)
    noise = rng.standard_normal((2, samples)) * np.sqrt(rate / SAMPLE_RATES[0])
    breath = _BREATH * 10 ** ((speaker.breath + expression.breath) / 20) * (0.3 + flow) * noise[0]
    hiss = _FRICTION * 10 ** (-tilt / 20) * noise[1]  # a laxer voice also drives less air through constrictions
    glottal = score.voice[:, None] * _windowed(pulses, hop) + score.aspiration[:, None] * _windowed(breath, hop)
    return glottal, score.friction[:, None] * _windowed(hiss, hop)


def _render(score: _Score, glottal: _Floats, friction: _Floats, rate: int) -> _Floats:
    """Filter the source frames by the vocal tract, each in the frequency domain, and add up the responses."""
    count, hop = len(glottal), glottal.shape[1] // 2
    size = _RESPONSE_FRAMES * hop
    poles = _all_pole(score.formants, 50.0 + 0.04 * score.formants, rate, size)
    spectra = rfft(glottal, size) * (poles[:, :1] / poles)
    noisy = score.friction > 0  # few frames are, and transforms are what takes the time
    centre = score.centre[noisy, None]
    poles = _all_pole(centre, 0.35 * centre, rate, size)
    spectra[noisy] += rfft(friction[noisy], size) * (np.abs(poles).min(axis=1, keepdims=True) / poles)
    responses = irfft(score.gain[:, None] * spectra, size).reshape(count, _RESPONSE_FRAMES, hop)
    sound = np.zeros((count + _RESPONSE_FRAMES - 1, hop))
    for late in range(_RESPONSE_FRAMES):
        sound[late : late + count] += responses[:, late]
    return sound[:count].ravel()


def synthesize(speaker: Speaker, sentence: int, emotion: str, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Synthesize one utterance; the same arguments always give the same samples.

    The prosody varies at random from utterance to utterance around what the emotion prescribes, so that emotions
    overlap.  The randomness is seeded by the speaker's name, the sentence and the emotion.

    Args:
        speaker: One of SPEAKERS, or another of the same making.
        sentence: Index into SENTENCES.
        emotion: One of EMOTIONS.
        sample_rate: Sample rate in Hz, 16000 to 48000.

    Returns:
        Mono samples, float32 of shape (samples,), with a peak of about 0.8 of full scale, 1.2 to 3.5 s long.

    Raises:
        ValueError: An argument is outside its range.
    """
    if not 0 <= sentence < len(SENTENCES):
        raise ValueError(f"sentence {sentence} does not exist; pass an index from 0 to {len(SENTENCES) - 1}.")
    if emotion not in _EXPRESSIONS:
        raise ValueError(f"emotion {emotion!r} is unknown; pass one of {', '.join(EMOTIONS)}.")
    low, high = SAMPLE_RATES
    if not low <= sample_rate <= high:
        raise ValueError(f"sample_rate {sample_rate} Hz is out of range; pass {low} to {high} Hz, then resample.")
    rng = seeding.generator(f"{speaker.name}/{sentence}/{emotion}")
    expression = _draw(speaker, emotion, rng)
    score = _score(sentence, speaker, expression, rng)
    sound = _render(score, *_excite(score, speaker, expression, rng, sample_rate), sample_rate)
    sound *= _PEAK / np.abs(sound).max()
    sound += _FLOOR * rng.standard_normal(sound.size)
    return sound.astype(np.float32)
