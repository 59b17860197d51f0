"""Energy of wavelet coefficients in each time column, without computing the coefficients at the full rate.

The energy of a column, the sum of |c|^2 over its samples, is a quadratic form in the waveform, found in one of these ways,
each exact for any waveform:

- *From the waveform*, at the lowest rate that the wavelet's band needs.  Where the wavelet reaches over no more than half a
  column, Parseval's theorem gives the energy of the column's own samples, filtered, from their spectrum, one matrix product
  for all such scales; what the filter carries across the two ends is a small quadratic form in the samples nearest
  (`_across_an_end`).  Where it reaches further, the form in all samples within reach has few vectors that matter, since the
  band is narrow (`_energy`).  At the highest frequencies the taper makes filters long; there the waveform is tapered
  instead, and taken at a higher rate, which leaves room for the bands of the filters, and they are short.
- *From samples of c*, where filters are too long for that.  The part of the spectrum in the wavelet's band is
  inverse-transformed at the rate that the band needs.  The sum of |c|^2 over those samples is the energy, except at the
  column's two ends: there c is interpolated to the full rate, which is a quadratic form in the few samples nearest
  (`_ends_of_samples`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from precompute.wavelet import fourier
from precompute.wavelet._base import Wavelet
from precompute.wavelet.filters import Amplitudes, both_sides, extent, taper, tapered, untapered

COLUMNS_AT_ONCE = 16
"""The transform's length is a multiple of this many columns, so that few filter banks serve utterances of any length."""

SCALES_AT_ONCE = 4
"""Neighbouring scales computed together."""

OVERSAMPLING = 1.25
"""Rate of the samples of c over the band where the filter exceeds the wavelet's cutoff, at least."""

STEEP = 0.05
"""Amplitude over which a filter counts fully towards the error of interpolation."""

STEEP_OVERSAMPLING = 2.4
"""Rate of the samples of c over the band where the filter exceeds `STEEP`, at least."""

KERNEL = 10
"""Samples of c on either side of a column's end from which c is interpolated, by a sinc under a Kaiser window."""

KAISER = 18.0
"""Shape of that window: with `OVERSAMPLING` it keeps an impulse's flanks, 60 dB down, to within 0.05 dB."""

NEGLIGIBLE = 1e-6
"""Eigenvalues of a quadratic form under this share of the filter's energy are left out: -60 dB each."""

FLOOR = 0.01
"""Share of `NEGLIGIBLE` for a wavelet with a floor: a loud sound far from its band shows through the floor."""

LARGEST = 300
"""Samples of the largest quadratic form that is tried: a bank of larger ones takes seconds to decompose."""

POINT = 400
"""Multiplications of a matrix product that take the time of one sample of c in one column, roughly."""

LEAST_RANK = 20
"""Vectors of a quadratic form, at least, by which scales are ruled out before theirs are counted."""


