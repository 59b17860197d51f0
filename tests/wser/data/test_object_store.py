"""A run on a cache in an object store is the run on the cache on the disk."""

import pytest
from joblib.externals.loky import get_reusable_executor

from precompute.cache import places, roots
from precompute.cache.reader import Cache
from precompute.cache.transfer.copy import copy
from wser import run


@pytest.mark.slow
@pytest.mark.usefixtures("unmade")
def test_predictions_are_those_of_the_local_cache(small_cache, small_recipe_id, tiny, trained, at_once, bucket, tmp_path):
    # Workers that other tests left know nothing of this bucket's credentials.
    get_reusable_executor().shutdown(wait=True)
    (root,) = places.parse(f"{bucket}/lab")
    copy(Cache(roots.find([small_cache], "ravdess", small_recipe_id).path), root)
    assert run.main([*tiny, f"cache_root={root}", f"results={tmp_path / 'network'}"]) == 0
    # Workers read it too, and start sooner for what is no network.
    assert run.main([*at_once, f"results={tmp_path / 'local'}"]) == 0
    assert run.main([*at_once, f"cache_root={root}", f"results={tmp_path / 'workers'}", "jobs=2"]) == 0
    (local,) = (tmp_path / "local").iterdir()
    for expected, name in (trained[0], "network"), (local, "workers"):
        (directory,) = (tmp_path / name).iterdir()
        assert directory.name == expected.name
        for fold in ("fold_0", "fold_1"):
            assert (directory / fold / "predictions.csv").read_bytes() == (expected / fold / "predictions.csv").read_bytes()
