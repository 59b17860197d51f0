"""One recording to one picture: what the picture shows and where."""

import numpy as np
import pytest
from PIL import Image

from precompute.audio import noise, synthesis
from precompute.common.errors import UnusableAudioError
from precompute.pipeline.extract import extract
from precompute.recipe import Recipe, named

SIZE = {"duration": 4.0, "columns": 128}
GREY = Recipe(colour="grey", duration=4.0, columns=128, width=128)


def levels(made):
    return made.values[:, :, 0].astype(int)


def tone(frequency, seconds=2.0, rate=16000):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture(scope="module")
def speech():
    return synthesis.synthesize(synthesis.SPEAKERS[3], 1, "happy")


@pytest.mark.parametrize("gain", [0.1, 0.01])
def test_the_level_of_a_recording_does_not_show(encode, speech, gain):
    loud = levels(extract(encode(speech, subtype="FLOAT"), "a", GREY))
    soft = levels(extract(encode((gain * speech).astype(np.float32), subtype="FLOAT"), "a", GREY))
    assert np.abs(loud - soft).max() <= 1
    assert loud.max() > 200


def test_the_level_shows_where_the_recipe_leaves_it(encode, speech):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, normalise="none")
    loud = levels(extract(encode(speech, subtype="FLOAT"), "a", recipe))
    soft = levels(extract(encode((0.1 * speech).astype(np.float32), subtype="FLOAT"), "a", recipe))
    shown = (loud > 70) & (loud < 255)
    np.testing.assert_allclose((loud - soft)[shown], 20 * 255 / 80, atol=1.1)


DISTURBANCES = {
    "an offset of 5 %": lambda t: 0.05 + 0 * t,
    "an offset of half of full scale, negative": lambda t: -0.5 + 0 * t,
    "a slow drift": lambda t: 0.05 * np.sin(2 * np.pi * 0.2 * t),
    "rumble": lambda t: 0.05 * np.sin(2 * np.pi * 12 * t),
    "steps on the floor": lambda t: 0.1 * np.exp(-((t % 0.5 - 0.25) ** 2) / 0.004),
}


@pytest.mark.parametrize("disturbance", DISTURBANCES)
@pytest.mark.parametrize("feature", ["scalogram", "stft"])
def test_what_lies_below_the_picture_does_not_set_its_level(encode, speech, disturbance, feature):
    recipe = Recipe(feature, colour="grey", **SIZE)
    quiet = (0.02 * speech / np.abs(speech).max()).astype(np.float32)
    added = DISTURBANCES[disturbance](np.arange(len(quiet)) / 16000)
    clean, disturbed = (
        levels(extract(encode(x.astype(np.float32), subtype="FLOAT"), "a", recipe)) for x in (quiet, quiet + added)
    )
    # What is added may show in the lowest rows, and at the ends, where it begins and stops; 3 levels are 1 dB.
    within = np.zeros(clean.shape, bool)
    within[:, 8 : int(len(quiet) / 16000 * 32) - 8] = (recipe.feature.frequencies(recipe.audio) > 300)[:, None]
    bright = within & (clean > 130)
    assert bright.sum() > 50
    assert np.abs(disturbed - clean)[bright].max() <= 3


def test_an_offset_makes_no_click_where_the_level_stays(encode, speech):
    recipe = Recipe(colour="grey", normalise="none", **SIZE)
    plain, shifted = (levels(extract(encode(x, subtype="FLOAT"), "a", recipe)) for x in (0.1 * speech, 0.1 * speech + 0.3))
    assert np.abs(plain - shifted).max() <= 1


def test_a_recording_of_rumble_alone_is_silent(encode, messages):
    hum = tone(20)
    with messages.raises(UnusableAudioError):
        extract(encode(hum * np.hanning(len(hum)).astype(np.float32), subtype="FLOAT"), "a", named("default", ["f_min=4000"]))


def test_a_peak_reference_puts_every_peak_at_the_top(encode, speech):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, normalise="none", reference="peak")
    for gain in (1.0, 0.1):
        assert levels(extract(encode((gain * speech).astype(np.float32), subtype="FLOAT"), "a", recipe)).max() == 255


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_the_ridge_of_a_tone_lies_at_its_row(encode, rate):
    made = extract(encode(tone(1000, rate=rate), rate), "a", GREY)
    row = np.abs(GREY.feature.frequencies(GREY.audio) - 1000).argmin()
    ridge = levels(made)[:, 5:55].argmax(axis=0)
    assert np.abs(ridge - row).max() <= 1
    assert made.duration == pytest.approx(2.0)


