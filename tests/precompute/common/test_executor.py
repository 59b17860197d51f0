"""Work on this machine: what clears up after the workers says nothing."""

import os
import subprocess
import sys

from precompute.common import executor

CLEARING = """
import warnings
warnings.warn("resource_tracker: There appear to be 1 leaked semlock objects to clean up at shutdown")
warnings.warn("resource_tracker: /loky-1-x: FileNotFoundError(2, 'No such file or directory')")
warnings.warn("another")
"""


def said() -> str:
    """What a process that is started now says on stderr of what it clears up."""
    return subprocess.run([sys.executable, "-c", CLEARING], capture_output=True, text=True, check=True).stderr


def test_remarks_on_what_is_cleared_up_are_left_out_and_no_others(monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    assert "semlock" in said()
    executor.parallel(2)
    assert "semlock" not in said()
    assert "FileNotFoundError" not in said()
    assert "another" in said()


def test_filters_of_the_user_stay_and_one_process_needs_none(monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error::BytesWarning")
    executor.parallel(1)
    assert os.environ["PYTHONWARNINGS"] == "error::BytesWarning"
    for _ in range(2):
        executor.parallel(2)
    assert os.environ["PYTHONWARNINGS"] == f"error::BytesWarning,{executor.REMARKS}"
