"""The recipe: its id says all that changes a pixel, and illegal values are refused with value, limit and remedy."""

import subprocess
import sys
from dataclasses import fields

import matplotlib
import numpy as np
import pytest

from precompute.audio import synthesis
from precompute.audio.chain import Audio
from precompute.cache.layout import ID_LENGTH
from precompute.common.errors import RecipeError
from precompute.common.settings import facts
from precompute.features._picture import colour_table
from precompute.pipeline.extract import extract
from precompute.recipe import RECIPES, Recipe, described, from_record, in_words, named

OTHER = {
    "feature": "stft", "wavelet": "cmor1.5-1.1", "scales": 127, "f_min": 60.5, "f_max": 7500.0,
    "sample_rate": 32000, "duration": 4.0, "columns": 128, "noise": "white", "snr_db": 19.0, "normalise": "none",
    "pad": "centre", "reference": "peak", "top_db": 9.5, "range_db": 70.0, "rgb": "wavelets", "colour": "magma",
    "height": 64, "width": 128, "values": "decibels",
}  # fmt: skip
"""Another legal value of every parameter."""

THREE = "cmor0.75-1.0,cmor3.0-1.0,cmor12.0-1.0"


def other(name):
    """The default recipe with another value of one parameter, and what else that takes."""
    return Recipe(**{name: OTHER[name]}, **({"wavelet": THREE} if name == "rgb" else {}))


@pytest.mark.parametrize("name", OTHER)
def test_every_parameter_changes_the_id(name):
    assert other(name).record().get(name) != Recipe().record().get(name, "scalogram")
    assert other(name).id != Recipe().id


def test_ids_of_different_recipes_differ():
    ids = {other(name).id for name in OTHER} | {Recipe().id}
    assert len(ids) == len(OTHER) + 1


def test_every_parameter_of_the_scalogram_is_tried():
    assert {*Recipe().parameters, "feature"} == {*OTHER}


def test_the_algorithm_changes_the_id(monkeypatch):
    before = Recipe().id
    monkeypatch.setattr("precompute.features._spectral.TimeFrequency.algorithm", 1000)
    assert Recipe().id != before


def test_the_algorithm_of_the_audio_chain_changes_every_id(monkeypatch):
    before = {name: named(name).id for name in ("default", "waveform")}
    monkeypatch.setattr("precompute.audio.chain.ALGORITHM", 2)
    assert [name for name, known in before.items() if named(name).id == known] == []


def test_the_colours_themselves_change_the_id(monkeypatch):
    # A colour map keeps its name when matplotlib changes its colours.
    before = Recipe().id
    monkeypatch.setattr("precompute.features._picture.colour_table", lambda _: np.zeros((256, 3), np.uint8))
    assert Recipe().id != before


def test_the_id_is_the_same_in_every_process():
    program = "from precompute.recipe import Recipe; print(Recipe(**{'pad': 'centre', 'scales': 64, 'f_min': 50.0}).id)"
    ids = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert ids == {Recipe(f_min=50.0, scales=64, pad="centre").id}


def test_the_id_is_short_hexadecimal():
    assert len(Recipe().id) == ID_LENGTH
    int(Recipe().id, 16)


def test_equal_values_give_equal_ids():
    assert Recipe(f_min=60, duration=8, top_db=10).id == Recipe(f_min=60.0, duration=8.0, top_db=10.0).id


@pytest.mark.parametrize("name", ["cmor1.5-1", "cmor1.50-1.00", "cmor1.5-1.0", "cmor01.5-1", " cmor1.5-1 "])
def test_a_wavelet_has_one_name(name):
    recipe = Recipe(wavelet=name)
    assert recipe.feature.wavelet == "cmor1.5-1.0"
    assert recipe.feature.wavelets == ("cmor1.5-1.0",)
    assert recipe.id == Recipe().id


@pytest.mark.parametrize(("name", "canonical"), [("db1", "haar"), ("bior1.1", "haar"), ("rbio1.1", "haar"), ("sym3", "db3")])
def test_names_of_the_same_discrete_wavelet_make_one_recipe(name, canonical):
    assert Recipe(wavelet=name).feature.wavelet == canonical
    assert Recipe(wavelet=name).id == Recipe(wavelet=canonical).id


def test_three_wavelets_have_one_name():
    recipe = Recipe(rgb="wavelets", wavelet="mexh, gmw3-20,cmor1.50-1")
    assert recipe.feature.wavelets == ("mexh", "gmw3.0-20.0", "cmor1.5-1.0")
    assert recipe == Recipe(rgb="wavelets", wavelet="mexh,gmw3.0-20.0,cmor1.5-1.0")
    # Red is not blue.
    assert recipe.id != Recipe(rgb="wavelets", wavelet="cmor1.5-1.0,gmw3.0-20.0,mexh").id


