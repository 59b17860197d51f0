"""How long the page of a sweep takes: `python benchmarks/report.py RUN --points 100`.

The points are copies of a finished run, with all that a real sweep has to read: predictions, metrics and curves of every fold.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from precompute.common import paths
from wser import results


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description="Time the page of a sweep whose points are copies of a finished run.")
    parser.add_argument("run", type=paths.path, metavar="RUN", help="directory of a finished run's results")
    parser.add_argument("--points", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweep = _make(options.run, Path(folder), options.points)
        for what, arguments in (("sweep", [str(sweep)]), ("index", ["--index", folder])):
            start = time.perf_counter()
            command = [sys.executable, "-m", "wser.report", *arguments]
            page = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()
            seconds = time.perf_counter() - start
            print(f"{what} of {options.points} runs: {seconds:.1f} s, {Path(page).stat().st_size / 1e6:.2f} MB")
    return 0


def _make(run: Path, folder: Path, points: int) -> Path:
    """Copies of a run, and the record of a sweep over two keys."""
    record = json.loads((run / results.RUN).read_text("utf-8"))
    written = []
    for number in range(points):
        name = f"point-{number:08x}"
        shutil.copytree(run, folder / name, ignore=shutil.ignore_patterns("*.pt", "tensorboard", results.BESIDE_PAGE))
        values = {"train.lr": 10 ** -(1 + number // 10 / 4), "model.lstm": 32 * (1 + number % 10)}
        written.append({"values": values, "directory": str(folder / name)})
    sweep = folder / "point-sweep-00000000"
    sweep.mkdir()
    axes = {key: sorted({point["values"][key] for point in written}) for key in written[0]["values"]}
    content = {"experiment": ["point"], "command": record["command"], "titles": ["copies of one run"], "axes": axes}
    (sweep / results.SWEEP).write_text(json.dumps(content | {"points": written}), encoding="utf-8")
    return sweep


if __name__ == "__main__":
    sys.exit(main())
