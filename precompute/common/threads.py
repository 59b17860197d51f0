"""One thread for linear algebra, so that its results are the same whatever the machine's cores and the process's share of them.

BLAS splits a product among its threads, and sums in another order for each number of them: a pixel whose level lies on the
edge would differ by how many processes work, or by a variable of the environment.
"""

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Inside, the BLAS libraries of numpy and scipy use one thread in the whole process; then as many as before."""
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context


@lru_cache(maxsize=1)
def _controller() -> Any:
    # It knows only the libraries that are loaded when it is made; each of these two modules brings its own.
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
