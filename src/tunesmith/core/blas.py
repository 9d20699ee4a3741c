"""Small linear algebra with one thread.

Two threads that wait for one another at every product of a small matrix are a little slower than
one where the cores are free, and ten to twenty times slower as soon as anything else runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

LARGE = 5_000_000
"""Numbers that one step goes through, from which more threads pay."""


@contextlib.contextmanager
def one_thread(numbers: int = 0) -> Iterator[None]:
    """BLAS computes with one thread meanwhile, in the whole process; where so many numbers are gone
    through in a step that more pay, as it did."""
    if numbers >= LARGE:
        yield
        return
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
