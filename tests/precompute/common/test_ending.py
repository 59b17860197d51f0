"""What libraries make of a signal in the middle of their work is still an interruption."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from precompute.common import process, terminal
from precompute.common.errors import RecipeError, WserError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("default_handlers")]


@pytest.fixture
def default_handlers():
    """Handlers and hook as they are before a command, whatever the command leaves."""
    before, hook = signal.getsignal(signal.SIGINT), threading.excepthook
    yield
    signal.signal(signal.SIGINT, before)
    threading.excepthook = hook


def swallowed(number):
    """Have a signal raise its exception where it is turned into another."""
    try:
        os.kill(os.getpid(), number)
        for _ in range(1000):
            pass
    except KeyboardInterrupt:
        raise RuntimeError("cannot join thread before it is started") from None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_an_error_in_an_interrupted_library_is_an_interruption(number, capsys):
    assert terminal.command("x", lambda _: swallowed(number), "what is done stays", []) == 130
    assert capsys.readouterr().err == "x: interrupted; what is done stays\n"


def test_threads_are_silent_once_a_command_is_interrupted(capsys):
    def work(_):
        try:
            swallowed(signal.SIGTERM)
        finally:
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()

    terminal.command("x", work, "", [])
    assert "ZeroDivisionError" not in capsys.readouterr().err


def test_threads_say_their_errors_otherwise(monkeypatch):
    said = []
    monkeypatch.setattr(threading, "excepthook", said.append)

    def work(_):
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return 0

    assert terminal.command("x", work, "", []) == 0
    assert [error.exc_type for error in said] == [ZeroDivisionError]


@pytest.mark.parametrize(
    "line",
    [
        ["precompute", "list"],
        ["precompute", "--markdown"],
        ["precompute", "build", "--help"],
        ["wser", "--help"],
        ["wser.run", "--help"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_enough_ends_a_command_in_silence(line):
    reader, writer = os.pipe()
    os.close(reader)
    # What is printed must wait in Python's buffer, as it does for a user.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", *line]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, check=False, timeout=300)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_only_a_program_changes_its_environment(monkeypatch):
    begun = []
    monkeypatch.setattr(process, "begin", lambda: begun.append(True))
    monkeypatch.setattr(sys, "argv", ["program", "a", "b"])
    given = []

    def work(arguments):
        given.append(list(arguments))
        return 3

    assert terminal.command("x", work, "", ["c"]) == 3
    assert not begun
    assert terminal.command("x", work, "") == 3
    assert begun == [True]
    assert given == [["c"], ["a", "b"]]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (WserError("refused"), 1, "x: refused"),
        (RecipeError("no such recipe"), 2, "x: no such recipe"),
        (OSError(2, "gone", "file"), 1, "x: file: gone; what is done stays"),
        (KeyboardInterrupt(), 130, "x: interrupted; what is done stays"),
    ],
)
def test_exit_codes_tell_refusals_wrong_usage_and_interruptions_apart(error, code, says, capsys):
    def fail(_):
        raise error

    assert terminal.command("x", fail, "what is done stays", []) == code
    assert capsys.readouterr().err == f"{says}\n"
