"""Recordings in, cache out: wavelet-scaled spectrograms of speech corpora, computed once and stored in Zarr.

The names of `__all__` are the public library (docs/api.md); each is imported when it is first used, so that importing the
package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from precompute.cache.reader import Cache as Cache
    from precompute.library import build as build
    from precompute.library import extract as extract
    from precompute.library import open_cache as open_cache
    from precompute.library import stream as stream
    from precompute.recipe import Recipe as Recipe

_HOMES = {
    "Cache": "precompute.cache.reader",
    "Recipe": "precompute.recipe",
    "build": "precompute.library",
    "extract": "precompute.library",
    "open_cache": "precompute.library",
    "stream": "precompute.library",
}
"""The module of each public name."""

__all__ = ["Cache", "Recipe", "build", "extract", "open_cache", "stream"]


if not TYPE_CHECKING:
    # Hidden from type checkers, so that they refuse a name that is not there.
    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
