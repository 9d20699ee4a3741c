"""Frozen features of an encoder as a few numbers: where they vary most, and what they tell of the
target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.seeds import derive, generator
from tunesmith.data.folds import folds

FOLDS = 5
STRENGTHS = (0.3, 1.0, 3.0, 10.0)
"""Penalties of the ridge regression, in rows: features are standardised."""
MOST_CLASSES = 20
"""With more there would be too many answers: the directions stand alone."""
FLAT = 1e-4
MOST_ROWS = 20_000
"""That are learned from."""

Floats = NDArray[np.float32]
Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Of each fold the rows that teach, and those that are answered."""


@dataclass(frozen=True)
class Projection:
    """A linear map: `center` of shape (features,), `weights` of shape (features, width), `bias` of
    shape (width,). The first numbers are principal components, the last the answers of a ridge
    regression: the share of each class (of the second, where there are two), or the target itself.

    Source: Hoerl & Kennard, "Ridge Regression", Technometrics 1970; Wolpert, "Stacked
    Generalization", Neural Networks 1992, for answers from folds apart.
    """

    center: Floats
    weights: Floats
    bias: Floats

    @staticmethod
    def fit(
        features: Floats,
        truth: NDArray[Any],
        weights: NDArray[np.float64] | None = None,
        *,
        classes: int,
        width: int,
        seed: int,
    ) -> tuple[Projection, Floats]:
        """Learn from training rows, shape (rows, features), with class codes or numbers as their
        target; `weights` say how much each counts in the regression, 1 in the mean. Also what these
        rows themselves become, shape (rows, width): each is answered by the rows of the other
        folds, so that a model does not learn to trust what it could not know."""
        if len(features) > MOST_ROWS:
            chosen = generator(seed, "projected").choice(len(features), MOST_ROWS, replace=False)
            found, crossed = Projection.fit(
                features[chosen],
                truth[chosen],
                None if weights is None else weights[chosen],
                classes=classes,
                width=width,
                seed=seed,
            )
            own = found.transform(features)  # it has not seen the other rows
            own[chosen] = crossed
            return found, own
        center = features.mean(axis=0)
        scale = np.maximum(features.std(axis=0), FLAT)
        rows = (features - center) / scale
        directions = _principal(rows, min(width, len(rows) - 1))
        wanted = _wanted(truth, classes)
        counts = np.ones(len(rows)) if weights is None else weights
        level = (counts @ wanted / counts.sum()).astype(np.float32)
        codes = truth if classes else None
        slopes, crossed = _ridge(rows, wanted - level, counts.astype(np.float32), codes, seed)
        turned = np.concatenate([directions, slopes], axis=1) / scale[:, None]
        bias = np.r_[np.zeros(directions.shape[1]), level].astype(np.float32)
        found = Projection(center, turned.astype(np.float32), bias)
        own = np.concatenate([rows @ directions, crossed + level], axis=1)
        return found, own.astype(np.float32)

    def transform(self, features: Floats) -> Floats:
        """New rows, shape (rows, features) → (rows, width)."""
        return np.asarray((features - self.center) @ self.weights + self.bias, dtype=np.float32)


def _principal(rows: Floats, count: int) -> Floats:
    """The directions in which rows vary most, the first most, shape (features, count). Scaled so
    that what lies along them is about as large as a feature. Found among the products of features
    with each other, or of rows where these are fewer: the cost is the cube of that number."""
    features = rows.shape[1]
    if count < 1:
        return np.empty((features, 0), dtype=np.float32)
    turned: Floats
    if len(rows) < features:
        sizes, combined = _largest(rows @ rows.T, count)
        turned = np.asarray(rows.T @ (combined / np.sqrt(np.maximum(sizes, FLAT))))
    else:
        _, turned = _largest(rows.T @ rows, count)
    heaviest = turned[np.abs(turned).argmax(axis=0), np.arange(turned.shape[1])]
    return np.asarray(turned * np.sign(heaviest) / np.sqrt(features), dtype=np.float32)