@pytest.mark.parametrize(
    "wavelet", ["mexh", "morl", "haar", "cgau4", "gaus2", "shan1.5-1.0", "fbsp2-1.5-1.0", "gmw3-20", "cmor0.5-1", "db4"]
)
def test_any_wavelet_makes_a_recipe(wavelet):
    assert Recipe(wavelet=wavelet).id != Recipe().id


def test_the_image_is_as_large_as_the_transform():
    recipe = Recipe(scales=64, columns=128)
    assert (recipe.feature.height, recipe.feature.width) == (64, 128)
    assert recipe == Recipe(scales=64, columns=128, height=64, width=128)
    assert recipe.id == Recipe(scales=64, columns=128, height=64, width=128).id
    assert (Recipe(scales=64, height=32).feature.height, Recipe(scales=64, height=32).feature.width) == (32, 256)
    assert (named("logmel").feature.scales, named("logmel").feature.height) == (64, 128)


ILLEGAL = [
    # setting, and words that the message must have: value, limit, remedy
    ("scales=1", ["scales=1", "2 to 1024", "within these limits"]),
    ("scales=1025", ["scales=1025", "1024"]),
    ("scales=many", ["scales=many", "not a whole number", "scales=128"]),
    ("scales=1.5", ["scales=1.5", "not a whole number"]),
    ("columns=0", ["columns=0", "1 to 8192"]),
    ("height=-1", ["height=-1", "1 to 1024"]),
    ("width=9000", ["width=9000", "8192"]),
    ("sample_rate=100", ["sample_rate=100", "1000 to 192000"]),
    ("duration=0", ["duration=0.0", "0.01 to 600"]),
    ("duration=nan", ["duration=nan"]),
    ("duration=inf", ["duration=inf"]),
    ("duration=7.99", ["duration=7.99", "127840", "256 columns", "multiple of 0.016 s"]),
    ("range_db=0", ["range_db=0.0", "1.0 to 200.0"]),
    ("range_db=-80", ["range_db=-80.0"]),
    ("top_db=nan", ["top_db=nan"]),
    ("top_db=300", ["top_db=300.0", "-200.0 to 200.0"]),
    ("f_min=0", ["f_min=0.0", "0 < f_min < f_max <= 8000.0 Hz", "change"]),
    ("f_min=-3", ["f_min=-3.0"]),
    ("f_min=nan", ["f_min=nan"]),
    ("f_min=7600", ["f_min=7600.0", "f_max=7600.0"]),
    ("f_max=8001", ["f_max=8001.0", "8000.0 Hz", "sample_rate"]),
    ("normalise=peak", ["normalise=peak", "rms, none"]),
    ("pad=left", ["pad=left", "end, centre, random"]),
    ("reference=max", ["reference=max", "fixed, peak"]),
    ("colour=virdis", ["virdis", "did you mean 'viridis'"]),
    ("wavelet=nosuch", ["no wavelet 'nosuch'", "choose from", "cmorB-C", "dbN"]),
    ("wavelet=bior3.1", ["wavelet=bior3.1 has no peak", "give bior3.3"]),
    ("wavelet=mexhh", ["no wavelet 'mexhh'", "did you mean 'mexh'"]),
    ("wavelet=cmor1.5", ["wavelet=cmor1.5 is not written as cmorB-C"]),
    ("wavelet=", ["no wavelet ''"]),
    ("wavelet=cmor0-1", ["wavelet=cmor0-1", "bandwidth 0", "0.01 to 10000"]),
    ("wavelet=gaus9", ["order 9", "1 to 8"]),
    (
        "wavelet=cmor10000-5.0",
        ["cmor10000.0-5.0", "0.259 Hz wide at 60.0 Hz", "8.0 s of the picture", "raise f_min", "0.912 Hz"],
    ),
    ("wavelet=shan0.01-10", ["0.06 Hz wide at 60.0 Hz", "more bandwidth"]),
    ("wavelet=mexh,haar,morl", ["rgb=colormap", "mexh,haar,morl", "name 3", "one for rgb=colormap"]),
    ("rgb=wavelets", ["rgb=wavelets", "cmor1.5-1.0 name 1", "give three wavelets, separated by commas"]),
    ("rgb=grey", ["rgb=grey", "colormap, wavelets"]),
    ("transform=fft", ["transform=fft", "wavelet, stft, mel"]),
    ("noise=pink", ["noise=pink", "none, white, babble"]),
    ("snr_db=nan", ["snr_db=nan", "-60.0 to 100.0"]),
    ("snr_db=101", ["snr_db=101.0", "-60.0 to 100.0"]),
    ("window=0.1", ["window=0.1 has no effect with feature=scalogram", "give feature=logmel or", "feature=stft"]),
    ("feature=nosuch", ["no feature 'nosuch'", "scalogram, stft, waveform"]),
    ("values=db", ["values=db", "picture, decibels"]),
    ("scale=64", ["no recipe parameter 'scale'", "did you mean 'scales'"]),
    ("scales", ["'scales' is not key=value", "scales=64"]),
    ("", ["key=value"]),
]


