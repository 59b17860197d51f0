"""A toy corpus's caches, for the tests of the store: pictures of noise, 8 x 16."""

import functools
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from precompute.cache import layout
from precompute.cache.draft import Draft
from precompute.cache.layout import Record, Skipped
from precompute.recipe import Recipe

RECIPE = Recipe(scales=8, height=8, columns=16, width=16, duration=1.0)
INPUT = "0123456789ab"


def draft(root, input_id=INPUT, synthetic=False):
    """A draft of the toy corpus; enter `open()` before writing."""
    return Draft(root, "toy", RECIPE.record(), RECIPE.id, input_id, synthetic)


def unit(speaker, emotion, n=3, seed=0, skipped=()):
    """Records, skipped inputs and pictures of noise, as `Draft.publish` takes them."""
    images = np.random.default_rng(seed).integers(0, 256, (n, 8, 16, 3), dtype=np.uint8)
    records = tuple(
        Record(
            key=f"{speaker}-{emotion}-{row}", speaker=speaker, emotion=emotion, label=emotion[0].upper(), sex=None,
            sentence="ä 1", intensity=None, session="S\u2028", duration=0.25, channels=1, start=0, stop=4,
            path=f"{speaker}/{row}.wav", sha256="00" * 32, array=layout.array_path(speaker, emotion), row=row,
            image_sha256=hashlib.sha256(image.tobytes()).hexdigest(), begin=0.25 if row else None, end=1.5 if row else None,
            more={"valence": 2.5, "é": "ü"} if row else {},
        )
        for row, image in enumerate(images)
    )  # fmt: skip
    return records, tuple(skipped), images


def build(root, units, skipped=(), input_id=None, **options):
    """Directory of a sealed cache of these units; its input id fits them unless one is given."""
    input_id = input_id or layout.input_id((record, record.sha256) for one in units for record in one[0])
    made = draft(root, input_id, **options)
    with made.open():
        made.seal([made.publish(*one) for one in units], skipped, {"by": "a test", "created": "2025-01-01T00:00:00+00:00"})
    return made.path


def sealed_toy(root):
    """Directory of a sealed cache of three units; its pictures are those of `unit` with these seeds.

    In a root that is not there yet it is a copy of one that is built once, file modes and times included: to build one takes
    four times the processor's time, and waits for the disk.
    """
    if Path(root).exists():
        return built_toy(root)
    _, first = first_toy()
    shutil.copytree(first.parents[1], root)
    return Path(root) / first.relative_to(first.parents[1])


@functools.cache
def first_toy():
    """Where the first one is: the temporary directory, which lasts as long as the process, and the cache in it."""
    folder = tempfile.TemporaryDirectory()
    return folder, built_toy(Path(folder.name) / "root")


def built_toy(root):
    """As `sealed_toy`, built where it is to be."""
    return build(
        root,
        [unit("anna", "sad", 3, 1), unit("anna", "angry", 2, 2), unit("..", "sad", 1, 3, [Skipped("x.wav", "too short")])],
        [Skipped("b.wav", "the file is empty")],
        INPUT,
    )


def replace(file, content):
    """Give a file of a cache other content."""
    # What is published is read-only.
    file.unlink()
    file.write_bytes(content)


def edit(path, change):
    """Rewrite a cache's manifest."""
    manifest = json.loads((path / layout.MANIFEST).read_text())
    change(manifest)
    replace(path / layout.MANIFEST, json.dumps(manifest).encode())
