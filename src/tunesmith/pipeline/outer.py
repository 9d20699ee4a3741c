"""What the runs of the outer folds answered, pooled: the final number of nested validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.predictions import HALF, ClassScores, Labels, Prediction
from tunesmith.core.records import Part, Problem, Rows, Score
from tunesmith.core.runfolder import RunFolder, read_json, write_bytes
from tunesmith.evaluate.nested import widened
from tunesmith.evaluate.out_of_fold import out_of_fold
from tunesmith.metrics import get
from tunesmith.pipeline.blend import Proof

ANSWERS = "test.safetensors"


@dataclass(frozen=True)
class Fold:
    """An outer fold that was answered: its number, its test rows in their order, the answers before
    and after what comes after the members' mean, and the summary of its run."""

    number: int
    rows: Rows
    leaked: Rows
    plain: Prediction
    answers: Prediction
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Outer:
    """The answers of all outer folds, in the order of the rows, which are the test part of
    `problem`. Each row was answered by a run that had not seen it. `places` say in which fold,
    shape (rows,); `count` folds were asked for."""

    problem: Problem
    plain: Prediction
    answers: Prediction
    places: NDArray[np.int64]
    leaked: Rows
    folds: tuple[Fold, ...]
    count: int
    is_interrupted: bool = False

    @property
    def model_is(self) -> str:
        """What the model that is handed over is, against what was scored."""
        where = "all rows" if self.problem.folds else "the rows that do not select"
        return f"fitted to {where} as the runs that were scored were to those of their folds"

    def proof(self, proof: Proof) -> Proof:
        """The proof with intervals that know of the folds."""
        truth, weights = self.problem.truth("test"), self.problem.weight("test")
        wide = {}
        for name, score in proof.scores.items():
            apart = out_of_fold(score, truth, self.answers, weights)
            wide[name] = widened(apart, self._each(name))[0]
        clean = proof.without_leaks
        if clean is not None:
            rows = np.flatnonzero(~np.isin(self.problem.parts["test"], self.leaked))
            counted = None if weights is None else weights[rows]
            clean = out_of_fold(clean, truth[rows], self.answers.take(rows), counted)
        return replace(proof, scores=wide, without_leaks=clean)

    def facts(self, final: Score) -> dict[str, Any]:
        """For the summary: each fold, and the score beside what selection saw inside the folds."""
        each = self._each(final.metric)
        folds = [_told(fold, value) for fold, value in zip(self.folds, each, strict=True)]
        known = [value for value in each if np.isfinite(value)]
        sizes = np.array([len(fold.rows) for fold in self.folds], dtype=np.float64)
        inner = float(np.average([one["validation"] for one in folds], weights=sizes))
        found = {
            "asked": self.count,
            "folds": folds,
            "spread": float(np.std(known, ddof=1)) if len(known) > 1 else None,
            "inner": inner,
        }
        message = (
            f"nested: {len(folds)} of {self.count} outer folds answered {final.rows:,} rows by "
            f"runs that had not seen them: {final.metric} {final}; the validation rows inside, "
            f"which chose the models, said {inner:.4f} ({inner - final.value:+.4f})"
        )
        return {"nested": {**found, "message": message}, "score_is": SCORE_IS}

    def _each(self, metric: str) -> list[float]:
        """The score of each fold by itself."""
        truth, weights, rule = self.problem.truth("test"), self.problem.weight("test"), get(metric)
        found = []
        for fold in self.folds:
            inside = np.flatnonzero(self.places == fold.number)
            own = None if weights is None else weights[inside]
            found.append(float(rule.score(truth[inside], self.answers.take(inside), own)))
        return found


SCORE_IS = "nested: every row was answered by a whole run that had not seen it"


def _told(fold: Fold, value: float) -> dict[str, Any]:
    best = fold.summary["best"]
    return {
        "fold": fold.number,
        "rows": len(fold.rows),
        "score": value,
        "validation": fold.summary["validation"]["score"],
        "learner": best["learner"],
        "trials": fold.summary["trials"],
    }


