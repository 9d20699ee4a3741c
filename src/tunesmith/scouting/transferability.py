"""Scores of frozen features that train nothing: LogME, H-score and N-LEEP."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from tunesmith.scouting.probes import STRENGTHS
from tunesmith.scouting.space import Matrix, Space
from tunesmith.scouting.target import Target

ROUNDS = 100
EXACT = 1e-8
"""The least noise, as a share of a target's variance: evidence without noise has no bound."""
PCA_SHARE = 0.8
PCA_MOST = 32
"""Principal axes at most: a mixture in more has more parameters than a sample has rows."""
COMPONENTS_A_CLASS = 5
ROWS_A_COMPONENT = 5
COMPONENTS_MOST = 128
EM_ROUNDS = 15


def logme(space: Space, target: Target) -> float:
    """Log of the evidence that a Bayesian linear model on the features gives to the target, per row
    and at its best prior and noise; the mean over classes, each against the rest.

    Natural logarithm, in (-∞, ∞), comparable between features for the same rows only. Unlike the
    original's, features and targets are centred and the flat intercept is integrated out, so that
    there are rows - 1 degrees of freedom; a direction that all rows share tells nothing.

    Source: You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning",
    ICML 2021, algorithms 1 and 2.
    """
    spectrum, weights, rest = _projected(space, target)
    free = len(space) - 1
    ratio = _start(spectrum, weights, rest, free)
    for _ in range(ROUNDS):
        prior, noise = _updated(spectrum, weights, rest, free, ratio)
        previous, ratio = ratio, prior / noise
        if np.all(np.abs(np.log(ratio / previous)) < 1e-4):
            break
    return float(_evidence(spectrum, weights, rest, free, ratio).mean() / len(space))


def logme_of_nothing(target: Target) -> float:
    """LogME of features that do not vary: what any features must exceed."""
    return logme(Space(np.zeros((len(target), 0)), np.zeros(0), 0), target)


def _projected(
    space: Space, target: Target
) -> tuple[NDArray[np.float64], Matrix, NDArray[np.float64]]:
    """Squared singular values (rank, 1); squared coordinates of the centred target columns
    (rank, outputs); their squared lengths outside the features' span (outputs,)."""
    centred = target.columns - target.shares()
    centred = centred[:, centred.any(axis=0)] if centred.any() else centred[:, :1]
    length = (centred**2).sum(axis=0)
    weights = (space.basis.T @ centred) ** 2
    floor = EXACT * np.maximum(length, 1.0)
    return space.spread[:, None] ** 2, weights, np.maximum(length - weights.sum(axis=0), floor)


def _start(
    spectrum: NDArray[np.float64], weights: Matrix, rest: NDArray[np.float64], free: int
) -> NDArray[np.float64]:
    """The best of a grid of prior over noise precision: the fixed point is a local one."""
    unit = float(spectrum.sum()) / (free + 1) or 1.0
    grid = unit * np.array(STRENGTHS)
    found = [_evidence(spectrum, weights, rest, free, np.full(len(rest), g)) for g in grid]
    return np.asarray(grid[np.argmax(found, axis=0)])


