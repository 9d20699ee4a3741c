"""From features to a ranking: each backbone's best read-out, one combined score, and how sure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.blas import one_thread
from tunesmith.core.errors import DataError
from tunesmith.core.seeds import derive, generator
from tunesmith.scouting.probes import Probe, nearest, ridge, value
from tunesmith.scouting.records import Ranking, Reading, Standing
from tunesmith.scouting.space import Space, reduce
from tunesmith.scouting.target import Target, aim
from tunesmith.scouting.transferability import h_score, logme, logme_of_nothing, n_leep

RESAMPLES = 1000
FOLDS = 10
LEVEL = 0.9
MOST_KNOWN = 0.2


@dataclass(frozen=True)
class Weights:
    """How much each score counts in the combined one, relative to each other."""

    ridge: float = 1.0
    """In the metric's own units, honest row by row, and nearest to what fine-tuning starts from."""
    nearest: float = 0.10
    """Sees classes that no plane parts, as fine-tuning will; noisier than the probe."""
    logme: float = 0.05
    """On the same linear model as the probe, so little of its own, but smooth on few rows."""
    h_score: float = 0.03
    """Looks at means alone; its scale depends on the width."""
    n_leep: float = 0.03
    """Depends on where the clusters start."""
    quality: float = 1.3
    """Units of the metric for one of known quality, where there are no rows at all. Fine-tuning
    brings out more than a probe sees, and more of a better backbone. On five data sets and 123 rows
    (`benchmarks/scout.py`) anything from 1.3 to 4 ranked best."""
    quality_rows: float = 400.0
    """At this many rows what is known beforehand weighs half."""


WEIGHTS = Weights()


def combine(
    scores: Mapping[str, float], quality: float, rows: int, *, weights: Weights = WEIGHTS
) -> float:
    """An estimate of the metric after fine-tuning, for comparing backbones.

        Σ weight · score / Σ weight + weight · quality · quality_rows / (quality_rows + rows)

    `scores` are those there are of ridge, nearest, logme, h_score and n_leep, brought to the
    probe's level (`levelled`); `quality` is how far above the usual a backbone is known to be
    (`known_qualities`).
    """
    share = _portions(scores, weights)
    measured = sum(share[name] * score for name, score in scores.items())
    return measured + known_part(quality, rows, weights)


def known_part(quality: float, rows: int, weights: Weights) -> float:
    """What the quality known beforehand adds, in units of the metric."""
    return weights.quality * quality * weights.quality_rows / (weights.quality_rows + rows)


@dataclass(frozen=True)
class Examined:
    """The scores of one backbone at its best read-out.

    `scores` are in their own units, `shares` in [0, 1] but for the ridge probe's R², which may be
    below; `wins` are those of the probes, by name, each of shape (rows,); `losses` are the mean
    squared errors of every read-out.
    """

    backbone: str
    readout: str
    scores: Mapping[str, float]
    shares: Mapping[str, float]
    wins: Mapping[str, NDArray[np.float64]]
    losses: Mapping[str, float]


def examine(
    backbone: str, readouts: Mapping[str, NDArray[Any]], target: Target, *, seed: int = 0
) -> Examined:
    """Choose the read-out of least left-out squared error, then take every score of it.

    The best of many is lucky too: each row therefore counts as told by the read-out that the rows
    of the nine other tenths choose, so that the ridge probe's score is honest about the choice.
    BLAS is held to one thread: at these sizes several lose several times over as soon as anything
    else runs.

    Raises:
        DataError: There is no read-out, or its rows are not the target's.
    """
    if not readouts:
        raise DataError(f"{backbone} gave no features.")
    best: tuple[str, Space, Probe] | None = None
    probes: dict[str, Probe] = {}
    with one_thread():
        for name, features in readouts.items():
            space = _space(backbone, name, features, target)
            probes[name] = ridge(space, target)
            if best is None or probes[name].loss < best[2].loss:
                best = name, space, probes[name]
        assert best is not None
        name, space, _ = best
        near = nearest(space, target)
        scores = _untrained(space, target, derive(seed, "scout", backbone))
    wins = {"ridge": chosen_wins(list(probes.values()), seed), "nearest": near.wins}
    scores |= {probe: value(its, target) for probe, its in wins.items()}
    losses = {key: probe.loss for key, probe in probes.items()}
    return Examined(backbone, name, scores, _shares(scores, target), wins, losses)


