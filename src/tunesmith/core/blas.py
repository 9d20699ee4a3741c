"""Linear algebra of an optimiser's steps with one thread.

Measured on L-BFGS over 500 to 10,000 rows of 60 to 3,072 features and 1 to 77 classes, on two free
cores: two threads take 0.8 to 6 times as long as one, for they wait for one another at every
product of a small matrix; beside a busy process up to twenty times as long. 1,000,000 rows of 50
gain a fifth by the second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """BLAS computes with one thread meanwhile, in the whole process."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    """What numpy and scipy compute with, looked for once: that takes a few milliseconds."""
    import numpy as np
    import scipy.linalg
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    assert np.__version__  # both are loaded now, so that theirs are found
    assert scipy.linalg.__name__
    return ThreadpoolController()
