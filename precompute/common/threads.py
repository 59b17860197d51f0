"""One thread for linear algebra, so that results do not depend on the number of cores or processes.

BLAS splits a product among its threads, and the order of its sums depends on their number: a pixel whose value is close to a
rounding edge would change with the number of processes, or with an environment variable.
"""

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """A context in which the BLAS libraries of numpy and scipy use one thread in the whole process."""
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context


@lru_cache(maxsize=1)
def _controller() -> Any:
    # It only controls libraries that are loaded already; each of these two modules loads its own.
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
