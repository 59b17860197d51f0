"""The drawings: they are made, of what was asked, and what cannot be drawn is said in one sentence."""

import numpy as np
import pytest
from PIL import Image

from precompute.commands import show


def colours(path):
    return len(np.unique(np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3), axis=0))


def test_pictures_of_a_speaker(small_cache, small_recipe_id, tmp_path, capsys):
    out = tmp_path / "speaker.png"
    asked = ["--corpus", "ravdess", "--cache", str(small_cache), "--recipe", small_recipe_id, "--speaker", "02"]
    assert show.main([*asked, "--emotions", "happy,sad", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert colours(out) > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [["wavelet=mexh", "scales=8"], ["wavelet=cgau2"], ["wavelet=haar"], ["wavelet=db4"], ["wavelet=shan1.5-1.0"]],
)
def test_filters_of_a_recipe(settings, tmp_path):
    out = tmp_path / "filters.png"
    assert show.main(["--filters", "--out", str(out), "--set", *settings]) == 0
    assert Image.open(out).width > 500


@pytest.mark.slow
def test_filters_of_three_wavelets_have_three_colours(tmp_path):
    one, three = tmp_path / "one.png", tmp_path / "three.png"
    assert show.main(["--filters", "--out", str(one)]) == 0
    assert show.main(["--filters", "--recipe", "wavelets", "--out", str(three)]) == 0
    assert colours(three) > 2 * colours(one)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--filters", "--recipe", "stft"], "feature=stft has no wavelets"),
        (["--filters", "--set", "wavelet=nosuch"], "no wavelet 'nosuch'"),
        (["--filters", "--recipe", "papr"], "did you mean 'paper'"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(arguments, words, tmp_path, capsys):
    assert show.main([*arguments, "--out", str(tmp_path / "x.png")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
