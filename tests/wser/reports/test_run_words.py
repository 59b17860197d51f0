"""A run in words: how its protocol holds utterances out."""

import pytest

from wser import protocols
from wser.reports.html import words


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"protocol": "./mine.py", "protocol_title": "Women held out, then men"}, "Women held out, then men"),
        ({"protocol": "./mine.py", "protocol_title": ""}, ""),
        ({"protocol": "loso"}, "Leave one speaker out: as many folds as speakers"),
        ({"protocol": "of_an_earlier_version"}, ""),
    ],
)
def test_protocol_is_in_the_words_that_the_run_recorded_or_that_today_has(record, says):
    assert words.protocol(record) == says


def test_report_runs_no_file_that_a_stranger_names(tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit('run')")
    assert words.protocol({"protocol": str(tmp_path / "mine.py")}) == ""


@pytest.mark.parametrize("name", protocols.names())
def test_each_protocol_of_the_package_has_a_title(name):
    assert protocols.protocol(name).title
