"""Spectrograms by other means lie on the same grid: a tone in its row at its power, an impulse in its column."""

import numpy as np
import pytest

from precompute.features import logmel
from precompute.features import stft as stft_feature
from precompute.features.logmel import mel
from precompute.features.stft import stft

RATE, SAMPLES, COLUMNS, WINDOW = 16000, 500, 64, 1024
F_MIN, F_MAX = 60.0, 7600.0
STFT_ROWS = stft_feature.centres(np.arange(128), F_MIN, F_MAX, 128)
MEL_ROWS = logmel.centres(np.arange(64), F_MIN, F_MAX, 64)
NOISE_BANDWIDTH = 1.5
"""Of Hann's window, in bins: the power that a tone gives over all of them, in units of what it gives in its own."""


def spectrograms(frame, window=WINDOW):
    return {
        "stft": stft(frame, STFT_ROWS, RATE, COLUMNS, window),
        "mel": mel(frame, F_MIN, F_MAX, len(MEL_ROWS), RATE, COLUMNS, window),
    }


def tone(frequency, amplitude=1.0):
    return (amplitude * np.cos(2 * np.pi * frequency * np.arange(COLUMNS * SAMPLES) / RATE)).astype(np.float32)


@pytest.mark.parametrize("frequency", [150.0, 500.0, 1000.0, 1031.25, 3000.0, 7000.0])
def test_a_tone_lies_in_its_row(frequency):
    found = spectrograms(tone(frequency))
    for name, rows in (("stft", STFT_ROWS), ("mel", MEL_ROWS)):
        ridge = found[name][:, 3:-3].argmax(axis=0)
        nearest = int(np.abs(rows - frequency).argmin())
        assert set(ridge) <= {nearest} if name == "stft" else np.abs(ridge - nearest).max() <= 1


@pytest.mark.parametrize("frequency", [500.0, 1000.0, 1010.0, 3000.0])
def test_a_tone_gives_a_quarter_of_its_squared_amplitude_in_its_bin(frequency):
    # A row is the mean of density over a band, so that a tone gives the more in it the narrower it is: over all rows, its
    # power in its bin times the window's noise bandwidth.  Bands of mel, which sum, keep the power itself.
    quarter = 0.7**2 / 4
    found = {name: p[:, 20:40].mean(axis=1) for name, p in spectrograms(tone(frequency, 0.7)).items()}
    width, spacing = STFT_ROWS[0] - STFT_ROWS[1], RATE / WINDOW
    assert found["stft"].sum() * width / spacing == pytest.approx(NOISE_BANDWIDTH * quarter, rel=1e-3)
    assert found["mel"].sum() == pytest.approx(NOISE_BANDWIDTH * quarter, rel=3e-3)
    # Where rows are as wide as bins and centred on them, the row of the bin has A^2 / 4.
    bins = np.arange(400, 3, -1) * spacing
    on_bin = stft(tone(64 * spacing, 0.7), bins, RATE, COLUMNS, WINDOW)[:, 20:40]
    np.testing.assert_allclose(on_bin[400 - 64], quarter, rtol=1e-3)


def test_power_grows_with_the_square_of_the_waveform():
    x = np.random.default_rng(0).standard_normal(COLUMNS * SAMPLES).astype(np.float32)
    loud = spectrograms(3 * x)
    for name, soft in spectrograms(x).items():
        np.testing.assert_allclose(loud[name], 9 * soft, rtol=1e-3, atol=1e-9)


def test_white_noise_is_flat_by_stft():
    x = np.random.default_rng(0).standard_normal(COLUMNS * SAMPLES).astype(np.float32)
    rows = stft(x, STFT_ROWS, RATE, COLUMNS, WINDOW).mean(axis=1)
    # Density of a unit variance over the bins of a Hann window, whose squares sum to 1.5 / n after its sum is made 1.
    np.testing.assert_allclose(rows.mean(), NOISE_BANDWIDTH / WINDOW, rtol=0.03)
    assert rows.std() < 0.2 * rows.mean()


@pytest.mark.parametrize("window", [500, 640, 1000, 1024, 1025, 4000])
@pytest.mark.parametrize("column", [0, 1, 17, 62, 63])
def test_an_impulse_is_strongest_in_its_column(column, window):
    frame = np.zeros(COLUMNS * SAMPLES, np.float32)
    frame[column * SAMPLES + SAMPLES // 2] = 1
    for found in spectrograms(frame, window).values():
        loudest = found.sum(axis=0)
        assert loudest.argmax() == column
        # The same on either side, to within the half sample by which an even window has no middle.
        if 0 < column < COLUMNS - 1:
            np.testing.assert_allclose(loudest[column - 1], loudest[column + 1], rtol=0.05, atol=1e-6 * loudest[column])


@pytest.mark.parametrize(("samples", "columns", "window"), [(500, 64, 1024), (160, 100, 400), (4000, 3, 4000), (7, 50, 64)])
def test_shapes(samples, columns, window):
    frame = np.random.default_rng(0).standard_normal(samples * columns).astype(np.float32)
    for found, rows in (
        (stft(frame, STFT_ROWS, RATE, columns, window), len(STFT_ROWS)),
        (mel(frame, 300.0, 7600.0, 8, RATE, columns, window), 8),
    ):
        assert found.shape == (rows, columns)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        assert (found >= 0).all()


def test_rows_descend():
    for rows in (STFT_ROWS, MEL_ROWS):
        assert (np.diff(rows) < 0).all()
    high, low = spectrograms(tone(6000.0)), spectrograms(tone(200.0))
    for name in high:
        assert high[name][:, 30].argmax() < low[name][:, 30].argmax()


def test_centres_of_rows():
    assert (STFT_ROWS[0], STFT_ROWS[-1]) == (F_MAX, F_MIN)
    np.testing.assert_allclose(np.diff(STFT_ROWS), STFT_ROWS[1] - STFT_ROWS[0])
    scale = 1127 * np.log1p(np.array([F_MAX, *MEL_ROWS, F_MIN]) / 700)
    np.testing.assert_allclose(np.diff(scale), scale[1] - scale[0])


def test_silence_is_zero():
    for found in spectrograms(np.zeros(COLUMNS * SAMPLES, np.float32)).values():
        assert not found.any()
