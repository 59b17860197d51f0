"""What a user sees on the terminal: text without control characters, tables without markup, errors without a traceback."""

import argparse
import contextlib
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from precompute.common import process
from precompute.common.errors import UsageError, WserError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes of all commands; 130 is a shell's for what Ctrl-C ended."""

TRACEBACK = "WSER_TRACEBACK"
"""Environment variable that shows where an unexpected error came from."""

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # which turn the direction of what follows
    "\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"  # lines, marks, halves and tags that are not seen
)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """A help whose paragraphs fit the terminal; one that has an indented line, such as a list of examples, is left as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        def filled(paragraph: str) -> str:
            if "\n " in paragraph:
                return paragraph
            return textwrap.fill(
                " ".join(paragraph.split()), width, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip

        return "\n\n".join(map(filled, text.split("\n\n")))


class Parser(argparse.ArgumentParser):
    """Of a command line: its help fits the terminal, and it names the option that an unknown one may be meant for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": HelpFormatter} | settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of the base class; exits where an argument is unknown."""
        return self._known(*self.parse_known_args(args, namespace))

    def parse_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of the base class; exits where an argument is unknown."""
        return self._known(*self.parse_known_intermixed_args(args, namespace))

    def options(self) -> list[str]:
        """Names of its options, and of those of its commands."""
        commands = [parser for action in self._actions for parser in getattr(action, "_name_parser_map", {}).values()]
        return [*self._option_string_actions, *(name for command in commands for name in command.options())]

    def _known(self, options: argparse.Namespace, unknown: list[str]) -> argparse.Namespace:
        if unknown:
            name = unknown[0].partition("=")[0]
            hint = did_you_mean(name, self.options()) if name.startswith("--") else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options


def printable(text: str) -> str:
    r"""Text with escapes, as `\x1b`, for what would control a terminal or cannot be seen; line feeds and tabs stay."""
    return STEERING.sub(lambda match: ascii(match[0])[1:-1], text)


def natural(text: str) -> list[tuple[int, str]]:
    """What to sort text by, so that its whole numbers are in their order: `t.csv:9` before `t.csv:10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


def in_a_line(text: str) -> str:
    """The same in one line, with control characters escaped."""
    return printable(text.replace("\n", "\\n").replace("\t", "\\t"))


class _Printable:
    """A stream whose text is made printable on its way to another."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def console(stderr: bool = False) -> "Console":
    """A console of rich for tables and bars; text given to it is never markup, and is made printable.

    Args:
        stderr: Whether it writes to stderr, otherwise to stdout.
    """
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options | {"markup": False, "emoji": False})

    stream = sys.stderr if stderr else sys.stdout
    # Its own colours and lines must not be escaped.
    stream = stream.stream if isinstance(stream, _Printable) else stream
    return Plain(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=False)


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """Have all that is printed be printable, in any encoding of the terminal."""
    before: tuple[Any, Any] = sys.stdout, sys.stderr
    for stream in before:
        with contextlib.suppress(AttributeError, ValueError, OSError):
            # A terminal of another encoding must not end what is done.
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (_Printable(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def command(name: str, work: Callable[[Sequence[str]], int], kept: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command; any error is one sentence on stderr.

    Args:
        name: Of the command, before the sentence.
        work: Takes the arguments and gives the exit code.
        kept: What of its work stays where it is interrupted or a file cannot be used, and what to do then.
        arguments: Without the program's name; by default those of the process, whose program this command then is.

    Returns:
        The exit code; where it failed 1, for wrong usage 2, and 130 where it was interrupted.
    """
    arguments = process.arguments(arguments)
    with _guarded(), process.ended_in_order() as ending:
        try:
            return _flushed(work, arguments)
        except BrokenPipeError:
            # The reader, such as head, has closed the pipe; the interpreter flushes once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get(TRACEBACK) and not isinstance(error, WserError):
                traceback.print_exc()
            if ending.asked or isinstance(error, KeyboardInterrupt):
                code, message = INTERRUPTED, f"interrupted; {kept}"
            else:
                code, message = WRONG_USAGE if isinstance(error, UsageError) else FAILED, _said(error, kept)
        print(f"{name}: {in_a_line(message)}", file=sys.stderr)
        return code


def _flushed(work: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """The exit code of the work, once all that it printed is out: at the interpreter's end an error would not be caught."""
    try:
        code = work(arguments)
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return code


def missing_package(error: ModuleNotFoundError) -> str:
    """The sentence for a package of others that this Python does not have; empty where what is missing is ours."""
    if not error.name or error.name.partition(".")[0] in ("precompute", "wser"):
        return ""
    return (
        f"{sys.executable} has no package {error.name}: activate the environment that this software is installed in "
        "(source .venv/bin/activate), or install it in one (python3 -m venv .venv && .venv/bin/pip install .)"
    )


def _said(error: BaseException, kept: str) -> str:
    """The sentence for an error."""
    match error:
        case WserError():
            return str(error)
        case ModuleNotFoundError() if missing := missing_package(error):
            return missing
        case MemoryError():
            return f"this machine has not enough memory for it: give fewer --jobs or jobs=, or a smaller input; {kept}"
        case OSError():
            return f"{error.filename or 'a file that is being used'}: {error.strerror or error or type(error).__name__}; {kept}"
    # A fault of ours, or an input that we did not think of.
    why = str(error)[:300] or "no reason given"
    return f"unexpected {type(error).__name__} ({why}): set {TRACEBACK}=1 to see where, and report it; {kept}"
