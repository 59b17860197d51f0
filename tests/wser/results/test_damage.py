"""Nothing trains on a damaged cache: `verify` names the file, the runner refuses in one sentence, and no fold is kept."""

import json
import shutil
from pathlib import Path

import pytest

from precompute.__main__ import main as precompute
from precompute.cache import layout, removal, roots
from precompute.cache.reader import Cache
from precompute.common import files
from wser import run
from wser.config import compose
from wser.execution import plan

pytestmark = pytest.mark.usefixtures("unmade")


def replace(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 4
    replace(file, bytes(content))


def edit(file: Path, change) -> None:
    content = json.loads(file.read_bytes())
    change(content)
    replace(file, json.dumps(content).encode())


def vouch(path: Path, file: Path) -> None:
    """Make the manifest vouch for a file as it is: by somebody who knows the layout, and not by an accident."""
    content = file.read_bytes()
    entry = {"size": len(content), "sha256": files.sha256(content)}
    edit(path / layout.MANIFEST, lambda manifest: manifest["files"].update({file.relative_to(path).as_posix(): entry}))


def link(file: Path) -> None:
    shutil.copy(file, file.parents[3] / "elsewhere")
    file.unlink()
    file.symlink_to(file.parents[3] / "elsewhere")


def huge(path: Path, file: Path) -> None:
    edit(file, lambda metadata: metadata.update(shape=[10**12, 16, 64, 3]))
    vouch(path, file)


def codec(path: Path, file: Path) -> None:
    edit(file, lambda metadata: metadata["codecs"][0]["configuration"]["codecs"].append({"name": "evil", "configuration": {}}))
    vouch(path, file)


SHARD, METADATA = "01/angry/c.0.0.0.0", f"01/angry/{layout.GROUP}"
DAMAGE = {
    "a shard truncated to nothing": (SHARD, lambda _, file: replace(file, b"")),
    "a shard truncated to half": (SHARD, lambda _, file: replace(file, file.read_bytes()[: file.stat().st_size // 2])),
    "one bit of a shard": (SHARD, lambda _, file: flip(file)),
    "a shard missing": (SHARD, lambda _, file: file.unlink()),
    "a symbolic link": (SHARD, lambda _, file: link(file)),
    "an index truncated": (layout.INDEX, lambda _, file: replace(file, file.read_bytes()[:-100])),
    "one bit of the index": (layout.INDEX, lambda _, file: flip(file)),
    "one bit of the metadata": (METADATA, lambda _, file: flip(file)),
    "no manifest": (layout.MANIFEST, lambda _, file: file.unlink()),
    "an empty manifest": (layout.MANIFEST, lambda _, file: replace(file, b"")),
    "half a manifest": (layout.MANIFEST, lambda _, file: replace(file, file.read_bytes()[: file.stat().st_size // 2])),
    "the manifest of another cache": (layout.MANIFEST, lambda _, file: edit(file, lambda m: m.update(input_id="0" * 12))),
    "a shape of 10^12": (METADATA, huge),
    "an unknown codec": (METADATA, codec),
}


@pytest.fixture
def copy(small_cache: Path, small_recipe_id: str, tmp_path: Path) -> Path:
    """A cache of one's own."""
    shutil.copytree(small_cache, tmp_path / "cache")
    return Cache(roots.find([tmp_path / "cache"], "ravdess", small_recipe_id).path).path


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_and_nothing_trains_on_it(copy, damage, tiny, tmp_path, capsys):
    root, name = copy.parents[1], DAMAGE[damage][0]
    DAMAGE[damage][1](copy, copy / name)

    assert precompute(["cache", "verify", "--cache", str(root)]) == 1
    said = capsys.readouterr().err
    assert str(copy / name) in said
    assert "precompute again" in said
    assert "Traceback" not in said

    assert run.main([*tiny, f"cache_root={root}", f"results={tmp_path / 'runs'}"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("wser.run: ")
    assert said.count("\n") == 1, said
    assert str(copy / name) in said
    assert list((tmp_path / "runs").rglob("predictions.csv")) == []


class TestTakenAway:
    """A clean-up while a run is under way: the run goes on with what it has read, or stops with one sentence."""

    @pytest.fixture
    def experiment(self, copy, tiny, tmp_path) -> plan.Experiment:
        return plan.prepare(compose.load([*tiny, f"cache_root={copy.parents[1]}", f"results={tmp_path / 'runs'}"])[0])

    def test_before_the_pictures_are_read(self, experiment, copy, messages):
        removal.move_to_trash(copy, copy.parents[1])
        with messages.raises(layout.CacheError):
            plan.execute([experiment], 1, "a test", lambda *_: "")
        assert list(experiment.directory.rglob("predictions.csv")) == []

    def test_after_the_pictures_are_read(self, experiment, copy):
        assert len(experiment.dataset.values)
        removal.move_to_trash(copy, copy.parents[1])
        for one in removal.garbage(copy.parents[1], grace_days=-1):
            removal.clear(one, copy.parents[1])
        plan.execute([experiment], 1, "a test", lambda *_: "")
        assert len(list(experiment.directory.rglob("predictions.csv"))) == 2