def _space(backbone: str, readout: str, features: NDArray[Any], target: Target) -> Space:
    if len(features) != len(target):
        raise DataError(
            f"{backbone} gave {len(features)} rows of {readout}, asked for {len(target)}."
        )
    return reduce(features)


def chosen_wins(probes: Sequence[Probe], seed: int) -> NDArray[np.float64]:
    """For each row, the wins of the probe whose loss is least on the rows outside its tenth, shape
    (rows,).

    Source: Varma & Simon, "Bias in error estimation when using cross-validation for model
    selection", BMC Bioinformatics 2006.
    """
    losses = np.stack([probe.losses for probe in probes])
    wins = np.stack([probe.wins for probe in probes])
    rows = losses.shape[1]
    fold = generator(seed, "scout", "tenths").permutation(rows) % FOLDS
    inside = np.eye(FOLDS)[fold]
    outside = losses.sum(axis=1, keepdims=True) - losses @ inside
    return np.asarray(wins[outside.argmin(axis=0)[fold], np.arange(rows)])


def _untrained(space: Space, target: Target, seed: int) -> dict[str, float]:
    scores = {"logme": logme(space, target)}
    if target.codes is not None:
        scores["h_score"] = h_score(space, target.codes)
        scores["n_leep"] = n_leep(space, target.codes, seed=seed)
    return scores


def _shares(scores: Mapping[str, float], target: Target) -> dict[str, float]:
    """Each score mapped to [0, 1], where 0 tells nothing and 1 all, each by its own nature: the
    variance that the evidence explains, the H-score's share of its bound, the geometric mean
    probability of the right class."""
    gain = scores["logme"] - logme_of_nothing(target)
    shares = {"nearest": scores["nearest"], "logme": 1 - math.exp(-2 * max(gain, 0.0))}
    if target.codes is not None:
        shares["h_score"] = scores["h_score"] / max(1, target.columns.shape[1] - 1)
        shares["n_leep"] = math.exp(scores["n_leep"])
    clipped = {name: float(np.clip(share, 0.0, 1.0)) for name, share in shares.items()}
    return {"ridge": scores["ridge"]} | clipped


def rank(
    readings: Sequence[Reading],
    truth: NDArray[Any],
    *,
    quality: Mapping[str, float],
    seed: int = 0,
    weights: Weights = WEIGHTS,
    level: float = LEVEL,
) -> Ranking:
    """Rank backbones by readings of the same rows, whose truth (class codes or numbers) is given.

    `quality` is what is known of each beforehand.

    Raises:
        DataError: There are too few rows, or features do not fit them.
    """
    target = aim(truth)
    backbones: dict[str, dict[str, NDArray[Any]]] = {}
    for reading in readings:
        backbones.setdefault(reading.backbone, {})[reading.readout] = reading.features
    examined = [examine(name, its, target, seed=seed) for name, its in backbones.items()]
    known = known_qualities(list(backbones), quality)
    return compare(examined, target, known=known, seed=seed, weights=weights, level=level)


def known_qualities(names: Sequence[str], quality: Mapping[str, float]) -> dict[str, float]:
    """How far above the median of the candidates each is known to be, by 0.2 at most; 0 where
    nothing is known."""
    known = [quality[n] for n in names if math.isfinite(quality.get(n, math.nan))]
    if not known:
        return dict.fromkeys(names, 0.0)
    middle = float(np.median(known))
    found = {}
    for name in names:
        value = quality.get(name, math.nan)
        above = value - middle if math.isfinite(value) else 0.0
        found[name] = min(MOST_KNOWN, max(-MOST_KNOWN, above))
    return found