@pytest.mark.parametrize(("setting", "words"), ILLEGAL, ids=[setting for setting, _ in ILLEGAL])
def test_what_is_illegal_is_refused_with_value_limit_and_remedy(setting, words):
    with pytest.raises(RecipeError) as error:
        named("default", [setting])
    message = str(error.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message


def test_an_unknown_recipe_names_the_nearest(messages):
    with messages.raises(RecipeError):
        named("papr")


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_is_legal_and_its_own(name):
    recipe = named(name)
    stored = {"values": recipe.parameters["values"]} if "values" in recipe.parameters else {}
    assert recipe.record().keys() == Recipe(recipe.name, sample_rate=recipe.audio.sample_rate, **stored).record().keys()
    assert [other for other in RECIPES if named(other).id == named(name).id] == [name]


def test_settings_are_differences_from_the_named_recipe():
    assert named("grey", ["scales=64", "f_min=80"]) == Recipe(colour="grey", scales=64, f_min=80.0)
    assert named("default") == Recipe()


def test_the_last_setting_of_a_parameter_counts():
    assert named("default", ["scales=64", "scales=32"]).feature.scales == 32


def test_rows_run_from_the_highest_frequency_to_the_lowest():
    frequencies = Recipe(scales=50, f_min=100, f_max=5000).feature.frequencies(Recipe(scales=50, f_min=100, f_max=5000).audio)
    assert (len(frequencies), frequencies[0], frequencies[-1]) == (50, pytest.approx(5000), pytest.approx(100))
    np.testing.assert_allclose(np.diff(np.log(frequencies)), np.log(1 / 50) / 49)


def test_the_frame_is_a_whole_number_of_samples_per_column():
    recipe = Recipe(duration=2.0, columns=64, width=32)
    assert recipe.audio.samples == 32000


@pytest.mark.parametrize("name", ["grey", "viridis", "magma", "jet"])
def test_colour_tables_have_a_colour_for_each_level(name):
    table = colour_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert len(np.unique(table, axis=0)) > 200


def test_viridis_is_matplotlib_s():
    theirs = matplotlib.colormaps["viridis"].resampled(256)(np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(colour_table("viridis"), theirs)


def test_grey_is_the_level_itself():
    assert (colour_table("grey") == np.arange(256)[:, None]).all()


def test_a_decimal_duration_may_be_a_whole_number_of_columns():
    assert Recipe(duration=16.1, columns=100).audio.samples == 257600


def test_columns_of_too_few_samples_are_refused(messages):
    with messages.raises(RecipeError):
        Recipe(duration=0.512, columns=8192)


@pytest.mark.parametrize("feature", ["stft", "logmel"])
def test_a_window_shorter_than_a_column_is_refused(feature, messages):
    with messages.raises(RecipeError):
        Recipe(feature, window=0.03)
    assert Recipe(feature, window=0.03125).feature.window == 0.03125


@pytest.mark.parametrize("changes", [{}, {"wavelet": "mexh,haar"}, {"wavelet": THREE + ",haar"}])
def test_three_channels_are_three_wavelets(changes, messages):
    with messages.raises(RecipeError):
        Recipe(rgb="wavelets", **changes)


def test_each_of_three_wavelets_must_fit_the_picture(messages):
    with messages.raises(RecipeError):
        Recipe(rgb="wavelets", wavelet="mexh,haar,cmor10000-5.0")


def test_rows_of_other_transforms():
    stft, mel = Recipe("stft"), Recipe("logmel", scales=64)
    np.testing.assert_allclose(stft.feature.frequencies(stft.audio), np.linspace(7600, 60, 128))
    bands = mel.feature.frequencies(mel.audio)
    assert len(bands) == 64
    assert 7600 > bands[0] > bands[-1] > 60


# What nothing reads.

UNREAD = {
    "snr_db": ({}, {"noise": "white"}, 10.0),
    "top_db": ({"reference": "peak"}, {}, 5.0),
    "colour": ({"rgb": "wavelets", "wavelet": "cmor0.75-1.0,cmor3.0-1.0,cmor12.0-1.0"}, {}, "magma"),
}
"""Of each parameter with readers: others by which it is not read, and by which it is, and a value."""


@pytest.mark.slow
@pytest.mark.parametrize("key", UNREAD)
def test_parameter_changes_the_picture_exactly_where_it_is_read(key, encode, messages):
    idle, read, value = UNREAD[key]
    speech = encode(synthesis.synthesize(synthesis.SPEAKERS[0], 0, "happy", 16000))
    for others, changes in ((idle, False), (read, True)):
        pixels = [extract(speech, "a", Recipe(**{**others, **more})).values for more in ({}, {key: value})]
        assert np.array_equal(*pixels) != changes
    with messages.raises(RecipeError):
        named("default", [f"{name}={one}" for name, one in (idle | {key: value}).items()])
    assert named("default", [f"{name}={one}" for name, one in (read | {key: value}).items()]).id != Recipe(**read).id


OF_PICTURES = ("reference", "range_db", "rgb", "height", "width")
"""Parameters that only pictures have, and none of which changes decibels."""


@pytest.mark.parametrize("setting", ["reference=peak", "top_db=5", "range_db=60", "rgb=wavelets", "colour=jet", "height=64"])
def test_what_only_pictures_have_is_refused_for_decibels(setting, messages):
    with messages.raises(RecipeError):
        named("default", ["values=decibels", setting])
    plain = Recipe(values="decibels")
    assert Recipe(values="decibels", range_db=60.0).id == plain.id
    assert not {*plain.record()} & {*OF_PICTURES, "top_db", "colour", "colour_table"}


def test_every_parameter_with_readers_is_tried():
    readers = {one.name for section in (Audio, Recipe().feature) for one in fields(section) if facts(one).readers}
    assert readers - {*OF_PICTURES} == {*UNREAD}


@pytest.mark.parametrize(
    ("name", "setting"),
    [("white10", "noise=none"), ("mexh", "transform=stft"), ("grey", "rgb=wavelets")],
)
def test_what_a_name_brings_along_must_be_read_too(name, setting, messages):
    with messages.raises(RecipeError):
        named(name, [setting])


def test_default_that_is_given_and_not_read_is_refused_too(messages):
    with messages.raises(RecipeError):
        named("default", ["snr_db=20"])


def test_stored_recipe_with_what_nobody_reads_is_still_read():
    assert from_record(Recipe(snr_db=10.0).record()) == Recipe(snr_db=10.0)


# Other features.


def test_transform_is_the_earlier_spelling_of_feature():
    for earlier, name in (("wavelet", "scalogram"), ("stft", "stft"), ("mel", "logmel")):
        assert named("default", [f"transform={earlier}"]) == named("default", [f"feature={name}"]) == Recipe(name)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(), "default"), (Recipe("scalogram", scales=64), "default scales=64"), (Recipe("stft"), "stft"),
        (Recipe("waveform"), "waveform"),
        (Recipe("waveform", dtype="int16", noise="white"), "waveform noise=white dtype=int16"),
        (Recipe("logmel", values="decibels"), "logmel scales=128 values=decibels"),
        (named("logmel", ["values=decibels"]), "logmel values=decibels"),
        *((named(name), name) for name in RECIPES),
    ],
)  # fmt: skip
def test_a_recipe_in_words_and_back(recipe, words):
    assert in_words(recipe.record()) == words
    name, *settings = words.split()
    assert named(name, settings).id == recipe.id
    assert from_record(recipe.record()).id == recipe.id


def test_a_feature_that_is_not_installed_is_named_and_never_looked_for_by_its_path(tmp_path, messages):
    record = Recipe("waveform").record()
    mine = tmp_path / "mine.py"
    mine.write_text("raise SystemExit('this was imported')")
    for name in ("mine", str(mine)):
        assert in_words(record | {"feature": name}).startswith(name)
        assert described(record | {"feature": name}) == name
        with messages.raises(RecipeError):
            from_record(record | {"feature": name})


def test_an_item_that_no_cache_can_hold_is_refused(messages):
    with messages.raises(RecipeError):
        Recipe("waveform", duration=600.0, sample_rate=192_000)
    with messages.raises(RecipeError):
        Recipe("waveform", duration=1.00001)