def test_high_frequencies_are_at_the_top(encode):
    high, low = (levels(extract(encode(tone(f)), "a", GREY))[:, 32].argmax() for f in (5000, 150))
    assert high < 20
    assert low > 100


def test_the_ridge_scales_with_the_size(encode):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=64, height=32)
    made = extract(encode(tone(1000)), "a", recipe)
    assert made.values.shape == (32, 64, 3)
    row = np.abs(GREY.feature.frequencies(GREY.audio) - 1000).argmin() / 4
    assert abs(levels(made)[:, 15].argmax() - row) <= 1
    assert (made.start, made.stop) == (0, 32)


@pytest.mark.parametrize(("seconds", "stop"), [(2.0, 64), (1.0, 32), (2.001, 65), (0.04, 2), (4.0, 128), (7.3, 128)])
def test_columns_of_an_utterance_at_the_beginning(encode, seconds, stop):
    made = extract(encode(tone(500, seconds)), "a", GREY)
    assert (made.start, made.stop) == (0, stop)
    assert made.duration == pytest.approx(seconds)


@pytest.mark.parametrize(("seconds", "start", "stop"), [(2.0, 32, 96), (1.0, 48, 80), (1.01, 47, 81), (6.0, 0, 128)])
def test_columns_of_an_utterance_in_the_centre(encode, seconds, start, stop):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, pad="centre")
    made = extract(encode(tone(500, seconds)), "a", recipe)
    assert (made.start, made.stop) == (start, stop)


def test_columns_of_an_utterance_at_random(encode):
    recipe = Recipe(colour="grey", duration=4.0, columns=128, width=128, pad="random")
    data = encode(tone(1000, 1.0))
    row = np.abs(GREY.feature.frequencies(GREY.audio) - 1000).argmin()
    starts = set()
    for key in "abcdef":
        made = extract(data, key, recipe)
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
    made = extract(encode(tone(1000, 1.0)), "key", recipe)
    shades = levels(made)
    assert not shades[:, : max(0, made.start - 6)].any()
    assert not shades[:, made.stop + 6 :].any()


def test_colours_are_those_of_the_recipe(encode, speech):
    recipe = Recipe(colour="magma", duration=4.0, columns=128, width=128)
    data = encode(speech)
    np.testing.assert_array_equal(extract(data, "a", recipe).values, recipe.feature.table[levels(extract(data, "a", GREY))])


def test_channels_are_counted(encode):
    assert extract(encode(np.stack([tone(500)] * 2, axis=1)), "a", GREY).channels == 2


def test_less_than_a_column_is_refused(encode, messages):
    with messages.raises(UnusableAudioError):
        extract(encode(tone(1000, 0.02)), "a", GREY)


def test_unusable_audio_is_refused(messages):
    with messages.raises(UnusableAudioError):
        extract(b"", "a", GREY)


@pytest.mark.slow
def test_three_wavelets_are_red_green_and_blue(encode, speech):
    names = ("cmor0.75-1.0", "mexh", "gmw3.0-20.0")
    data = encode(speech)
    made = extract(data, "a", Recipe(rgb="wavelets", wavelet=",".join(names), **SIZE))
    assert made.values.shape == (128, 128, 3)
    for channel, name in enumerate(names):
        alone = levels(extract(data, "a", Recipe(colour="grey", wavelet=name, **SIZE)))
        np.testing.assert_array_equal(made.values[:, :, channel], alone)
    assert (made.start, made.stop) == (extract(data, "a", GREY).start, extract(data, "a", GREY).stop)


def test_each_of_three_wavelets_has_its_own_peak(encode, speech):
    recipe = Recipe(rgb="wavelets", wavelet="cmor0.75-1.0,mexh,gmw3.0-20.0", reference="peak", **SIZE)
    assert extract(encode(speech), "a", recipe).values.max(axis=(0, 1)).tolist() == [255, 255, 255]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["white", "babble"])
def test_noise_belongs_to_the_utterance(encode, speech, kind):
    data = encode(speech)
    recipe = Recipe(colour="grey", noise=kind, snr_db=10.0, **SIZE)
    first = extract(data, "a", recipe)
    np.testing.assert_array_equal(extract(data, "a", recipe).values, first.values)
    assert (extract(data, "b", recipe).values != first.values).any()
    assert (extract(data, "a", GREY).values != first.values).any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["white", "babble"])
