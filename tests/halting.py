"""Real commands that halt at a moment of their work and are killed there, so that no test has to catch them in passing."""

import subprocess
import sys
import threading
from typing import Any

MOST_SECONDS = 300

PROGRAM = """
import os, runpy, sys, threading

name, times, steps, module, *arguments = sys.argv[1:]
left = {"renames": int(times), "steps": int(steps)}

def halt():
    print("halted", flush=True)
    threading.Event().wait()

def renamed(source, target, *, rename=os.rename, **options):
    rename(source, target, **options)
    left["renames"] -= os.path.basename(target) == name
    if left == {"renames": 0, "steps": 0}:
        halt()

os.rename = renamed
if left["steps"]:
    import torch

    def backward(tensor, *rest, whole=torch.Tensor.backward, **options):
        whole(tensor, *rest, **options)
        left["steps"] -= left["renames"] <= 0
        if left["steps"] == 0:
            halt()

    torch.Tensor.backward = backward
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def kill_after(module: str, arguments: list[Any], name: str, times: int = 1, steps: int = 0, **options: Any) -> int:
    """Run `python -m module arguments` until something has been renamed to a name, and kill it there.

    Args:
        module: Of the command.
        arguments: Of the command; it must work in its main process alone.
        name: Last part of the path.
        times: How often something must have been renamed to it.
        steps: Steps of training after that.
        options: Of the process.

    Returns:
        Its exit code, that of a killed process.
    """
    command = [sys.executable, "-c", PROGRAM, name, str(times), str(steps), module, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as job:
        hangs = threading.Timer(MOST_SECONDS, job.kill)
        hangs.start()
        halted = any(line == "halted\n" for line in job.stdout)
        hangs.cancel()
        job.kill()
        assert halted, job.stderr.read()
    return job.returncode
