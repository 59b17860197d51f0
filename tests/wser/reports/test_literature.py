"""A run beside published results: bars have different names; the paper's own values are found by configuration, not by text."""

import pytest

from wser import results
from wser.evaluation import published
from wser.reports.html import literature


@pytest.mark.parametrize("corpus", sorted({entry.corpus for entry in published.load()}))
@pytest.mark.parametrize("speakers", ["known", "unknown"])
def test_no_two_bars_of_a_figure_have_one_name(corpus, speakers):
    entries = [entry for entry in published.load() if entry.corpus == corpus]
    near = [entry for entry in entries if entry.speakers == speakers]
    for bars in (literature._bars(near), literature._bars([entry for entry in entries if entry not in near], apart=True)):
        names = [name for name, *_ in bars]
        assert len({*names}) == len(names)


@pytest.mark.parametrize(
    ("text", "preset"),
    [
        ("preset: paper\n", "paper"),
        ("# preset: paper\npreset: tuned\n", "tuned"),
        ("experiment: 'preset: paper'\npreset: tuned\n", "tuned"),
        ("preset: [\n", None),
        ("- preset: paper\n", None),
    ],
)
def test_the_preset_of_a_run_is_read_as_a_setting(text, preset, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / results.CONFIG).write_text(text)
    assert literature._preset(tmp_path / "run") == preset


def test_a_directory_without_a_configuration_has_no_preset(tmp_path):
    (tmp_path / "run").mkdir()
    assert literature._preset(tmp_path / "run") is None
