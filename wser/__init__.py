"""Cache in, results out: train and cross-validate speech emotion recognition on wavelet-scaled spectrograms.

The names of `__all__` are the public library (docs/api.md); each is imported when it is first used, so that importing the
package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wser.library import load_run as load_run
    from wser.library import open_dataset as open_dataset

_HOMES = {"load_run": "wser.library", "open_dataset": "wser.library"}
"""The module of each public name."""

__all__ = ["load_run", "open_dataset"]


if not TYPE_CHECKING:
    # Hidden from type checkers, so that they refuse a name that is not there.
    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
