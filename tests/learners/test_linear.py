"""Words are counted of as many rows as there is time for."""

from __future__ import annotations

from itertools import count

import pandas as pd

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners.linear import LinearConfig
from tunesmith.pipeline.frame import frame

ROWS, LETTERS = 90, 40_000


def rows_counted(limit_seconds: float) -> int:
    """Of how many long texts, each with a word of its own, the words are terms, by a clock that
    goes on by a second whenever somebody looks at it."""
    words = [f"own{place} " + "filler " * (LETTERS // 7) for place in range(ROWS)]
    table = pd.DataFrame({"text": words, "label": ["a", "b", "c"] * (ROWS // 3)})
    problem = frame(read(table, kinds={"text": "text"}), "label", seed=0)
    clock = Clock(limit_seconds, count().__next__)
    watch = Watch(clock, lambda score, progress: True)
    fitted = learners["linear"].fit(problem, LinearConfig(), 0, watch)
    train = problem.part("train").values("text")
    terms = set(fitted.terms.vocabulary)
    return sum(text.split()[0] in terms for text in train)


def test_of_long_texts_no_more_rows_are_counted_than_the_time_allows() -> None:
    whole = rows_counted(limit_seconds=1_000.0)
    part = rows_counted(limit_seconds=8.0)
    assert whole == round(0.6 * ROWS)
    assert 10 < part < whole
