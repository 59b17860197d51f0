"""Features: what is computed of an utterance and stored, one file each, named as `feature=` names it.

A feature's module has a class `Feature`, a frozen dataclass derived from `precompute.features._base.Feature`: its own
parameters, what it gives (`array`) and how (`compute`); docs/extending.md shows one.
"""

from types import ModuleType

from precompute.common import plugins
from precompute.common.errors import RecipeError


def names() -> list[str]:
    """Names of all features, sorted: the files of this folder, and those that are installed."""
    return plugins.names(__name__)


def load(name: str) -> ModuleType:
    """The module of a feature, by its name or by the path of its file.

    Raises:
        RecipeError: There is no such feature, it cannot be imported, or it has no class `Feature`.
    """
    module = plugins.load(__name__, name, "feature", RecipeError)
    if not hasattr(module, "Feature"):
        raise RecipeError(f"the feature {name} has no class Feature: add one, as docs/extending.md says")
    return module
