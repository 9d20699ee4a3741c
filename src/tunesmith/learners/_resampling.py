"""Training rows drawn so that all classes are equally frequent, and what puts the probabilities of
a model that learned from them right."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.seeds import generator


def resampled(
    truth: NDArray[np.int64],
    how: Literal["under", "over"],
    seed: int,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Places of rows, ascending: as many of each class as the rarest has, none twice ("under"), or
    as the commonest has, all of them and some again ("over"). Where rows have weights, so many that
    they count as much; drawn rows keep theirs."""
    dice = generator(seed, "resampling")
    counts, total = np.bincount(truth), np.bincount(truth, weights)
    wanted = total[total > 0].min() if how == "under" else total.max()
    found = []
    for code in np.flatnonzero(total):
        rows = np.flatnonzero(truth == code)
        size = max(1, round(float(counts[code] * wanted / total[code])))
        if how == "under":
            found.append(dice.permutation(rows)[:size])
        else:
            found += [rows, dice.choice(rows, size - len(rows))]
    return np.sort(np.concatenate(found))


def prior_shift(
    truth: NDArray[np.int64],
    drawn: NDArray[np.int64],
    classes: int,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """What is added to the logits of a model fitted to `drawn` rows (their places) so that its
    probabilities hold for rows with the classes' own shares, shape (classes,).

    Source: Saerens, Latinne & Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", Neural Computation 2002, eq. 2.4; Elkan, IJCAI 2001, theorem 2.
    """
    own = np.ones(len(truth)) if weights is None else weights
    before = np.bincount(truth, own, minlength=classes)
    after = np.bincount(truth[drawn], own[drawn], minlength=classes)
    there = (before > 0) & (after > 0)
    shift = np.zeros(classes)
    shift[there] = np.log(before[there] / before.sum()) - np.log(after[there] / after.sum())
    return shift
