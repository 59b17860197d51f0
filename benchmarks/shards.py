"""How much faster our writer of shards is than zarr's: `python benchmarks/shards.py`.

Both write the same arrays, of the layout's codecs, into directories of one disk, in turn in one process; each prints its best
time, and the last line the ratio.  What both wrote is read back by zarr and compared.
"""

import sys
from pathlib import Path

# Without this directory, which holds a `precompute.py` too, first in the path, the package is found.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import shutil
import tempfile
import time

import numpy as np
import zarr
from numpy.typing import NDArray

from precompute.cache import layout, shard
from precompute.common import paths
from precompute.common.arrays import picture


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description="Time zarr's writer of shards and ours on the same pictures.")
    parser.add_argument("--cache", type=paths.path, metavar="DIR", help="a sealed cache, whose pictures to write")
    parser.add_argument("--units", type=int, default=100, help="arrays to write (default: 100)")
    parser.add_argument("--pictures", type=int, default=8, help="made-up pictures in each, without --cache (default: 8)")
    parser.add_argument("--repeats", type=int, default=5, help="times, of which the best counts (default: 5)")
    options = parser.parse_args()
    units = _cached(options.cache, options.units) if options.cache else _made_up(options.units, options.pictures)
    count = sum(map(len, units))
    print(f"{len(units)} arrays, {count} pictures of {units[0].shape[1]} x {units[0].shape[2]}, zarr {zarr.__version__}")
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        writers = {"zarr": _by_zarr, "ours": _by_us}
        for _ in range(options.repeats):
            for name, write in writers.items():
                shutil.rmtree(root / name, ignore_errors=True)
                started = time.perf_counter()
                write(root / name, units)
                seconds[name] = min(time.perf_counter() - started, seconds.get(name, float("inf")))
        for number, images in enumerate(units):
            for name in writers:
                if not np.array_equal(zarr.open_array(root / name / str(number), mode="r")[:], images):
                    raise SystemExit(f"array {number} of {name} is not what was written")
    for name, best in seconds.items():
        print(f"{name}  {best:.3f} s, {1000 * best / count:.2f} ms a picture")
    print(f"ours is {seconds['zarr'] / seconds['ours']:.1f} times as fast")
    return 0


def _made_up(units: int, pictures: int) -> list[NDArray[np.uint8]]:
    """Pictures of slow waves in noise, in the default recipe's colours, which compress about as those of speech do."""
    from precompute.recipe import Recipe

    recipe, rng = Recipe(), np.random.default_rng(0)
    rows, columns = np.mgrid[: recipe.feature.height, : recipe.feature.width]
    content = []
    for _ in range(units):
        phases = rng.uniform(0, 2 * np.pi, (pictures, 1, 1))
        waves = 90 * np.sin(rows / 9 + phases) * np.sin(columns / 14 - phases) + rng.normal(90, 3, (pictures, *rows.shape))
        waves[:, :, recipe.feature.width // 2 :] = 0
        content.append(recipe.feature.table[waves.clip(0, 255).astype(np.uint8)])
    return content


def _cached(path: Path, units: int) -> list[NDArray[np.uint8]]:
    from precompute.cache.reader import Cache

    cache = Cache(path)
    return [cache.read(array) for array in list(cache.arrays)[:units]]


def _by_zarr(root: Path, units: list[NDArray[np.uint8]]) -> None:
    for number, images in enumerate(units):
        array = zarr.create_array(
            root / str(number), shape=images.shape, dtype="uint8", chunks=(1, *images.shape[1:]), shards=images.shape,
            compressors=[zarr.codecs.ZstdCodec(level=layout.ZSTD_LEVEL), zarr.codecs.Crc32cCodec()], fill_value=0,
            chunk_key_encoding={"name": "default", "separator": "."},
        )  # fmt: skip
        array[:] = images


def _by_us(root: Path, units: list[NDArray[np.uint8]]) -> None:
    for number, images in enumerate(units):
        folder = root / str(number)
        folder.mkdir(parents=True)
        (folder / layout.GROUP).write_text(
            json.dumps(layout.array_metadata(len(images), picture(*images.shape[1:3]), {})), encoding="utf-8"
        )
        (folder / "c.0.0.0.0").write_bytes(shard.encode(images))


if __name__ == "__main__":
    sys.exit(main())
