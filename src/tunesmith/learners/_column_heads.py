"""Linear heads over any of the columns of a problem, from features that are computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Problem
from tunesmith.learners._answers import answer, target_scale
from tunesmith.learners._blocks import Blocks, Reads, scales
from tunesmith.learners._fusion_course import STRENGTHS
from tunesmith.learners._regularised import best_on_path, logistic_path, ridge_path, unscaled
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.modalities.topics import Topics

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ColumnHeads:
    """The columns of the train and valid rows of a problem, and of rows that are to be answered, as
    numbers: by name three arrays of shape (rows, width)."""

    problem: Problem
    looked: Dataset
    pieces: Mapping[str, tuple[Floats, Floats, Floats]]
    clock: Clock

    @staticmethod
    def of(problem: Problem, looked: Dataset, reads: Reads, watch: Watch) -> ColumnHeads:
        """Learn from the train rows. A text is its topics, and beside them frozen features where a
        checkpoint is named; a picture that none is named for is left out.

        Raises:
            BudgetError: Reading would take too long.
        """
        given = problem.data.with_columns(problem.inputs)
        texts, pictures = given.of_kind("text"), given.of_kind("image")
        unread = {*(() if reads.text_backbone else texts)}
        unread |= {*(() if reads.picture_backbone else pictures)}
        inputs = tuple(name for name in problem.inputs if name not in unread)
        blocks = Blocks.fit(replace(problem, inputs=inputs), reads, watch, problem.seed)
        rows = (problem.part("train"), problem.part("valid"), looked)
        found = {name: [np.empty((len(r), 0), np.float32) for r in rows] for name in texts}
        for place, data in enumerate(rows):
            numbers, marks = blocks.arrays(data)
            ends = np.cumsum(blocks.widths)[:-1]
            for number, piece in enumerate(np.split(numbers, ends, axis=1)):
                own = [piece]
                if number < len(blocks.contents):
                    own.append((1 - marks[:, number : number + 1]).astype(np.float32))
                name = blocks.names[number]
                found.setdefault(name, [np.empty((0, 0), np.float32)] * len(rows))
                found[name][place] = np.concatenate(own, axis=1)
        for name in texts:
            cells = [[cell or "" for cell in data.values(name)] for data in rows]
            topics = Topics.fit(cells[0], problem.seed)
            for place, each in enumerate(cells):
                found[name][place] = np.concatenate(
                    [found[name][place], topics.transform(each)], axis=1
                )
        pieces = {name: _standardised(*found[name]) for name in problem.inputs if name in found}
        return ColumnHeads(problem, looked, pieces, watch.clock)

    def answer(self, names: Sequence[str]) -> Prediction:
        """What a head over these columns answers, its strength chosen by the valid rows; of no
        columns the majority."""
        problem = self.problem
        if not names:
            majority = learners["majority"]
            watch = Watch(self.clock, lambda score, progress: True)
            return majority.fit(problem, majority.config(), 0, watch).predict(self.looked)
        kinds = [problem.data.column(name).kind for name in names]
        scale = scales(kinds, [self.pieces[name][0].shape[1] for name in names])
        train, valid, looked = (
            np.concatenate([self.pieces[name][place] for name in names], axis=1) * scale
            for place in range(3)
        )
        mean, spread = target_scale(problem)
        truth, weights = problem.truth("train"), problem.weight("train")
        shared: dict[str, Any] = {"strengths": STRENGTHS, "clock": self.clock}
        if problem.classes:
            count = len(problem.classes)
            planes = logistic_path(
                train, truth, count, **shared, balanced=False, row_weights=weights
            )
        else:
            planes = ridge_path(train, (truth - mean) / spread, **shared, row_weights=weights)
        own = (unscaled(plane, mean, spread) for plane in planes)
        likelihood = by_likelihood(len(valid))
        rate = selection_score(problem, problem.seed, likelihood=likelihood)
        best, _ = best_on_path(own, lambda one: rate(answer(one.logits(valid), problem.classes)))
        return answer(best.logits(looked), problem.classes)


def _standardised(train: Floats, *others: Floats) -> tuple[Floats, Floats, Floats]:
    center, scale = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-4)
    first, second, third = ((rows - center) / scale for rows in (train, *others))
    return first, second, third
