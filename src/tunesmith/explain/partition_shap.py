"""Shapley values by halving."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Credits, Explainer, Game
from tunesmith.explain._shap import answers, drawn_by, library, no_row, of_one, one_row
from tunesmith.explain._shelf import explainers

EACH = 6
"""Evaluations for each piece by default."""
Tree = int | tuple["Tree", "Tree"]


@explainers.add("partition-shap")
class PartitionShap(Explainer):
    """Share the answer out between columns, then within a text between its halves and theirs,
    within a picture between its parts: Owen values, by far fewer evaluations than there are
    coalitions. Where these are too few, the words of a part share its credit alike.

    Source: Owen, "Values of Games with a Priori Unions", 1977; the package shap.
    """

    is_additive = True
    extra = "shap"

    def suits(self, game: Game) -> str:
        return ""

    def evaluations(self, game: Game) -> int:
        return EACH * len(game.pieces) + 2

    def least(self, game: Game) -> int:
        return min(self.evaluations(game), 16)

    def explain(self, game: Game, *, seed: int, clock: Clock, evaluations: int) -> Credits:
        if len(game.pieces) == 1:
            return of_one(game)
        shap, most = library(), max(evaluations, self.least(game))
        masker = shap.maskers.Partition(no_row(game), clustering=linkage(halves(game)))
        with drawn_by(seed):
            explain = shap.explainers.Partition(answers(game, clock), masker)
            found = explain(one_row(game), max_evals=most, silent=True)
        return Credits(np.asarray(found.values[0], float), float(np.ravel(found.base_values)[0]))


def halves(game: Game) -> Tree:
    """The pieces as a tree: columns first, then the halves of each cell."""
    columns: dict[str, list[int]] = {}
    for number, piece in enumerate(game.pieces):
        columns.setdefault(piece.column, []).append(number)
    trees = [
        _of_picture(game, at) if game.pieces[at[0]].kind == "image" else _halved(at)
        for at in columns.values()
    ]
    return _halved(trees)


def _halved(parts: Sequence[Tree]) -> Tree:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return _halved(parts[:middle]), _halved(parts[middle:])


def _of_picture(game: Game, at: Sequence[int]) -> Tree:
    """Rectangles or superpixels, halved across the longer side of what they cover."""
    if len(at) == 1:
        return at[0]
    places = np.array([game.pieces[n].place for n in at])
    spans = places[:, 2:].max(axis=0) - places[:, :2].min(axis=0)
    along = int(spans.argmax())
    order = [at[n] for n in np.argsort(places[:, along] + places[:, along + 2], kind="stable")]
    middle = len(order) // 2
    return _of_picture(game, order[:middle]), _of_picture(game, order[middle:])


def linkage(tree: Tree) -> NDArray[np.float64]:
    """A tree over pieces 0 to n - 1 as scipy writes it: a row for each inner node, of its two
    children, its height and its number of pieces."""
    rows: list[tuple[float, float, float, float]] = []
    count = _size(tree)

    def walk(node: Tree) -> tuple[int, int, float]:
        if isinstance(node, int):
            return node, 1, 0.0
        (left, some, low), (right, more, high) = walk(node[0]), walk(node[1])
        height = max(low, high) + 1
        rows.append((left, right, height, some + more))
        return count + len(rows) - 1, some + more, height

    walk(tree)
    return np.array(rows, dtype=np.float64)


def _size(tree: Tree) -> int:
    return 1 if isinstance(tree, int) else _size(tree[0]) + _size(tree[1])
