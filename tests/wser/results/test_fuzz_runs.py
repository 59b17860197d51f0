"""Runs whose files were changed at random: read, or refused in one sentence; never a traceback, a hang, or a wrong page."""

import contextlib
import csv
import io
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from forging import reseal

from wser import compare, report, results, runs

ROUNDS = int(os.environ.get("WSER_FUZZ", "20"))
FILES = [
    results.RUN, results.CONFIG, results.SPLIT, results.LEAKAGE, results.IDENTITY, results.SUMMARY,
    *(f"fold_0/{name}" for name in (results.METRICS, results.PREDICTIONS, results.CURVES, results.WEIGHTS)),
]  # fmt: skip
SHOWN = (results.METRICS, results.CURVES)
"""What figures show: there are some where it was changed."""
VALUES: list[Any] = [
    None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**30, "", "x", "\x1b[31m", "nan", [], [[]], {}, {"a": []}, [None],
    "=1", "../../etc", "${oc.env:HOME}",
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value, and every key of it."""
    found = []
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        found += [(value, key), *places(value[key])]
    return found


def change_bytes(file: Path, rng: random.Random) -> None:
    data = bytearray(file.read_bytes())
    for _ in range(rng.randint(1, 3)):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(3)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at : at + rng.randint(1, 40)]
        else:
            data[at:at] = rng.choice([b"\x00", b"\xff\xfe", b",", b'"', b"\n", b"[" * 2000, b"9" * 400, b"{", b": ", b"&a *a"])
    file.write_bytes(data)


def change_values(file: Path, rng: random.Random) -> None:
    """Of JSON, some values; of CSV, some cells; of others, bytes."""
    if file.suffix == ".json":
        record = json.loads(file.read_text(encoding="utf-8"))
        for _ in range(rng.randint(1, 2)):
            holder, key = rng.choice(places(record))
            if rng.random() < 0.3 and isinstance(holder, dict):
                holder.pop(key, None)
            else:
                holder[key] = rng.choice(VALUES)
        file.write_text(json.dumps(record), encoding="utf-8")
    elif file.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = str(rng.choice(VALUES))
        if rng.random() < 0.3:
            rows.insert(rng.randrange(len(rows)), rng.choice(rows))
        table = io.StringIO()
        csv.writer(table).writerows(rows)
        file.write_text(table.getvalue(), encoding="utf-8")
    else:
        change_bytes(file, rng)


def change_kind(file: Path, rng: random.Random) -> None:
    """The file is gone, empty, a directory, a pipe, a device, or a link."""
    file.unlink()
    kind = rng.randrange(6)
    if kind == 0:
        file.mkdir()
    elif kind == 1:
        os.mkfifo(file)
    elif kind == 2:
        file.symlink_to("/dev/zero")
    elif kind == 3:
        file.symlink_to(file.parent)
    elif kind == 4:
        file.write_bytes(b"")


@pytest.mark.slow
def test_changed_runs_are_read_or_refused_in_one_sentence(trained, no_figures, tmp_path, capsys):
    rng = random.Random(14)
    refusals = 0
    for number in range(ROUNDS):
        root = tmp_path / str(number)
        path = Path(shutil.copytree(trained[0], root / "changed"))
        sound = Path(shutil.copytree(trained[0], root / "sound"))
        file = path / rng.choice(FILES)
        change = rng.choice([change_bytes, change_values, change_values, change_values, change_kind])
        change(file, rng)
        figures = contextlib.nullcontext if file.name in SHOWN else no_figures
        if rng.random() < 0.5 and change is not change_kind:
            # So that what is behind the checksums is reached.
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
                reseal(path / "fold_0")
        for command, arguments in (
            (report, ["--markdown", str(path)]),
            (report, [str(path), "--out", str(root / "out")]),
            (compare, [str(path), str(sound)]),
            (report, ["--index", str(root)]),
            (runs, ["list", "--results", str(root)]),
            (runs, ["gc", "--results", str(root), "--grace", "0"]),
        ):
            with figures():
                code = command.main(arguments)
            printed = capsys.readouterr()
            what = f"round {number}: {change.__name__} of {file.name}, {command.__name__} {arguments[0]}: {printed.err}"
            assert code in (0, 1), what
            assert "WSER_TRACEBACK" not in printed.err, what
            assert code == 0 or printed.err.count("\n") == 1, what
            assert all(letter.isprintable() or letter in "\n\t" for letter in printed.out + printed.err), what
            refusals += code
        shutil.rmtree(root)
    assert refusals > ROUNDS / 4