@dataclass(frozen=True)
class Bank:
    """All scales' filters for one length of transform.

    Attributes:
        scales: Number of scales.
        from_waveform: Scales found from the waveform, those of each way together.
        from_samples: Groups of scales found from samples of c.
    """

    scales: int
    from_waveform: "tuple[FromWaveform, ...]"
    from_samples: "tuple[FromSamples, ...]"

    def energy(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum of |c|^2 over the samples of each column, float32 (scales, columns).

        Args:
            frame: Waveform by columns, float32 (columns, samples), continued periodically.
        """
        columns = len(frame)
        energy = np.empty((self.scales, columns), np.float32)
        if self.from_waveform:
            spectrum = fourier.spectrum(frame)
            for short in self.from_waveform:
                energy[short.rows] = short.energy(short.waveform(frame, spectrum))
        if self.from_samples:
            zero, spectrum = 0, scipy.fft.rfft(frame.reshape(-1))
            if any(group.start < 0 for group in self.from_samples):
                zero, spectrum = len(spectrum) - 1, both_sides(spectrum)
            # One workspace for all groups: fresh arrays of this size cost as much in page faults as the arithmetic.
            workspace = np.empty(max(group.points for group in self.from_samples) * columns, np.complex64)
            for group in self.from_samples:
                energy[group.rows] = group.energy(spectrum, zero, workspace)
        return energy


@dataclass(frozen=True)
class FromSamples:
    """Filters of neighbouring scales whose column energies are found from samples of c.

    Attributes:
        rows: Which scales.
        columns: Of the transform.
        per_column: Samples of c in each column.
        full_rate: Samples of the waveform in each column.
        start: The filters' first bin, which may be negative.
        below: How many bins come before the one that is moved to 0 Hz.
        responses: Amplitudes of the filters from the first bin on: real ones twice, for the real and the imaginary part of
            what they multiply, float32 (scales, 2 * bins), others complex64 (scales, bins).
    """

    rows: slice
    columns: int
    per_column: int
    full_rate: int
    start: int
    below: int
    responses: NDArray[np.float32] | NDArray[np.complex64]

    @property
    def points(self) -> int:
        """Samples of c in a column of all scales together."""
        return self.per_column * len(self.responses)

    def energy(self, spectrum: NDArray[np.complex64], zero: int, workspace: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Sum of |c|^2 over the samples of each column, (scales, columns), the outermost columns inexact.

        Args:
            spectrum: Of the frame, (bins,).
            zero: Which of the bins is that of 0 Hz.
            workspace: To be overwritten.
        """
        q, n = self.per_column, self.columns * self.per_column
        band = workspace[: self.points * self.columns].reshape(-1, n)
        # Real and imaginary parts side by side: twice as fast as complex by real.
        source, target = spectrum.view(self.responses.dtype), band.view(self.responses.dtype)
        parts = 1 if np.iscomplexobj(self.responses) else 2
        start, below, stop, end = parts * (zero + self.start), parts * self.below, self.responses.shape[1], parts * n
        target[:, stop - below : end - below] = 0
        for to, of in ((slice(0, stop - below), slice(below, stop)), (slice(end - below, end), slice(0, below))):
            np.multiply(source[start + of.start : start + of.stop], self.responses[:, of], out=target[:, to])
        c = scipy.fft.ifft(band, axis=-1, overwrite_x=True).view(np.float32).reshape(-1, 2 * q)
        energy: NDArray[np.float32] = np.vecdot(c, c)
        if q < self.full_rate:
            # Ends at which one row follows another are computed in vain.
            vectors, signs = _ends_of_samples(self.full_rate / q)
            ends = (c[:, -2 * KERNEL :] @ vectors[: 2 * KERNEL])[:-1]
            ends += (c[:, : 2 * KERNEL] @ vectors[2 * KERNEL :])[1:]
            later = np.square(ends, out=ends) @ signs
            energy[1:] += later
            energy[:-1] -= later
        return (energy * np.float32(self.full_rate / q)).reshape(len(band), self.columns)


@dataclass(frozen=True)
class Form:
    """Quadratic forms in the waveform around each column, of neighbouring scales: sums of squares of projections.

    Attributes:
        rows: Which of the scales found from this waveform.
        first: Where the samples of the forms begin, counted from the column's first; may be negative.
        vectors: On which the samples are projected, (samples, rank).
        signs: Sums the squares of the projections for each scale, (rank, scales).
    """

    rows: slice
    first: int
    vectors: NDArray[np.float32]
    signs: NDArray[np.float32]


class Method(NamedTuple):
    """How scales are found from the waveform.

    Attributes:
        tapered: From the tapered waveform, by filters that are not.
        by_ends: By Parseval's theorem and forms at the ends of columns; else by forms in all samples within reach.
        per_column: Samples in a column, at the rate that the scales need.
    """

    tapered: bool
    by_ends: bool
    per_column: int


@dataclass(frozen=True)
class FromWaveform:
    """Filters whose column energies are found from the waveform.

    Attributes:
        method: How they are computed.
        rows: Which scales, (scales,).
        length: Of the FFT of a column.
        weights: |Psi|^2 on its bins, each twice, with the factors of Parseval's theorem, (2 * bins, scales); None where all of
            the energy is in the forms.
        forms: What the filters carry across the ends of columns, or all.
        taper: Of the waveform's spectrum as `fourier` keeps it, (columns / 2 + 1, samples); None where the filters are tapered.
    """

    method: Method
    rows: NDArray[np.int64]
    length: int
    weights: NDArray[np.float32] | None
    forms: tuple[Form, ...]
    taper: NDArray[np.float32] | None

    def waveform(self, frame: NDArray[np.float32], spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        """The waveform by columns at the rate of these scales, (columns, per_column).

        Args:
            frame: Waveform by columns.
            spectrum: Its spectrum as `fourier` keeps it.
        """
        if self.taper is not None:
            return fourier.resampled(spectrum * self.taper, self.method.per_column)
        return frame if self.method.per_column == frame.shape[1] else fourier.resampled(spectrum, self.method.per_column)

    def energy(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum of |c|^2 over the samples of each column, (scales, columns).

        Args:
            wave: As `waveform` gives it.
        """
        energy: NDArray[np.float32]
        if self.weights is None:
            energy = np.zeros((len(wave), len(self.rows)), np.float32)
        else:
            squares = scipy.fft.rfft(wave, self.length, axis=-1).view(np.float32)
            energy = np.square(squares, out=squares) @ self.weights
        columns, p = wave.shape
        flat, margin, size = wave.reshape(-1), -min(form.first for form in self.forms), wave.itemsize
        around = np.concatenate([flat[-margin:], flat, flat[:margin]])
        for form in self.forms:
            # A view, the fast way (as_strided takes as long as the product).
            shape = columns, len(form.vectors)
            samples = np.ndarray(shape, np.float32, around, (margin + form.first) * size, (p * size, size))
            if shape[1] > p:
                # Rows that overlap would keep the product from BLAS.
                samples = samples.copy()
            energy[:, form.rows] += np.square(samples @ form.vectors) @ form.signs
        return energy.T


@lru_cache(maxsize=20)
def filter_bank(wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int, columns: int) -> Bank:
    """Filters for a transform of `columns` columns of `samples` samples each.

    Args:
        wavelet: The mother wavelet.
        frequencies: Centre frequencies in Hz.
        sample_rate: In Hz.
        samples: Samples of the waveform in a column.
        columns: Columns of the transform, a multiple of `COLUMNS_AT_ONCE`.
    """
    from_waveform, from_samples = _shared_out(wavelet, frequencies, sample_rate, samples)
    # Bins of the spectrum as `fourier` keeps it, those of negative frequencies negative.
    bins = np.arange(columns // 2 + 1)[:, None] + columns * np.fft.fftfreq(samples, 1 / samples)
    tapering = taper(bins, samples * columns).astype(np.float32)
    tapered = tuple(replace(group, taper=tapering) if group.method.tapered else group for group in from_waveform)
    groups = tuple(_from_samples(wavelet, frequencies, rows, sample_rate, samples, columns) for rows in from_samples)
    return Bank(len(frequencies), tapered, groups)


def _from_samples(
    wavelet: Wavelet, frequencies: tuple[float, ...], rows: slice, sample_rate: float, samples: int, columns: int
) -> FromSamples:
    start, responses, q = _together(wavelet, frequencies[rows], sample_rate, samples, columns)
    below = responses.shape[1] // 2
    responses = responses * (q / samples)
    if np.iscomplexobj(responses):
        return FromSamples(rows, columns, q, samples, start, below, responses.astype(np.complex64))
    return FromSamples(rows, columns, q, samples, start, below, np.repeat(responses, 2, axis=1).astype(np.float32))


@lru_cache(maxsize=8)
def _shared_out(
    wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int
) -> tuple[tuple[FromWaveform, ...], tuple[slice, ...]]:
    """What does not depend on the length: filters of scales found from the waveform, and scales found from samples of c."""
    from_samples: list[slice] = []
    forms_by_method: dict[Method, list[list[Form]]] = {}
    for at in range(0, len(frequencies), SCALES_AT_ONCE):
        rows = slice(at, min(at + SCALES_AT_ONCE, len(frequencies)))
        _, _, q = _together(wavelet, frequencies[rows], sample_rate, samples, 2 * COLUMNS_AT_ONCE)
        worth, best = POINT * q * (rows.stop - at), None
        for method in _methods(wavelet, frequencies[rows], sample_rate, samples):
            forms = _forms(wavelet, frequencies, rows, sample_rate, samples, method, worth)
            if forms:
                best, worth = (method, forms), sum(form.vectors.size for form in forms)
        if best:
            forms_by_method.setdefault(best[0], []).append(best[1])
        else:
            from_samples.append(rows)
    pooled = (
        _from_waveform(wavelet, frequencies, sample_rate, samples, method, forms) for method, forms in forms_by_method.items()
    )
    return tuple(pooled), tuple(from_samples)


def _rate(wavelet: Wavelet, frequency: float, sample_rate: float, samples: int) -> int:
    """Samples in a column of the slowest waveform that has the wavelet's band: by halves, so that many scales share one."""
    edge = max(np.abs(wavelet.band)) / wavelet.centre * frequency / sample_rate * samples
    p = samples
    while p > 1 and edge < -(-p // 2) / 2:
        p = -(-p // 2)
    return p


def _together(
    wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int, columns: int
) -> tuple[int, Amplitudes, int]:
    """First bin and responses of several filters, (scales, bins), and the samples of c in a column that they need."""
    n = columns * samples
    filters = [tapered(wavelet, frequency, n, sample_rate) for frequency in frequencies]
    start, stop = min(bins[0] for bins, _ in filters), max(bins[-1] for bins, _ in filters) + 1
    responses = np.zeros((len(filters), stop - start), filters[0][1].dtype)
    for row, (bins, response) in zip(responses, filters, strict=True):
        row[bins - start] = response
    steep = np.flatnonzero((np.abs(responses) > STEEP).any(axis=0))
    rate = max(OVERSAMPLING * (stop - start), STEEP_OVERSAMPLING * (np.ptp(steep) if len(steep) else 0)) / columns
    q = min(scipy.fft.next_fast_len(max(KERNEL, int(np.ceil(rate)))), samples)
    return int(start), responses, int(q)


def _methods(wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int) -> Iterator[Method]:
    """The ways there are to find scales from the waveform; none where their filters reach further than the shortest frame."""
    for before in (False, True) if wavelet.band[0] > 0 else (False,):
        reach = max(extent(wavelet, frequency, sample_rate, before)[0] for frequency in frequencies)
        by_ends = 2 * reach <= samples
        if reach <= COLUMNS_AT_ONCE * samples and (by_ends or not before):
            # At 3/2 of the rate, a filter up to the sample rate meets no repetition of negative frequencies.
            p = -(-3 * samples // 2) if before else _rate(wavelet, max(frequencies), sample_rate, samples)
            yield Method(before, by_ends, p)


def _forms(
    wavelet: Wavelet,
    frequencies: tuple[float, ...],
    rows: slice,
    sample_rate: float,
    samples: int,
    method: Method,
    worth: float,
) -> list[Form] | None:
    """The quadratic forms of some scales, or None where they take more multiplications for a column than they are worth."""
    step = samples / method.per_column
    extents = [extent(wavelet, f, sample_rate, method.tapered) for f in frequencies[rows]]
    reach = int(np.ceil(max(reach for reach, _ in extents) / step))
    size = 3 * reach if method.by_ends else method.per_column + 2 * reach
    takes = 2 * size if method.by_ends else size
    if size > LARGEST or takes * LEAST_RANK * len(extents) > worth:
        return None
    # Long enough that no filter meets its own repetition: at most 3 reaches lie between a sample and where it is felt.
    n = int(np.ceil((4 * reach if method.by_ends else size) * step))
    decomposed, backwards = [], []
    for frequency, (_, whole) in zip(frequencies[rows], extents, strict=True):
        energy = whole * FLOOR if wavelet.floor else whole
        bins, response = (untapered if method.tapered else tapered)(wavelet, frequency, n, sample_rate)
        if method.by_ends:
            times = (np.arange(-2 * reach, reach) + 0.5) * step - 0.5
            form = _across_an_end(bins / n, response / n, times, int(np.ceil(reach * step)))
            # Seen backwards in time, a filter of real response is its own conjugate, and a form in real samples the same.
            if np.iscomplexobj(response):
                mirrored = _across_an_end(bins / n, response.conj() / n, times, int(np.ceil(reach * step)))
                backwards.append(_decomposed(mirrored, energy))
        else:
            times = (np.arange(-reach, method.per_column + reach) + 0.5) * step - 0.5
            form = _energy(bins / n, response / n, times, 0, samples)
        decomposed.append(_decomposed(form, energy))
    if takes * sum(len(signs) for _, signs in decomposed) > worth:
        return None
    if not method.by_ends:
        return [_joined(rows, -reach, decomposed)]
    begins = _joined(rows, -reach, backwards or decomposed)
    begins = replace(begins, vectors=begins.vectors[::-1].copy())
    return [_joined(rows, method.per_column - 2 * reach, decomposed), begins]


def _joined(rows: slice, first: int, decomposed: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Form:
    """The forms of several scales in one, from their vectors and signs."""
    ranks = [len(signs) for _, signs in decomposed]
    vectors = np.concatenate([vectors for vectors, _ in decomposed], axis=1).astype(np.float32)
    sums = np.zeros((sum(ranks), len(ranks)), np.float32)
    sums[np.arange(sum(ranks)), np.repeat(np.arange(len(ranks)), ranks)] = np.concatenate([signs for _, signs in decomposed])
    return Form(rows, first, vectors, sums)


def _from_waveform(
    wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int, method: Method, groups: list[list[Form]]
) -> FromWaveform:
    """Put the scales that are found in one way together."""
    rows = np.concatenate([np.arange(forms[0].rows.start, forms[0].rows.stop) for forms in groups])
    placed, at = [], 0
    for forms in groups:
        to = slice(at, at := at + forms[0].signs.shape[1])
        placed += [replace(form, rows=to) for form in forms]
    if not method.by_ends:
        return FromWaveform(method, rows, 0, None, tuple(placed), None)
    reach = -min(form.first for form in placed)
    length = int(scipy.fft.next_fast_len(method.per_column + 2 * reach, real=True))
    step = samples / method.per_column
    k = np.arange(length // 2 + 1)
    weights = []
    for row in rows:
        gain = np.zeros(len(k))
        # The spectrum of a column's samples repeats itself at their rate, and is the same at negative frequencies.
        for bins in (k, -k, length - k, k - length) if method.tapered else (k, -k):
            response = wavelet.response(bins / (length * step) * sample_rate / frequencies[row] * wavelet.centre)
            gain += np.abs(response) ** 2 * (1 if method.tapered else taper(bins, length * step) ** 2)
        gain[(k == 0) | (2 * k == length)] /= 2
        weights.append(np.repeat(gain / (length * step), 2))
    return FromWaveform(method, rows, length, np.stack(weights, axis=1).astype(np.float32), tuple(placed), None)


def _across_an_end(
    frequencies: NDArray[np.float64], response: Amplitudes, times: NDArray[np.floating], reach: int
) -> NDArray[np.float64]:
    """The quadratic form for what a filter carries across the end of a column, for the column that ends, before time 0.

    With u and v the filtered waveform before and after the end, each without the other, the column has the energy of
    u + v before the end, where Parseval's theorem gives it that of u on both sides.

    Args:
        frequencies: Of the filter's bins, in cycles per sample.
        response: At these, over their number.
        times: Of the samples of the waveform, (size,).
        reach: Of the filter in samples of c.

    Returns:
        (size, size), symmetric.
    """
    form = _energy(frequencies, response, times, -reach, 0)
    before = times < -0.5  # halfway between the samples of c at -1 and 0
    form[np.ix_(before, before)] -= _energy(frequencies, response, times[before], -reach, reach)
    return form


def _energy(
    frequencies: NDArray[np.float64], response: Amplitudes, times: NDArray[np.floating], begin: int, end: int
) -> NDArray[np.float64]:
    """The quadratic form that gives the energy of c(t) = sum over f, m of response(f) exp(2 pi i f (t - times(m))) x(m).

    Args:
        frequencies: f, at equal distances, in cycles per sample.
        response: At these.
        times: Of the samples of the waveform, (size,).
        begin: First t.
        end: The t after the last one.

    Returns:
        (size, size), symmetric: of x real only the real part matters.
    """
    delayed = response[:, None] * np.exp(-2j * np.pi * frequencies[:, None] * times)
    # The sum of exp(2 pi i f t) over t, for f the difference of two frequencies (Dirichlet's kernel).
    f = frequencies - frequencies[0]
    with np.errstate(invalid="ignore"):
        kernel = np.where(f > 0, np.sin(np.pi * f * (end - begin)) / np.sin(np.pi * f), end - begin)
    kernel = kernel * np.exp(1j * np.pi * f * (begin + end - 1))
    apart = np.arange(len(f)) - np.arange(len(f))[:, None]
    toeplitz = np.where(apart < 0, kernel[np.abs(apart)].conj(), kernel[np.abs(apart)])
    form: NDArray[np.float64] = (delayed.conj().T @ (toeplitz @ delayed)).real
    return form


@lru_cache(maxsize=256)
def _ends_of_samples(step: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The quadratic form that turns a sum over samples of c into one over the full rate, at the beginning of a column.

    With c interpolated as the sum of c_k phi_k(n), the energy of the full-rate samples n >= 0 is sum over k, l of
    c_k* G_kl c_l, G_kl = (1/step) sum over n >= 0 of phi_k(n) phi_l(n), and that of all n is the sum of |c_k|^2.  What
    G has more than the plain sum over k >= 0 is thus, for k and l both before the end, G itself; for both after it, less what
    G is over n < 0; and for one on either side, half the difference.

    Args:
        step: Distance of the samples of c in samples of the waveform.

    Returns:
        Vectors (4 * KERNEL, 2 * rank) for the real and imaginary parts of the samples, interleaved, in the order of time,
        and the sign of each of their squares.
    """
    k = np.arange(-KERNEL, KERNEL)
    reach = int(np.ceil(2 * KERNEL * step))
    n = np.arange(-reach, reach)
    t = n[:, None] / step - k
    window = np.i0(KAISER * np.sqrt(np.clip(1 - (t / KERNEL) ** 2, 0, None))) / np.i0(KAISER)
    phi = np.where(np.abs(t) < KERNEL, np.sinc(t) * window, 0) / np.sqrt(step)
    later, earlier = phi[n >= 0].T @ phi[n >= 0], phi[n < 0].T @ phi[n < 0]
    side = np.sign(k + 0.5)
    both = side[:, None] + side
    form = np.where(both > 0, -earlier, np.where(both < 0, later, (later - earlier) / 2))
    vectors, signs = _decomposed(form, 1.0)
    return _interleaved(vectors).astype(np.float32), np.repeat(signs, 2).astype(np.float32)


def _decomposed(form: NDArray[np.float64], energy: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vectors v, in columns, and signs s of a symmetric form: x' F x = sum of s (v' x)^2, without what is negligible."""
    values, vectors = np.linalg.eigh(form)
    kept = np.abs(values) > NEGLIGIBLE * energy
    return vectors[:, kept] * np.sqrt(np.abs(values[kept])), np.sign(values[kept])


def _interleaved(vectors: NDArray[np.inexact]) -> NDArray[np.float64]:
    """Real vectors, (2 * size, 2 * rank), whose products with interleaved real and imaginary parts of x are those of v* x."""
    real, imaginary = np.real(vectors), np.imag(vectors)
    rows = np.stack([np.stack([real, imaginary], axis=1), np.stack([-imaginary, real], axis=1)], axis=-1)
    return rows.reshape(2 * len(vectors), -1)
