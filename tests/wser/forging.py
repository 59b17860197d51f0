"""Results changed by hand, and sealed again so that nothing in them contradicts the rest."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from wser import results
from wser.evaluation.metrics import measure


def change_json(file: Path, **changes: Any) -> None:
    """Set keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def figures(rows: list[dict[str, str]], classes: list[str]) -> dict[str, Any]:
    """What metrics.json says of predictions."""
    true, predicted = ([classes.index(row[side]) for row in rows] for side in ("true", "predicted"))
    return measure(true, predicted, classes).as_dict()


def reseal(folder: Path) -> None:
    """Have the metrics of a fold say what its files hold now."""
    file = folder / results.METRICS
    record = json.loads(file.read_text())
    classes = json.loads((folder.parent / results.RUN).read_text())["classes"]
    with (folder / results.PREDICTIONS).open(newline="") as lines:
        record |= figures(list(csv.DictReader(lines)), classes)
    for name in record.get("files", {}):
        content = (folder / name).read_bytes()
        record["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    file.write_text(json.dumps(record))


def rewrite_predictions(folder: Path, change: Any) -> None:
    """Change the rows of a fold's predictions, header first, in place, and seal them again."""
    file = folder / results.PREDICTIONS
    with file.open(newline="") as lines:
        rows = list(csv.reader(lines))
    change(rows)
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    reseal(folder)
