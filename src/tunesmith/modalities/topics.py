"""A column of texts as a few numbers: TF-IDF in the directions in which it varies most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.seeds import derive, generator

MOST_TERMS = 5_000
MOST_ROWS = 20_000
"""From which terms and directions are learned; more are drawn from."""
MOST_TOPICS = 32


@dataclass(frozen=True)
class Topics:
    """Latent semantic analysis: `vocabulary` in order, `idf` of shape (terms,), `directions` of
    shape (topics, terms).

    Source: Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 1990; Halko et al.,
    "Finding Structure with Randomness", SIAM Review 2011, for the decomposition.
    """

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float64]
    directions: NDArray[np.float32]

    @staticmethod
    def fit(texts: Sequence[str], seed: int, most_topics: int = MOST_TOPICS) -> Topics:
        """Learn from the texts of training rows; no topics where they hold too few words."""
        from sklearn.decomposition import TruncatedSVD

        if len(texts) > MOST_ROWS:
            chosen = generator(seed, "topics").choice(len(texts), MOST_ROWS, replace=False)
            texts = [texts[row] for row in np.sort(chosen)]
        vectorizer = _vectorizer(min_df=2 if len(texts) > 50 else 1, max_features=MOST_TERMS)
        try:
            counts = vectorizer.fit_transform(texts)
        except ValueError:  # scikit-learn's word for an empty vocabulary
            return Topics((), np.empty(0), np.empty((0, 0), dtype=np.float32))
        width = min(most_topics, counts.shape[1] - 1, counts.shape[0] - 1)
        terms = tuple(vectorizer.get_feature_names_out())
        if width < 1:
            return Topics(terms, vectorizer.idf_, np.ones((1, len(terms)), dtype=np.float32))
        found = TruncatedSVD(width, random_state=derive(seed, "topics") % 2**31).fit(counts)
        return Topics(terms, vectorizer.idf_, found.components_.astype(np.float32))

    @property
    def width(self) -> int:
        """Of what `transform` gives: the topics, and the number of words."""
        return len(self.directions) + 1

    def transform(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Numbers of shape (rows, width): where a text lies along each direction, and the logarithm
        of its number of words."""
        length = np.array([[np.log1p(len(text.split()))] for text in texts], dtype=np.float32)
        length = length.reshape(len(texts), 1)
        if not len(self.directions):
            return length
        found = self._ready.transform(texts) @ self.directions.T
        return np.concatenate([np.asarray(found, dtype=np.float32), length], axis=1)

    @cached_property
    def _ready(self) -> Any:
        """scikit-learn's transformer with what was learned put back into it."""
        vectorizer = _vectorizer(vocabulary=list(self.vocabulary))
        vectorizer.idf_ = self.idf
        return vectorizer


def _vectorizer(**more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        sublinear_tf=True, dtype=np.float32, token_pattern=r"(?u)\b\w+\b", **more
    )
