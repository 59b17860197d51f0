"""The wording of messages: all of it is in one file, `messages.yaml`, where it is reviewed.

A test says which error it expects; the message is looked up below the test's name. After a change of wording, run the tests
it concerns once more, and read the difference of the file:

    UPDATE_MESSAGES=1 python -m pytest tests/test_messages.py

A `…` in the file stands for anything, such as the words of another library. It is put there by hand, and stays as long as
the message fits.
"""

import contextlib
import fcntl
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parent
FILE = TESTS / "messages.yaml"
Wording = dict[str, list[str]]
"""Name of each test -> its messages, in the order in which the test meets them."""

VARYING = [
    (re.compile(pattern, re.MULTILINE), shown)
    for pattern, shown in (
        (r"\b(?=[a-f]*\d)([0-9a-f]{12}|[0-9a-f]{32}|[0-9a-f]{64})\b", "<id>"),
        (r"/\.trash/[\w-]+", "/.trash/<name>"),
        (r"s3://lab-[0-9a-f]{8}", "<bucket>"),
        (r"\b\d+\.\d+\.\d+\.\d+:\d{4,5}\b", "<address>"),
        (r"^\S+ \S+: \d+/\d+, .* s left\n", ""),
        (r"^(epoch|fold|waiting) .*; .*\n", ""),
        (r"(?s)^usage: .*?(?=^\S.*?: error: )", ""),
    )
]
"""What differs between machines and runs, such as lines of progress, and what is compared instead."""


class Messages:
    """The messages of one test.

    Args:
        test: The test's name, which begins with its file, relative to the directory of all tests.
        here: The test's own directory.
        temporary: The directory of all tests of this process.
    """

    def __init__(self, test: str, here: Path, temporary: Path) -> None:
        self.test, self.met = test, list[str]()
        self.places = {str(here): "<here>", str(temporary): "<tmp>", str(TESTS.parent): "<project>"}

    @contextlib.contextmanager
    def raises(self, kind: type[Exception], *named: object) -> Iterator["pytest.ExceptionInfo[Exception]"]:
        """As `pytest.raises`, with the error's message compared, which has to name some values."""
        with pytest.raises(kind) as caught:
            yield caught
        self.check(str(caught.value), *named)

    def check(self, message: str, *named: object) -> None:
        """Compare the test's next message with the one in the file; `named` is for ids and paths, which the file leaves out."""
        assert [value for value in map(str, named) if value not in message] == [], message
        message = self._comparable(message)
        expected = read().get(self.test, [])[len(self.met) :][:1]
        fits = [text for text in expected if re.fullmatch(".*".join(map(re.escape, text.split("…"))), message, re.DOTALL)]
        self.met += fits or [message]
        assert fits or updates(), f"{self.test}\nexpects: {expected}\nmeets:   {message}\n(on purpose? see tests/wording.py)"

    def _comparable(self, message: str) -> str:
        """A message without what differs between machines and runs, progress, and the usage that argparse puts before it."""
        for place, shown in self.places.items():
            message = message.replace(place, shown)
        for pattern, shown in VARYING:
            message = pattern.sub(shown, message)
        return message


def write(met: Wording) -> None:
    """Replace the messages of some tests in the file; several processes may do so at once."""
    with FILE.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known = _parsed(file.read()) | met
        file.seek(0)
        file.truncate()
        yaml.dump(known, file, _Dumper, allow_unicode=True, width=10**6)


class _Dumper(yaml.SafeDumper):
    """Messages are written as they are read, without quotes and escapes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if "::" in data else "|")


_Dumper.add_representer(str, _Dumper.represent_str)


def updates() -> bool:
    """Whether what tests meet is to be written."""
    return bool(os.environ.get("UPDATE_MESSAGES"))


def _parsed(text: str) -> Wording:
    return yaml.load(text, yaml.CSafeLoader) or {}


@functools.cache
def read() -> Wording:
    """What the file holds."""
    return _parsed(FILE.read_text("utf-8"))
