"""Energy of wavelet coefficients in each time column, without computing the coefficients at the full rate.

The energy of a column, the sum of |c|^2 over its samples, is found in one of two ways, each exact for any waveform, each
a plain sum and a small quadratic form at either end:

- *From samples of c.*  The part of the spectrum in the wavelet's band is inverse-transformed at the rate that the band
  needs.  The sum of |c|^2 over those samples is the energy but for what happens at the column's two ends: there c is
  interpolated to the full rate, which is a quadratic form in the few samples nearest (`_ends_of_samples`).
- *From the waveform.*  Where the wavelet is much shorter than a column, Parseval's theorem gives the energy of the
  column's own samples, filtered, from its spectrum: one matrix product for all such scales.  What the filter carries
  across the two ends is a quadratic form in the samples nearest (`_ends_of_waveform`).  At the highest frequencies the taper
  makes filters long; there the waveform is first made analytic and tapered, after which they are short.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from precompute.filters import RING, both_sides, impulse_response, taper, tapered
from precompute.mother import Wavelet

COLUMNS_AT_ONCE = 16
"""The transform's length is a multiple of this many columns, so that few filter banks serve utterances of any length."""

SCALES_AT_ONCE = 4
"""Neighbouring scales computed together, at least: pocketfft is faster a point on several rows than on one."""

POINTS_AT_ONCE = 128
"""Samples of c in a column computed together, where that takes more scales: fewer calls, and still within the cache."""

BLOCK = 32
"""Columns of a block; the finer scales are transformed block by block, which stays within the cache."""

BLOCK_FROM = 100
"""Samples of c in a column from which scales are transformed in blocks."""

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

LONGEST = 200
"""Reach in samples of the longest impulse response whose quadratic form is tried: longer ones take seconds to decompose."""

POINT = 200
"""Multiplications of a matrix product that take the time of one point of an inverse FFT, roughly."""

LEAST_RANK = 24
"""Vectors of the form at the end of a column, at least, by which scales are ruled out before theirs are counted."""


