"""Processes: their identity on this machine, workers that end with their owner, signals that end a command, and UTF-8."""

import codecs
import contextlib
import ctypes
import hashlib
import locale
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_IN_UTF8 = ["-X", "utf8"]
SECONDS_BETWEEN_LOOKS = 1.0


def begin() -> None:
    """Prepare the environment for this program and its libraries; only for programs, before they do anything else.

    In a service or a container, a variable may begin with a `~` that no shell has replaced: a library such as Matplotlib (with
    MPLCONFIGDIR) would make a directory of this name.
    """
    for name, value in os.environ.items():
        if value.startswith("~/"):
            os.environ[name] = os.path.expanduser(value)  # noqa: PTH111 - it leaves the rest of a list of paths as it is
    _in_utf8()


def arguments(argv: Sequence[str] | None) -> Sequence[str]:
    """The arguments of a command: those given; otherwise those of the process, whose environment is then prepared."""
    if argv is not None:
        return argv
    begin()
    return sys.argv[1:]


def _in_utf8() -> None:
    """Start this program again in Python's UTF-8 mode (PEP 540), if its locale has another encoding.

    Otherwise Python would decode file names, and text without a given encoding, to wrong characters or fail, and files that
    it writes would be damaged on the next machine.  Output to the terminal keeps the terminal's encoding.  Workers inherit
    the mode.
    """
    encodings = {codecs.lookup(name).name for name in (sys.getfilesystemencoding(), locale.getpreferredencoding(False))}
    # An explicit -X utf8=0 of the user is respected.
    if encodings == {"utf-8"} or not sys.executable or sys.orig_argv[1:3] == _IN_UTF8:
        return
    os.environ.setdefault("PYTHONIOENCODING", f"{getattr(sys.stdout, 'encoding', None) or 'utf-8'}:backslashreplace")
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *_IN_UTF8, *sys.orig_argv[1:]])


def end_with(owner: int) -> None:
    """Make this process end as soon as its owner ends, for any reason.

    Linux does this by itself (prctl(2), PR_SET_PDEATHSIG); elsewhere a thread checks every second.

    Args:
        owner: Process id of the parent that this process works for.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(owner,), daemon=True).start()
    if os.getppid() != owner:
        # The owner ended before this call.
        os._exit(1)


def _watch(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


@lru_cache(maxsize=1)
def _place() -> str | None:
    """Identifies this machine since its last start, and the container; None where the system does not say."""
    try:
        boot, processes = Path("/proc/sys/kernel/random/boot_id").read_text("ascii"), Path("/proc/self/ns/pid").readlink()
        return hashlib.sha256(f"{boot}{processes}".encode()).hexdigest()[:8]
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since the machine's start; None where there is no such process."""
    try:
        # The name of the program, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def signature() -> str:
    """Identifies this process, for a file name: letters, digits and dots; `elsewhere` where the system does not say enough."""
    place, started = _place(), _started(os.getpid())
    return f"{place}.{os.getpid()}.{started}" if place and started else "elsewhere"


def is_running(signature: str) -> bool | None:
    """Whether the process of a signature still runs; None where this cannot be known, as for another machine's process."""
    place, _, rest = signature.partition(".")
    pid, _, started = rest.partition(".")
    if place != _place() or not pid.isdecimal():
        return None
    return _started(int(pid)) == started


class Ending:
    """Whether a signal has asked a command to end."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, *_: Any) -> None:
        """Handle the signal.

        Raises:
            KeyboardInterrupt: Always.
        """
        self.asked = True
        raise KeyboardInterrupt


@contextlib.contextmanager
def ended_in_order() -> Iterator[Ending]:
    """Make SIGTERM and SIGHUP end a command as Ctrl-C does, so that nothing is left behind; nohup still works.

    The exception can occur at any line of a library, which may turn it into another error or raise it in a thread.  These are
    not reported: code that catches an error checks whether an end was requested, and threads are silent from then on.
    """
    ending = Ending()
    before, hook = {}, threading.excepthook

    def of_thread(error: threading.ExceptHookArgs) -> None:
        if not ending.asked:
            hook(error)

    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(name) in (signal.SIG_DFL, signal.default_int_handler):
                before[name] = signal.signal(name, ending.ask)
    threading.excepthook = of_thread
    try:
        yield ending
    finally:
        if not ending.asked:
            threading.excepthook = hook
        for name, handler in before.items():
            signal.signal(name, handler)
