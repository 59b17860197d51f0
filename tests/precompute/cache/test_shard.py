"""Shards that are written picture by picture."""

import numpy as np
import pytest
from numcodecs import Zstd
from numcodecs.checksum32 import CRC32C

from precompute.cache import shard
from precompute.cache.layout import ZSTD_LEVEL
from precompute.common import arrays

PICTURE = arrays.picture(16, 64)


def pictures(count):
    rng = np.random.default_rng(count)
    return rng.integers(0, 9, (count, 16, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_picture_by_picture_gives_the_same_bytes(count):
    images = pictures(count)
    writer = shard.Writer()
    for image in images:
        writer.add(image)
    content = writer.finish()
    assert type(content) is bytes
    assert content == shard.encode(images) == shard.encode(iter(images))
    np.testing.assert_array_equal(shard.decode(content, count, PICTURE), images)


@pytest.mark.parametrize("count", [1, 7])
def test_the_bytes_are_those_of_the_layout(count):
    images, checksum = pictures(count), CRC32C(location="end")
    chunks = [bytes(checksum.encode(Zstd(level=ZSTD_LEVEL).encode(image))) for image in images]
    sizes = [len(chunk) for chunk in chunks]
    index = np.array([(sum(sizes[:row]), size) for row, size in enumerate(sizes)], "<u8")
    assert shard.encode(images) == b"".join([*chunks, bytes(checksum.encode(index))])


@pytest.mark.parametrize(
    "how", [np.asfortranarray, lambda image: image[::-1], lambda image: np.repeat(image, 2, axis=1)[:, ::2]]
)
def test_pictures_need_not_lie_in_one_piece(how):
    (image,) = pictures(1)
    assert shard.encode([how(image)]) == shard.encode([np.ascontiguousarray(how(image))])
