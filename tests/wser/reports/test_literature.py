"""Which runs are of the paper's own values is asked of their configuration, and not of its text."""

import pytest

from wser import results
from wser.reports.html import literature


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