def pooled(
    problem: Problem, folds: Sequence[Fold], count: int, *, is_interrupted: bool = False
) -> Outer:
    """The answers of the folds as those of one test part."""
    rows = np.concatenate([fold.rows for fold in folds])
    order = np.argsort(rows)
    places = np.repeat([fold.number for fold in folds], [len(fold.rows) for fold in folds])[order]
    parts: dict[Part, Rows] = {**problem.parts, "test": rows[order]}
    whole = replace(problem, parts=parts)
    leaked = np.unique(np.concatenate([fold.leaked for fold in folds]))
    plain = _joined([fold.plain for fold in folds]).take(order)
    answers = _joined([fold.answers for fold in folds]).take(order)
    return Outer(
        whole,
        whole.priced("test", plain),
        whole.priced("test", answers),
        places,
        leaked,
        tuple(folds),
        count,
        is_interrupted,
    )


def _joined(parts: Sequence[Prediction]) -> Prediction:
    """One below the other; where any has decision weights, or thresholds of labels, each row has
    those of its model."""
    array = np.concatenate([part.array() for part in parts])
    first = parts[0]
    if isinstance(first, Labels):
        return replace(first, probabilities=array, thresholds=np.concatenate(_thresholds(parts)))
    if not isinstance(first, ClassScores):
        return first.with_array(array)
    weights = None
    if any(isinstance(part, ClassScores) and part.weights is not None for part in parts):
        weights = np.concatenate([_weights(part) for part in parts])
    return ClassScores(first.classes, array, weights=weights)


def _weights(part: Prediction) -> NDArray[np.float64]:
    own = part.weights if isinstance(part, ClassScores) else None
    return np.broadcast_to(1.0 if own is None else np.asarray(own), part.array().shape)


def _thresholds(parts: Sequence[Prediction]) -> list[NDArray[np.float64]]:
    """Of each row, shape (rows, labels) each."""
    found = [(part, part.thresholds) for part in parts if isinstance(part, Labels)]
    return [
        np.broadcast_to(HALF if own is None else np.asarray(own), part.array().shape)
        for part, own in found
    ]


def write_answers(folder: RunFolder, plain: Prediction, answers: Prediction) -> None:
    """Write down what a run answered for its test rows."""
    from safetensors.numpy import save

    arrays = {"plain": plain.array(), "answers": answers.array()}
    if isinstance(answers, ClassScores) and answers.weights is not None:
        arrays["weights"] = np.asarray(answers.weights, dtype=np.float64)
    if isinstance(answers, Labels) and answers.thresholds is not None:
        arrays["thresholds"] = np.asarray(answers.thresholds, dtype=np.float64)
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_bytes(folder.path / ANSWERS, save(whole))


def read_fold(folder: RunFolder, problem: Problem, number: int) -> Fold:
    """What the run of an outer fold answered for its test rows.

    Raises:
        DataError: It cannot be understood.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = folder.path / ANSWERS
    try:
        arrays = load(file.read_bytes())
        plain, answers = (problem.answer(arrays[name]) for name in ("plain", "answers"))
    except (OSError, SafetensorError, KeyError) as error:
        raise DataError(
            f"{file} cannot be understood: {error}. Remove {folder.path}, and that outer fold is "
            "run again."
        ) from error
    if isinstance(answers, ClassScores) and "weights" in arrays:
        answers = replace(answers, weights=tuple(map(float, arrays["weights"])))
    if isinstance(answers, Labels) and "thresholds" in arrays:
        answers = replace(answers, thresholds=tuple(map(float, arrays["thresholds"])))
    rows, summary = problem.parts["test"], read_json(folder.path / "summary.json")
    return Fold(number, rows, np.intersect1d(problem.leaked, rows), plain, answers, summary)