def compare(
    examined: Sequence[Examined],
    target: Target,
    *,
    known: Mapping[str, float],
    seed: int = 0,
    weights: Weights = WEIGHTS,
    level: float = LEVEL,
) -> Ranking:
    """Combined scores and a paired bootstrap over rows: every candidate meets the same resamples.

    `known` is each one's quality beforehand, over the median. The resamples redraw what the two
    probes said of each row; probes are not refitted and the other scores stay. A resample is
    smoothed by the weight of one row: where no row tells two apart, the next one still may. Two are
    tied where the interval of their difference covers zero, or would without the part of which the
    resamples know no doubt: what is known beforehand, and the scores that train nothing.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16;
    Silverman & Young, "The bootstrap: to smooth or not to smooth?", Biometrika 1987.
    """
    rows = len(target)
    if not examined:
        return Ranking(target.metric, rows, level, (), np.zeros((0, 0)), np.zeros((0, 0, 2)))
    values, doubted = _combined(examined, rows, known, weights)
    drawn = values[:, None] + _deviations(examined, target, seed, weights)
    best_first = np.argsort(-values, kind="stable")
    values, drawn = values[best_first], drawn[best_first]
    sure = (values - doubted[best_first])[0] - (values - doubted[best_first])
    tail = [(1 - level) / 2, (1 + level) / 2]
    apart = drawn[:, None] - drawn[None]
    gaps = np.moveaxis(np.quantile(apart, tail, axis=2), 0, 2)
    better = (apart > 0).mean(axis=2) + (apart == 0).mean(axis=2) / 2
    ends = np.quantile(drawn, tail, axis=1).T
    standings = tuple(
        _standing(examined[number], values[i], ends[i], known, gaps[0, i, 0] <= max(0.0, sure[i]))
        for i, number in enumerate(best_first)
    )
    return Ranking(target.metric, rows, level, standings, better, gaps)


def _combined(
    examined: Sequence[Examined], rows: int, known: Mapping[str, float], weights: Weights
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Combined scores, and the part of them that the probes make, shape (candidates,) each."""
    values, doubted = [], []
    for one, scores in zip(examined, levelled(examined), strict=True):
        values.append(combine(scores, known.get(one.backbone, 0.0), rows, weights=weights))
        share = _portions(scores, weights)
        doubted.append(sum(share[name] * scores[name] for name in one.wins))
    return np.array(values), np.array(doubted)


def _portions(scores: Mapping[str, float], weights: Weights) -> dict[str, float]:
    """What each score counts in the combined one, adding up to 1."""
    counts = {name: float(getattr(weights, name)) for name in scores}
    return {name: count / sum(counts.values()) for name, count in counts.items()}


def levelled(examined: Sequence[Examined]) -> list[dict[str, float]]:
    """The shares of each candidate, shifted so that each score's mean over the candidates is that
    of the ridge probe: the combined score keeps the metric's level, and a further candidate moves
    all alike. They are not divided by their spread: of two alike, neither would be far ahead."""
    mean = {
        name: float(np.mean([one.shares[name] for one in examined])) for name in examined[0].shares
    }
    return [
        {name: share - mean[name] + mean["ridge"] for name, share in one.shares.items()}
        for one in examined
    ]


def _deviations(
    examined: Sequence[Examined], target: Target, seed: int, weights: Weights
) -> NDArray[np.float64]:
    """How far each resample moves each combined score, shape (candidates, resamples)."""
    rows = len(target)
    dice = generator(seed, "scout", "rows")
    counts = np.stack(
        [np.bincount(dice.integers(0, rows, rows), minlength=rows) for _ in range(RESAMPLES)]
    ).astype(np.float32)
    found = []
    for one in examined:
        share = _portions(one.shares, weights)
        moved = generator(seed, "scout", "jitter", one.backbone).normal(0, 1 / rows, RESAMPLES)
        for name, wins in one.wins.items():
            moved += share[name] * (_redrawn(counts, wins, target) - one.scores[name])
        found.append(moved)
    return np.array(found)


def _redrawn(
    counts: NDArray[np.float32], wins: NDArray[np.float64], target: Target
) -> NDArray[np.float64]:
    """The probe's metric on each resample, shape (resamples,)."""
    rows = len(target)
    mean = np.asarray(counts @ wins.astype(np.float32), dtype=np.float64) / rows
    if target.codes is not None or not target.columns.any():
        return mean if target.codes is not None else np.zeros(len(counts))
    numbers = target.columns[:, 0]
    spread = counts @ numbers**2 / rows - (counts @ numbers / rows) ** 2
    return np.asarray(1 - mean / np.maximum(spread, 1e-3))


def _standing(
    one: Examined,
    value: float,
    ends: NDArray[np.float64],
    known: Mapping[str, float],
    tied: np.bool_,
) -> Standing:
    """Neither metric can exceed 1; the interval holds the score."""
    low, high = min(float(ends[0]), value), max(float(ends[1]), value)
    return Standing(
        one.backbone,
        one.readout,
        min(float(value), 1.0),
        min(low, 1.0),
        min(high, 1.0),
        dict(one.scores),
        known.get(one.backbone, 0.0),
        bool(tied),
    )