def _largest(gram: Floats, count: int) -> tuple[Floats, Floats]:
    """The largest eigenvalues and their vectors, shape (size, count), the largest first."""
    from scipy.linalg import eigh

    last = [max(0, len(gram) - count), len(gram) - 1]
    sizes, vectors = eigh(gram, subset_by_index=last, check_finite=False)
    return sizes[::-1], vectors[:, ::-1]


def _wanted(truth: NDArray[Any], classes: int) -> Floats:
    """What is to be answered, shape (rows, answers)."""
    if not classes:
        return np.asarray(truth, dtype=np.float32)[:, None]
    if classes > MOST_CLASSES:
        return np.empty((len(truth), 0), dtype=np.float32)
    shares: Floats = np.eye(classes, dtype=np.float32)[truth]
    return shares[:, 1:] if classes == 2 else shares


def _ridge(
    rows: Floats, wanted: Floats, counts: Floats, codes: NDArray[np.int64] | None, seed: int
) -> tuple[Floats, Floats]:
    """Slopes of shape (features, answers) at the strength that answers best across folds, and these
    answers, shape (rows, answers). Both are 0 where there are fewer rows than folds."""
    if not wanted.shape[1] or len(rows) < FOLDS:
        empty = np.zeros((rows.shape[1], wanted.shape[1]), dtype=np.float32)
        return empty, np.zeros_like(wanted)
    drawn = folds(np.arange(len(rows)), strata=codes, count=FOLDS, seed=derive(seed, "projection"))
    solve = _by_rows if len(rows) < rows.shape[1] else _by_features
    found, whole = solve(rows, wanted, counts, drawn)
    best = int((np.square(found - wanted).mean(axis=2) @ counts).argmin())
    return whole(best), found[best]


Solved = tuple[Floats, Callable[[int], Floats]]
"""What the folds answer at each strength, shape (strengths, rows, answers); and the slopes by all
rows at a strength."""


def _by_features(rows: Floats, wanted: Floats, counts: Floats, drawn: Folds) -> Solved:
    """By the products of features with each other."""
    counted: Floats = rows * counts[:, None]
    gram, cross = counted.T @ rows, counted.T @ wanted
    found = np.zeros((len(STRENGTHS), *wanted.shape), dtype=np.float32)
    for fitted, kept in drawn:
        apart = rows[kept]
        inner = gram - counted[kept].T @ apart
        right = cross - counted[kept].T @ wanted[kept]
        for place, slopes in enumerate(_solved(inner, right, len(fitted))):
            found[place, kept] = apart @ slopes
    return found, lambda best: list(_solved(gram, cross, len(rows)))[best]


def _by_rows(rows: Floats, wanted: Floats, counts: Floats, drawn: Folds) -> Solved:
    """By the products of rows with each other: the same slopes, sums of rows, where there are fewer
    rows than features (Saunders, Gammerman & Vovk, "Ridge Regression Learning Algorithm in Dual
    Variables", ICML 1998)."""
    root = np.sqrt(counts)[:, None]
    alike, scaled = rows @ rows.T, wanted * root
    gram: Floats = alike * root * root.T
    found = np.zeros((len(STRENGTHS), *wanted.shape), dtype=np.float32)
    for fitted, kept in drawn:
        inner, across = gram[np.ix_(fitted, fitted)], alike[np.ix_(kept, fitted)]
        for place, parts in enumerate(_solved(inner, scaled[fitted], len(fitted))):
            found[place, kept] = across @ (parts * root[fitted])

    def whole(best: int) -> Floats:
        parts = list(_solved(gram, scaled, len(rows)))[best]
        return np.asarray(rows.T @ (parts * root))

    return found, whole


def _solved(gram: Floats, right: Floats, rows: int) -> Iterator[Floats]:
    """The slopes at each strength."""
    from scipy.linalg import cho_factor, cho_solve

    for strength in STRENGTHS:
        penalised = gram.copy()
        penalised[np.diag_indices_from(penalised)] += strength * rows
        factor = cho_factor(penalised, overwrite_a=True, check_finite=False)
        yield np.asarray(cho_solve(factor, right, check_finite=False))
