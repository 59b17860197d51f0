"""One recording to one picture: what the picture shows and where."""

import numpy as np
import pytest

from precompute import voice
from precompute.errors import UnusableAudioError
from precompute.recipe import Recipe
from precompute.transform import picture

GREY = Recipe(colour="grey", duration=4.0, columns=128, width=128)


def levels(made):
    return made.pixels[:, :, 0].astype(int)


def tone(frequency, seconds=2.0, rate=16000):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture(scope="module")
def speech():
    return voice.synthesize(voice.SPEAKERS[3], 1, "happy")


@pytest.mark.parametrize("gain", [0.1, 0.01])
def test_the_level_of_a_recording_does_not_show(encode, speech, gain):
    loud = levels(picture(encode(speech, subtype="FLOAT"), "a", GREY))
    soft = levels(picture(encode((gain * speech).astype(np.float32), subtype="FLOAT"), "a", GREY))
    assert np.abs(loud - soft).max() <= 1
    assert loud.max() > 200


def test_the_level_shows_where_the_recipe_leaves_it(encode, speech):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, normalise="none")
    loud = levels(picture(encode(speech, subtype="FLOAT"), "a", recipe))
    soft = levels(picture(encode((0.1 * speech).astype(np.float32), subtype="FLOAT"), "a", recipe))
    shown = (loud > 70) & (loud < 255)
    np.testing.assert_allclose((loud - soft)[shown], 20 * 255 / 80, atol=1.1)


def test_a_peak_reference_puts_every_peak_at_the_top(encode, speech):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, normalise="none", reference="peak")
    for gain in (1.0, 0.1):
        assert levels(picture(encode((gain * speech).astype(np.float32), subtype="FLOAT"), "a", recipe)).max() == 255


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_the_ridge_of_a_tone_lies_at_its_row(encode, rate):
    made = picture(encode(tone(1000, rate=rate), rate), "a", GREY)
    row = np.abs(GREY.frequencies - 1000).argmin()
    ridge = levels(made)[:, 5:55].argmax(axis=0)
    assert np.abs(ridge - row).max() <= 1
    assert made.duration == pytest.approx(2.0)


def test_high_frequencies_are_at_the_top(encode):
    high, low = (levels(picture(encode(tone(f)), "a", GREY))[:, 32].argmax() for f in (5000, 150))
    assert high < 20
    assert low > 100


def test_the_ridge_scales_with_the_size(encode):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=64, height=32)
    made = picture(encode(tone(1000)), "a", recipe)
    assert made.pixels.shape == (32, 64, 3)
    row = np.abs(GREY.frequencies - 1000).argmin() / 4
    assert abs(levels(made)[:, 15].argmax() - row) <= 1
    assert (made.start, made.stop) == (0, 32)


@pytest.mark.parametrize(("seconds", "stop"), [(2.0, 64), (1.0, 32), (2.001, 65), (0.04, 2), (4.0, 128), (7.3, 128)])
def test_columns_of_an_utterance_at_the_beginning(encode, seconds, stop):
    made = picture(encode(tone(500, seconds)), "a", GREY)
    assert (made.start, made.stop) == (0, stop)
    assert made.duration == pytest.approx(seconds)


@pytest.mark.parametrize(("seconds", "start", "stop"), [(2.0, 32, 96), (1.0, 48, 80), (1.01, 47, 81), (6.0, 0, 128)])
def test_columns_of_an_utterance_in_the_centre(encode, seconds, start, stop):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, pad="centre")
    made = picture(encode(tone(500, seconds)), "a", recipe)
    assert (made.start, made.stop) == (start, stop)


def test_columns_of_an_utterance_at_random(encode):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, pad="random")
    data = encode(tone(1000, 1.0))
    row = np.abs(GREY.frequencies - 1000).argmin()
    starts = set()
    for key in "abcdef":
        made = picture(data, key, recipe)
        bright = np.flatnonzero(levels(made)[row] > 180)
        # The ridge begins and ends where the record says, to within the reach of the wavelet.
        assert abs(bright[0] - made.start) <= 1
        assert abs(bright[-1] + 1 - made.stop) <= 1
        assert made.stop - made.start in (32, 33)
        starts.add(made.start)
    assert len(starts) > 3


@pytest.mark.parametrize("pad", ["end", "centre", "random"])
def test_the_rest_of_the_frame_is_dark(encode, pad):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, pad=pad)
    made = picture(encode(tone(1000, 1.0)), "key", recipe)
    shades = levels(made)
    assert not shades[:, : max(0, made.start - 6)].any()
    assert not shades[:, made.stop + 6 :].any()


def test_colours_are_those_of_the_recipe(encode, speech):
    recipe = Recipe(colour="magma", duration=4.0, columns=128, width=128)
    data = encode(speech)
    np.testing.assert_array_equal(picture(data, "a", recipe).pixels, recipe.table[levels(picture(data, "a", GREY))])


def test_channels_are_counted(encode):
    assert picture(encode(np.stack([tone(500)] * 2, axis=1)), "a", GREY).channels == 2


def test_less_than_a_column_is_refused(encode):
    with pytest.raises(UnusableAudioError, match=r"0\.0200 s .* less than one column of 0\.03125 s"):
        picture(encode(tone(1000, 0.02)), "a", GREY)


def test_unusable_audio_is_refused():
    with pytest.raises(UnusableAudioError, match="empty"):
        picture(b"", "a", GREY)
