"""Several inputs of one corpus and recipe may be sealed: which one is that of today's recordings is recorded beside it."""

from precompute.cache import roots
from precompute.cache.history import CONFIRMED
from precompute.cache.roots import Roots
from precompute.common.provenance import provenance
from precompute.pipeline.plan import Plan


def confirm(plan: Plan, cache_roots: Roots) -> None:
    """Where several caches of the recipe are sealed, record that a plan's is the recordings', so that runs take it.

    Args:
        plan: Of a sealed cache.
        cache_roots: Of caches, searched in order.

    Raises:
        OSError, WserError: It cannot be written.
    """
    draft = plan.draft
    sealed = roots.candidates(cache_roots, draft.corpus, draft.recipe_id)
    if len(sealed) < 2 or roots.latest(sealed) == draft.path:
        return
    source = provenance((), "milliseconds")
    draft.confirm({CONFIRMED: source["created"], "by": source["by"]})