def _updated(
    spectrum: NDArray[np.float64],
    weights: Matrix,
    rest: NDArray[np.float64],
    free: int,
    ratio: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One step of the fixed point: precisions of the prior and of the noise, shape (outputs,)."""
    below = spectrum + ratio
    used = np.minimum((spectrum / below).sum(axis=0), free * (1 - EXACT))
    length = (spectrum * weights / below**2).sum(axis=0)
    missed = (weights * (ratio / below) ** 2).sum(axis=0) + rest
    tiny = np.finfo(np.float64).tiny
    noise = (free - used) / missed
    prior = np.maximum(used, EXACT) / np.maximum(length, tiny)
    low, high = 1e-6 * max(float(spectrum.mean()) if spectrum.size else 1.0, tiny), 1e12
    return np.clip(prior / noise, low, high * low) * noise, noise


def _evidence(
    spectrum: NDArray[np.float64],
    weights: Matrix,
    rest: NDArray[np.float64],
    free: int,
    ratio: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Log evidence at a ratio of prior to noise precision, at the best noise, shape (outputs,)."""
    grown = 1 + spectrum / ratio
    variance = ((weights / grown).sum(axis=0) + rest) / free
    return np.asarray(
        -0.5 * free * (np.log(2 * np.pi * variance) + 1) - 0.5 * np.log(grown).sum(axis=0)
    )


def h_score(space: Space, codes: NDArray[np.int64]) -> float:
    """How much of the features' variance lies between the classes: tr(Σ⁻¹ Σ_between), in
    [0, classes - 1], with the covariance shrunk as Ledoit and Wolf do.

    `codes` has shape (rows,). From Σ_between is taken what the means of as many classes of noise
    would have: (classes - 1) / (rows - classes) of the variance within. Ibrahim and others guard
    against it by shrinking Σ_between too, which makes white features, good or bad, score 0.

    Source: Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer
    Learning", ICIP 2019, definition 2; Ibrahim, Ponomareva & Mazumder, "Newer is not always
    better: Rethinking transferability metrics", 2021 (shrinkage); Kelley, "An unbiased correlation
    ratio measure", PNAS 1935 (noise of the means).
    """
    counts = np.bincount(codes).astype(np.float64)
    rows, classes = len(space), len(counts)
    if not len(space.spread) or rows <= classes:
        return 0.0
    sums = np.eye(classes)[:, codes] @ space.coordinates()
    between = (sums**2 / np.maximum(counts, 1)[:, None]).sum(axis=0) / rows
    variance = space.spread**2 / rows
    between -= (classes - 1) / (rows - classes) * (variance - between)
    shrink = shrinkage(space)
    shrunk = (1 - shrink) * variance + shrink * variance.sum() / space.width
    return float(np.clip((between / shrunk).sum(), 0.0, classes - 1))


def shrinkage(space: Space) -> float:
    """The share in [0, 1] by which the covariance is drawn to a multiple of the identity.

    Source: Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", Journal of Multivariate Analysis 2004, lemmas 3.2 to 3.4.
    """
    rows, width = len(space), space.width
    variance = space.spread**2 / rows
    lengths = (space.coordinates() ** 2).sum(axis=1)
    square = float((variance**2).sum())
    apart = square - float(variance.sum()) ** 2 / width
    noise = (float((lengths**2).mean()) - square) / rows
    return float(np.clip(noise / apart, 0.0, 1.0)) if apart > 0 else 1.0


def n_leep(space: Space, codes: NDArray[np.int64], *, seed: int = 0) -> float:
    """Mean log probability of a row's class, told through the Gaussian clusters it belongs to; in
    (-∞, 0].

    `codes` has shape (rows,). Features are reduced by PCA to 80 % of their variance (32 axes at
    most), then modelled by a mixture of diagonal Gaussians, five a class where the rows allow.
    Unlike the original's, a row does not count in the class shares of its own clusters (one row of
    the overall shares does): with few rows a cluster, the original is near 0 on pure noise.

    Source: Li et al., "Ranking Neural Checkpoints", CVPR 2021, section 3.2; Nguyen et al., "LEEP",
    ICML 2020, equation 2.
    """
    member = _clusters(space, int(codes.max()) + 1, seed)
    told = np.eye(int(codes.max()) + 1)[codes]
    shares = told.mean(axis=0)[codes][:, None]
    of_class = (told.T @ member)[codes] - member
    overall = member.sum(axis=0) - member
    told_by = (of_class + shares) / (overall + 1.0)
    right = (member * np.clip(told_by, 0.0, 1.0)).sum(axis=1)
    return float(np.log(np.clip(right, np.finfo(np.float64).tiny, 1.0)).mean())


def _clusters(space: Space, classes: int, seed: int) -> Matrix:
    """Each row's probability of each cluster, shape (rows, clusters)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    rows = len(space)
    count = min(COMPONENTS_A_CLASS * classes, rows // ROWS_A_COMPONENT, COMPONENTS_MOST)
    if count < 2 or not len(space.spread):
        return np.ones((rows, 1))
    energy = np.cumsum(space.spread**2)
    axes = min(int(np.searchsorted(energy, PCA_SHARE * energy[-1])) + 1, PCA_MOST)
    places = space.coordinates()[:, :axes] * (np.sqrt(rows) / space.spread[0])
    mixture = GaussianMixture(
        count,
        covariance_type="diag",
        init_params="k-means++",
        max_iter=EM_ROUNDS,
        reg_covar=1e-3,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(mixture.fit(places).predict_proba(places), dtype=np.float64)