@pytest.mark.parametrize("pad", ["end", "centre", "random"])
def test_noise_lasts_as_long_as_the_utterance(encode, speech, kind, pad):
    recipe = Recipe(colour="grey", noise=kind, snr_db=0.0, pad=pad, **SIZE)
    made, clean = (extract(encode(speech), "key", r) for r in (recipe, Recipe(colour="grey", pad=pad, **SIZE)))
    assert (made.start, made.stop, made.duration) == (clean.start, clean.stop, clean.duration)
    shades = levels(made)
    assert not shades[:, : max(0, made.start - 6)].any()
    assert not shades[:, made.stop + 6 :].any()
    # It fills what was dark: the pauses and the high frequencies.
    within = slice(made.start + 1, made.stop - 1)
    assert shades[:, within].mean() > levels(clean)[:, within].mean() + 10


def test_noise_far_below_the_utterance_hardly_shows(encode, speech):
    data = encode(speech)
    clean, noisy = (levels(extract(data, "a", r)) for r in (GREY, Recipe(colour="grey", noise="white", snr_db=60.0, **SIZE)))
    bright = clean > 150
    assert bright.any()
    assert np.abs(noisy - clean)[bright].max() <= 2


def test_noise_is_added_before_the_level_is_normalised(encode, speech):
    # As loud as speech, it takes half of the power: the loudest speech is 3 dB lower, and loudness in all is the same.
    data = encode(speech, subtype="FLOAT")
    clean = levels(extract(data, "a", GREY))
    noisy = levels(extract(data, "a", Recipe(colour="grey", noise="white", snr_db=0.0, **SIZE)))
    loudest = clean > 235
    assert np.mean((clean - noisy)[loudest]) == pytest.approx(3 * 255 / 80, abs=3)
    mixed = noise.add(speech, "white", 0.0, 16000, "a", (GREY.audio.f_min, GREY.audio.f_max))
    np.testing.assert_allclose(levels(extract(encode(mixed, subtype="FLOAT"), "a", GREY)), noisy, atol=1)


@pytest.mark.parametrize("name", ["stft", "logmel"])
@pytest.mark.parametrize("frequency", [300, 1000, 3000, 6500])
def test_other_transforms_show_a_tone_at_its_row(encode, name, frequency):
    settings = ["colour=grey", "duration=4.0", "columns=128"]
    recipe = named(name, settings)
    made = extract(encode(tone(frequency)), "a", recipe)
    assert made.values.shape == extract(encode(tone(frequency)), "a", GREY).values.shape
    assert (made.start, made.stop) == (0, 64)
    # The 64 bands of mel stand for two rows of the image each.
    repeat = recipe.feature.height // recipe.feature.scales
    row = repeat * np.abs(recipe.feature.frequencies(recipe.audio) - frequency).argmin() + (repeat - 1) / 2
    ridge = levels(made)[:, 5:55].argmax(axis=0)
    assert np.abs(ridge - row).max() <= repeat
    assert not levels(made)[:, 67:].any()


@pytest.mark.parametrize("feature", ["stft", "logmel"])
@pytest.mark.parametrize("pad", ["end", "centre", "random"])
def test_other_transforms_place_the_utterance_alike(encode, feature, pad):
    scales = 64 if feature == "logmel" else 128
    recipe = Recipe(feature, colour="grey", scales=scales, pad=pad, **SIZE)
    made = extract(encode(tone(1000, 1.0)), "key", recipe)
    row = np.abs(recipe.feature.frequencies(recipe.audio) - 1000).argmin()
    bright = np.flatnonzero(levels(made)[row] > 150)
    # A window of 64 ms reaches over one column to either side.
    assert abs(bright[0] - made.start) <= 1
    assert abs(bright[-1] + 1 - made.stop) <= 1


def test_images_are_resized_only_where_asked(encode, speech, monkeypatch):
    calls = []
    resize = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda self, *args: calls.append(args) or resize(self, *args))
    data = encode(speech)
    assert extract(data, "a", Recipe(scales=48, **SIZE)).values.shape == (48, 128, 3)
    assert extract(data, "a", Recipe("logmel", scales=32, **SIZE)).values.shape == (32, 128, 3)
    assert calls == []
    assert extract(data, "a", Recipe(scales=48, height=64, width=100, **SIZE)).values.shape == (64, 100, 3)
    assert len(calls) == 1
