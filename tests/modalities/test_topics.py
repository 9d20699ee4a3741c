"""Texts as a few numbers."""

from __future__ import annotations

import numpy as np

from tunesmith.modalities.topics import Topics

TEXTS = [
    "the cat sleeps on the mat",
    "a cat and a mat",
    "shares fell today",
    "bank shares rose",
] * 5


def test_texts_of_like_words_lie_near_each_other() -> None:
    topics = Topics.fit(TEXTS, seed=0, most_topics=3)
    cat, mat, bank = topics.transform(["cat", "mat", "shares"])[:, :-1]
    assert cat @ mat > 0.1
    assert abs(cat @ bank) < 0.05


def test_the_number_of_words_stands_last() -> None:
    found = Topics.fit(TEXTS, seed=0).transform(["", "one two three"])
    assert found.shape == (2, Topics.fit(TEXTS, seed=0).width)
    assert np.allclose(found[:, -1], np.log1p([0, 3]))


def test_texts_without_words_have_a_length_alone() -> None:
    topics = Topics.fit(["", "!", "?"], seed=0)
    assert topics.transform(["anything"]).shape == (1, 1)


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, second = (Topics.fit(TEXTS, seed=1).transform(TEXTS) for _ in range(2))
    assert np.array_equal(first, second)