@dataclass(frozen=True)
class Bank:
    """All scales' filters for one length of transform, each scale in one of the two ways.

    Attributes:
        scales: Number of scales.
        whole: Groups of scales found from samples of c, the frame transformed as a whole.
        in_blocks: Groups of scales found from samples of c, the frame transformed block by block.
        from_waveform: Scales that take the waveform as it is, and scales that take the analytic one.
    """

    scales: int
    whole: "tuple[FromSamples, ...]"
    in_blocks: "tuple[FromSamples, ...]"
    from_waveform: "tuple[FromWaveform, ...]"

    def energy(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum of |c|^2 over the samples of each column, float32 (scales, columns).

        Args:
            frame: Waveform by columns, float32 (columns, samples), continued periodically; the outermost columns of the result
                are not exact.
        """
        columns = len(frame)
        energy = np.empty((self.scales, columns), np.float32)
        spectrum = scipy.fft.rfft(frame.reshape(1, -1))
        blocks = scipy.fft.rfft(_blocks(frame))
        for short in self.from_waveform:
            wave = frame if short.passband is None else _analytic(blocks, short.passband, frame.shape)
            energy[short.rows] = short.energy(wave)
        # One workspace for all groups: fresh arrays of this size cost as much in page faults as the arithmetic.
        sizes = [group.points * columns for group in self.whole] + [
            group.points * BLOCK * len(blocks) for group in self.in_blocks
        ]
        workspace = np.empty(max(sizes, default=0), np.complex64)
        for groups, spectra in ((self.whole, spectrum), (self.in_blocks, blocks)):
            zero = 0
            if any(group.start < 0 for group in groups):
                zero, spectra = spectra.shape[1] - 1, both_sides(spectra)
            for group in groups:
                found = group.energy(spectra, zero, workspace)
                energy[group.rows] = _unblocked(found)[:, :columns] if groups is self.in_blocks else found[:, 0]
        return energy


@dataclass(frozen=True)
class FromSamples:
    """Filters of neighbouring scales whose column energies are found from samples of c.

    Attributes:
        rows: Which scales.
        columns: Of the transform, of a block or of the whole frame.
        per_column: Samples of c in each column.
        full_rate: Samples of the waveform in each column.
        start: The filters' first bin, which may be negative.
        below: How many bins come before the one that is moved to 0 Hz.
        responses: Amplitudes of the filters from the first bin on, each twice, for the real and the imaginary part, float32
            (scales, 2 * bins).
    """

    rows: slice
    columns: int
    per_column: int
    full_rate: int
    start: int
    below: int
    responses: NDArray[np.float32]

    @property
    def points(self) -> int:
        """Samples of c in a column of all scales together."""
        return self.per_column * len(self.responses)

    def energy(self, spectra: NDArray[np.complex64], zero: int, workspace: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Sum of |c|^2 over the samples of each column, (scales, blocks, columns), the outermost columns of a block inexact.

        Args:
            spectra: Of the whole frame or of each block, (blocks, bins).
            zero: Which of the bins is that of 0 Hz.
            workspace: To be overwritten.
        """
        q, blocks = self.per_column, len(spectra)
        columns, n = self.columns, self.columns * q
        band = workspace[: self.points * blocks * columns].reshape(-1, blocks, n)
        # Real and imaginary parts side by side: twice as fast as complex by real.
        source, target = spectra.view(np.float32), band.view(np.float32)
        start, below, stop = 2 * (zero + self.start), 2 * self.below, self.responses.shape[1]
        target[:, :, stop - below : 2 * n - below] = 0
        for to, of in ((slice(0, stop - below), slice(below, stop)), (slice(2 * n - below, 2 * n), slice(0, below))):
            part = source[:, start + of.start : start + of.stop]
            np.multiply(part, self.responses[:, None, of], out=target[:, :, to])
        c = scipy.fft.ifft(band, axis=-1, overwrite_x=True).view(np.float32).reshape(-1, 2 * q)
        energy: NDArray[np.float32] = np.vecdot(c, c)
        if q < self.full_rate:
            # Ends at which one row or block of columns follows another are computed in vain.
            vectors, signs = _ends_of_samples(self.full_rate / q)
            ends = (c[:, -2 * KERNEL :] @ vectors[: 2 * KERNEL])[:-1]
            ends += (c[:, : 2 * KERNEL] @ vectors[2 * KERNEL :])[1:]
            later = np.square(ends, out=ends) @ signs
            energy[1:] += later
            energy[:-1] -= later
        return (energy * np.float32(self.full_rate / q)).reshape(len(band), blocks, columns)


@dataclass(frozen=True)
class Ends:
    """Quadratic forms in the waveform at the ends of columns, for filters of neighbouring scales.

    Attributes:
        rows: Which scales.
        reach: Samples over which the longest filter reaches to either side.
        before: Vectors of the forms for the column that ends, (3 * reach, rank); (6 * reach, rank) for an analytic waveform,
            its real and imaginary parts interleaved.
        after: The same for the column that begins.
        signs: Sums the squares of the projections for each scale, (rank, scales).
    """

    rows: slice
    reach: int
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    signs: NDArray[np.float32]


@dataclass(frozen=True)
class FromWaveform:
    """Filters much shorter than a column, whose column energies are found from the waveform.

    Attributes:
        rows: Which scales, (scales,).
        passband: None, or what makes the spectrum of a block that of the tapered analytic waveform, (bins,).
        length: Of the FFT of a column.
        weights: |Psi|^2 on its bins, each twice, with the factors of Parseval's theorem, (2 * bins, scales).
        ends: What the filters carry across the ends of columns, in the order of the rows.
    """

    rows: NDArray[np.int64]
    passband: NDArray[np.float32] | None
    length: int
    weights: NDArray[np.float32]
    ends: tuple[Ends, ...]

    def energy(self, frame: NDArray[np.float32] | NDArray[np.complex64]) -> NDArray[np.float32]:
        """Sum of |c|^2 over the samples of each column, (scales, columns), the outermost columns inexact.

        Args:
            frame: Waveform by columns, (columns, samples), complex where it is analytic.
        """
        columns, samples = frame.shape
        transform = scipy.fft.rfft if self.passband is None else scipy.fft.fft
        squares = transform(frame, self.length, axis=-1).view(np.float32)
        energy: NDArray[np.float32] = np.square(squares, out=squares) @ self.weights
        parts = frame.view(np.float32)
        each, row = parts.shape[1] // samples, 0
        for end in self.ends:
            shape = (columns - 1, 3 * end.reach * each)
            # Windows around the ends: a view, the fast way (as_strided takes as long as the product).
            before, after = ((samples - k * end.reach) * each * parts.itemsize for k in (2, 1))
            ending = np.ndarray(shape, parts.dtype, parts, before, parts.strides)
            beginning = np.ndarray(shape, parts.dtype, parts, after, parts.strides)
            at = slice(row, row + end.signs.shape[1])
            energy[:-1, at] += np.square(ending @ end.before) @ end.signs
            energy[1:, at] += np.square(beginning @ end.after) @ end.signs
            row = at.stop
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
    whole, in_blocks, from_waveform = _shared_out(wavelet, frequencies, sample_rate, samples)
    groups = tuple(_from_samples(wavelet, frequencies, rows, sample_rate, samples, columns) for rows in whole)
    return Bank(len(frequencies), groups, in_blocks, from_waveform)


def _from_samples(
    wavelet: Wavelet, frequencies: tuple[float, ...], rows: slice, sample_rate: float, samples: int, columns: int
) -> FromSamples:
    start, responses, q = _together(wavelet, frequencies[rows], sample_rate, samples, columns)
    gains = np.repeat(responses * (q / samples), 2, axis=1).astype(np.float32)
    return FromSamples(rows, columns, q, samples, start, responses.shape[1] // 2, gains)


@lru_cache(maxsize=8)
def _shared_out(
    wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int
) -> tuple[tuple[slice, ...], tuple[FromSamples, ...], tuple[FromWaveform, ...]]:
    """What does not depend on the length: scales to be transformed whole, filters of others in blocks or from the waveform."""
    whole: list[slice] = []
    in_blocks: list[FromSamples] = []
    ends: dict[bool, list[Ends]] = {False: [], True: []}
    stop = 0
    while (at := stop) < len(frequencies):
        _, _, q = _together(wavelet, frequencies[at : at + 1], sample_rate, samples, BLOCK)
        stop = min(at + max(SCALES_AT_ONCE, POINTS_AT_ONCE // q), len(frequencies))
        rows = slice(at, stop)
        blocks = q >= BLOCK_FROM and wavelet.reach(frequencies[stop - 1], sample_rate) + RING <= samples
        worth, best = POINT * q * (stop - at), None
        for analytic in (False, True) if blocks and wavelet.band[0] > 0 else (False,):
            end = _ends(wavelet, frequencies, rows, sample_rate, samples, analytic, worth)
            if end:
                best, worth = (analytic, end), 2 * end.before.size
        if best:
            ends[best[0]].append(best[1])
        elif blocks:
            in_blocks.append(_from_samples(wavelet, frequencies, rows, sample_rate, samples, BLOCK))
        else:
            whole.append(rows)
    made = [_from_waveform(wavelet, frequencies, sample_rate, samples, some, way) for way, some in ends.items() if some]
    return tuple(whole), tuple(in_blocks), tuple(made)


def _together(
    wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int, columns: int
) -> tuple[int, NDArray[np.float64], int]:
    """First bin and responses of several filters, (scales, bins), and the samples of c in a column that they need."""
    n = columns * samples
    filters = [tapered(wavelet, frequency, n, sample_rate) for frequency in frequencies]
    start, stop = min(bins[0] for bins, _ in filters), max(bins[-1] for bins, _ in filters) + 1
    responses = np.zeros((len(filters), stop - start))
    for row, (bins, response) in zip(responses, filters, strict=True):
        row[bins - start] = response
    steep = np.flatnonzero((np.abs(responses) > STEEP).any(axis=0))
    rate = max(OVERSAMPLING * (stop - start), STEEP_OVERSAMPLING * (np.ptp(steep) if len(steep) else 0)) / columns
    q = min(scipy.fft.next_fast_len(max(KERNEL, int(np.ceil(rate)))), samples)
    return int(start), responses, int(q)


def _ends(
    wavelet: Wavelet,
    frequencies: tuple[float, ...],
    rows: slice,
    sample_rate: float,
    samples: int,
    analytic: bool,
    worth: float,
) -> Ends | None:
    """The quadratic forms of some scales, or None where they take more multiplications than they are worth."""
    found = [_short_response(wavelet, frequency, sample_rate, samples, analytic) for frequency in frequencies[rows]]
    responses = [h for h in found if h is not None]
    if len(responses) < len(found):
        return None
    each = 2 if analytic else 1
    reach = max(len(h) // 2 for h in responses)
    if 2 * 3 * reach * each * LEAST_RANK * len(responses) > worth:
        return None
    forms = []
    for h in responses:
        inner = len(h) // 2
        vectors, signs = _decomposed(_ends_of_waveform(h, analytic), float(np.sum(np.abs(h) ** 2)))
        forms.append((np.pad(vectors, ((2 * (reach - inner), reach - inner), (0, 0))), signs))
    rank = each * sum(len(signs) for _, signs in forms)
    if 2 * 3 * reach * each * rank > worth:
        return None
    before = np.concatenate([vectors for vectors, _ in forms], axis=1)
    # Reversed in time, h is its own conjugate, and so are the vectors.
    after = before[::-1].conj()
    owner = np.repeat(np.arange(len(forms)), [each * len(signs) for _, signs in forms])
    sums = np.zeros((rank, len(forms)), np.float32)
    sums[np.arange(rank), owner] = np.concatenate([np.repeat(signs, each) for _, signs in forms])
    if analytic:
        before, after = _interleaved(before), _interleaved(after)
    return Ends(rows, reach, before.astype(np.float32), after.astype(np.float32), sums)


@lru_cache(maxsize=1024)
def _short_response(
    wavelet: Wavelet, frequency: float, sample_rate: float, samples: int, analytic: bool
) -> NDArray[np.complex128] | None:
    """The impulse response of a scale, or None where it is too long for a quadratic form at the ends of a column."""
    return impulse_response(wavelet, frequency, sample_rate, min(samples // 3, LONGEST), analytic)


def _from_waveform(
    wavelet: Wavelet, frequencies: tuple[float, ...], sample_rate: float, samples: int, ends: list[Ends], analytic: bool
) -> FromWaveform:
    rows = np.concatenate([np.arange(end.rows.start, end.rows.stop) for end in ends])
    length = int(scipy.fft.next_fast_len(samples + 2 * max(end.reach for end in ends), real=not analytic))
    k = np.arange(length if analytic else length // 2 + 1)
    weights = []
    for row in rows:
        h = _short_response(wavelet, frequencies[row], sample_rate, samples, analytic)
        gain = np.abs(scipy.fft.fft(h, length)) ** 2
        once = analytic | (k == 0) | (2 * k == length)
        weights.append(np.repeat(np.where(once, gain[k], gain[k] + gain[-k]) / length, 2))
    passband = None
    if analytic:
        # What lies under the lowest band is taken out gently, so that it does not ring from block to block.
        bins = np.arange(BLOCK * samples // 2 + 1)
        lowest = wavelet.band[0] / wavelet.centre * min(frequencies[row] for row in rows) / sample_rate * BLOCK * samples
        rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(bins / lowest, 0, 1))
        passband = np.repeat(rise * taper(bins, BLOCK * samples), 2).astype(np.float32)
    return FromWaveform(rows, passband, length, np.stack(weights, axis=1).astype(np.float32), tuple(ends))


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


def _ends_of_waveform(h: NDArray[np.complex128], analytic: bool) -> NDArray[np.inexact]:
    """The quadratic form for what a filter carries across the end of a column, for the column that ends.

    With u and v the filtered waveform before and after the end, each without the other, the column has the energy of
    u + v before the end, where Parseval's theorem gives it that of u on both sides.

    Args:
        h: Impulse response from -r to r, with h(-t) = h*(t), (2 r + 1,).
        analytic: Whether the waveform is complex; of a real one only the form's real part matters.

    Returns:
        (3 r, 3 r), Hermitian, for the samples from -2 r to r - 1.
    """
    r = len(h) // 2
    m = np.arange(-2 * r, r)

    def filtered(n: NDArray[np.int64]) -> NDArray[np.complex128]:
        lag = n[:, None] - m
        return np.where(np.abs(lag) <= r, h[np.clip(lag + r, 0, 2 * r)], 0)

    def energy(matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return matrix.conj().T @ matrix

    inside, outside = filtered(np.arange(-r, 0)), filtered(np.arange(r))
    form = energy(inside) - energy(inside * (m < 0)) - energy(outside * (m < 0))
    return form if analytic else form.real


def _decomposed(form: NDArray[np.inexact], energy: float) -> tuple[NDArray[np.inexact], NDArray[np.float64]]:
    """Vectors v, in columns, and signs s of a Hermitian form: x* F x = sum of s |v* x|^2, without what is negligible."""
    values, vectors = np.linalg.eigh(form)
    kept = np.abs(values) > NEGLIGIBLE * energy
    return vectors[:, kept] * np.sqrt(np.abs(values[kept])), np.sign(values[kept])


def _interleaved(vectors: NDArray[np.inexact]) -> NDArray[np.float64]:
    """Real vectors, (2 * size, 2 * rank), whose products with interleaved real and imaginary parts of x are those of v* x."""
    real, imaginary = np.real(vectors), np.imag(vectors)
    rows = np.stack([np.stack([real, imaginary], axis=1), np.stack([-imaginary, real], axis=1)], axis=-1)
    return rows.reshape(2 * len(vectors), -1)


def _blocks(frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blocks of `BLOCK` columns, each sharing two with the next, (blocks, BLOCK * samples), zero where the frame ends."""
    columns, samples = frame.shape
    blocks = -(-(columns - 2) // (BLOCK - 2))
    padded = np.zeros((blocks * (BLOCK - 2) + 2, samples), np.float32)
    padded[:columns] = frame
    row, sample = padded.strides
    return as_strided(padded, (blocks, BLOCK * samples), ((BLOCK - 2) * row, sample), writeable=False)


def _unblocked(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Columns in a row from (scales, blocks, BLOCK), the outer columns of each block left out."""
    inner = energy[:, :, 1:-1].reshape(len(energy), -1)
    return np.pad(inner, ((0, 0), (1, 1)))


def _analytic(spectra: NDArray[np.complex64], passband: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.complex64]:
    """The analytic waveform by columns, complex64 (columns, samples), from the spectra of its blocks."""
    columns, samples = shape
    whole = np.zeros((len(spectra), BLOCK * samples), np.complex64)
    np.multiply(spectra.view(np.float32), passband, out=whole.view(np.float32)[:, : len(passband)])
    waves = scipy.fft.ifft(whole, axis=-1, overwrite_x=True).reshape(len(spectra), BLOCK, samples)
    inner = waves[:, 1:-1].reshape(-1, samples)
    return np.concatenate([waves[0, :1], inner, waves[-1, -1:]])[:columns]
