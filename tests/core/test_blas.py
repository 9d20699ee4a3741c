"""Linear algebra has one thread where that is asked for, and as many as before afterwards."""

from __future__ import annotations

import scipy.linalg
from threadpoolctl import threadpool_info

from tunesmith.core.blas import one_thread

assert scipy.linalg.__name__  # loaded, so that it is looked at


def counts() -> list[int]:
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_one_thread_meanwhile_and_as_many_as_before_afterwards() -> None:
    before = counts()
    assert len(before) >= 2  # numpy's and scipy's own
    with one_thread():
        assert counts() == [1] * len(before)
        with one_thread():
            assert counts() == [1] * len(before)
        assert counts() == [1] * len(before)
    assert counts() == before
