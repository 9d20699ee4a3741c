"""Why a model answers as it does: rows explained, by the method whose word tests best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError, DataError, did_you_mean
from tunesmith.core.explaining import Cut
from tunesmith.core.explanations import RowExplanation, Sanity
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.records import Dataset
from tunesmith.explain import explainers, superpixels
from tunesmith.explain.choosing import (
    AUTO,
    Chosen,
    Tried,
    deepened,
    explained,
    names_for,
    preferred,
    rivals,
)
from tunesmith.explain.faithfulness import of_many, of_one
from tunesmith.explain.game import RowGame
from tunesmith.explain.randomised import NOTHING_LEARNED, checked
from tunesmith.pipeline.artifact import Model
from tunesmith.predictor.fit import Fit
from tunesmith.predictor.labels import natural
from tunesmith.predictor.rows import rows_of
from tunesmith.report.explanation import Explanation

SECONDS = {"text": 3.0, "image": 5.0}
CELL_SECONDS = 0.3
"""For a row, by default: of texts, of pictures, of other columns."""
LAST_SHARE = 0.2
"""Of this time, what is left for a question that was begun before it was over, and for the end."""
CHOOSING_ROWS = 3
"""Of several rows, on so many of which the method is chosen for all."""
CHOOSING_SHARE = 0.3
"""Of the time for all rows, what these may take where that is more than theirs, so that methods are
compared by what they say when one has a row's time for itself."""
RACING_ROWS = 8
"""On so many at most, where some methods cannot be told apart by fewer."""
SPARE = 1.2
"""Times what a method took, that the check of it may take."""
CHECKED_SHARE = 0.2
"""Of the time for a row, what is kept for the check where there is one row, at least."""

CUTS: tuple[Cut, ...] = get_args(Cut)
BY_SUPERPIXELS = ("lime", "occlusion")
"""Whose order of pieces tests as well or better by superpixels than by a grid; halving does not."""


class Explaining(Fit):
    """What a model tells of its reasons."""

    def explain(
        self,
        data: Any,
        method: str = AUTO,
        *,
        output: str | None = None,
        background: Any = None,
        seconds: float | None = None,
        only: Sequence[int] = (),
        most_rows: int | None = None,
        pieces: str = AUTO,
        seed: int = 0,
    ) -> Explanation:
        """Credit for each word, part of a picture and cell of some rows: why they were answered so.

        Args:
            data: Rows as `predict` takes them.
            method: A name on the shelf of explainers; `shap` for the kind of it that suits the
                row; `auto` tries several on the first rows and takes the one whose order of pieces
                changes the answer soonest.
            output: The class or label to explain, in place of what was answered.
            background: Rows whose cells stand for one that is not there, as `predict` takes them;
                by default typical cells of the training rows, saved with the model.
            seconds: For each row: 3 where there are texts, 5 with pictures, else 0.3.
            only: Places of the rows that are explained, counted from 0; all by default.
            most_rows: Where no places are given, at most so many rows, the first.
            pieces: How pictures are cut: `superpixels`, parts that follow the edges of what is
                shown; `grid`, 7 by 7 rectangles of one size; `auto` takes superpixels with the
                methods that they were found to serve, where scikit-image is installed.
            seed: Of what is drawn at random.

        Raises:
            ConfigError: There is no such method, way to cut or class, or the method cannot explain
                these rows.
            MissingExtra: Superpixels are asked for, and scikit-image is not installed.
            DataError: There is no row, or none at one of the places.
        """
        if most_rows is not None and most_rows < 1:
            raise ConfigError(f"{most_rows} rows cannot be explained: ask for 1 or more.")
        rows = rows_of(self.model, data)
        places = [*(only or range(len(rows))[:most_rows])]
        gone = [place for place in places if not 0 <= place < len(rows)]
        if gone or not places:
            which = f"none at place {gone[0]}, counted from 0" if gone else "none to explain"
            raise DataError(f"{rows.source} has {len(rows):,} rows: there is {which}.")
        rows = rows.take(np.array(places))
        if seconds is not None and not seconds > 0:
            raise BudgetError(f"An explanation needs time, not {seconds:g} seconds for a row.")
        typical = None if background is None else rows_of(self.model, background)
        return explain_rows(
            self.model,
            rows,
            method,
            places=places,
            output=output,
            background=typical,
            seconds=seconds,
            pieces=pieces,
            seed=seed,
        )


def explain_rows(
    model: Model,
    rows: Dataset,
    method: str = AUTO,
    *,
    places: Sequence[int],
    output: str | None = None,
    background: Dataset | None = None,
    seconds: float | None = None,
    pieces: str = AUTO,
    seed: int = 0,
) -> Explanation:
    """Rows explained as by `Explaining.explain`, known by their `places`."""
    cut = _cut(pieces, method)
    typical = model.background if background is None else background
    assert typical is not None  # every model that was opened has it
    limit = seconds or _usual_seconds(rows)
    clock = Clock((1 - LAST_SHARE) * limit * len(rows))
    found = model.decide(rows, model.predict(rows))
    codes = _outputs(model, found, output)
    games = [
        RowGame(model, rows.take(np.array([place])), typical, int(code), cut)
        for place, code in enumerate(codes)
    ]
    has_learned = any(fitted.redrawn(seed) is not None for fitted, _ in model.members)
    kept = has_learned * limit * (CHECKED_SHARE if len(games) == 1 else 2 * CHECKED_SHARE)
    chosen = _explained(games, method, seed, limit, clock.until(kept))
    answers = natural(found.decode(), model.classes)
    told = [
        _told(model, places[n], game, one, answers[n])
        for n, (game, one) in enumerate(zip(games, chosen, strict=True))
    ]
    check: Sanity | str = NOTHING_LEARNED
    if has_learned:
        check = _checked(games[0], chosen[0].best, seed, clock)
    gains = np.array([one.gain for one in told])
    overall = of_many(gains, seed) if len(told) > 1 else told[0].faithfulness
    if isinstance(check, Sanity):
        return Explanation(tuple(told), overall, check)
    return Explanation(tuple(told), overall, unchecked=check)


def _cut(pieces: str, method: str) -> Cut:
    """How pictures are cut for a method where that is asked for.

    Raises:
        ConfigError: There is no such way.
    """
    if pieces == AUTO:
        serves = method in BY_SUPERPIXELS and superpixels.is_there()
        return "superpixels" if serves else "grid"
    for cut in CUTS:
        if pieces == cut:
            return cut
    raise ConfigError(
        f"A picture cannot be cut into {pieces!r}.{did_you_mean(pieces, (AUTO, *CUTS))}"
    )


def _usual_seconds(rows: Dataset) -> float:
    kinds = {column.kind for column in rows.columns}
    return max([CELL_SECONDS, *(SECONDS[kind] for kind in kinds & set(SECONDS))])


def _outputs(model: Model, found: Prediction, output: str | None) -> NDArray[np.int64]:
    """Which of the answer's numbers is explained of each row."""
    if not isinstance(found, ClassScores | Labels):
        if output is not None:
            raise ConfigError(
                f"This model answers with numbers: there is no class {output!r} to explain."
            )
        return np.zeros(len(found), dtype=np.int64)
    if output is not None:
        if output not in model.classes:
            raise ConfigError(
                f"There is no class {output!r} to explain.{did_you_mean(output, model.classes)}"
            )
        return np.full(len(found), model.classes.index(output), dtype=np.int64)
    if isinstance(found, Labels):
        return np.asarray(found.probabilities.argmax(axis=1), dtype=np.int64)
    return found.codes()


def _explained(
    games: Sequence[RowGame], method: str, seed: int, seconds: float, clock: Clock
) -> list[Chosen]:
    """Each row by the one method that does best on the first of them, where there are several.
    These shared their time among methods: what the other rows leave of all goes to them."""

    def of(game: RowGame, names: Sequence[str], most: float = seconds) -> Chosen:
        return explained(game, names, seed=seed, clock=Clock(most))

    most = max(seconds, CHOOSING_SHARE * clock.limit_seconds / CHOOSING_ROWS)
    found = []
    for place, game in enumerate(first := games[:CHOOSING_ROWS]):
        share = clock.left() / (len(first) - place)
        found.append(of(game, names_for(method, game), min(most, share)))
    if len(games) == 1:
        return found
    left = _told_of_all(found)
    if not left:  # each row has a method of its own, such as those without a picture
        return found + [of(game, names_for(method, game)) for game in games[CHOOSING_ROWS:]]
    while len(found) < min(RACING_ROWS, len(games)):
        near = rivals([[one.gain for one in rows] for rows in left.values()])
        if len(near) <= 1:  # told apart, or nothing can be
            break
        names = [name for place, name in enumerate(left) if place in near]
        more = [*found, of(games[len(found)], names)]
        told = _told_of_all(more)
        if not told:  # none of them had its turn for this row too
            break
        found, left = more, told
    best = list(left)[preferred(list(left.values()))]
    rest = []
    for place in range(len(found), len(games)):
        share = clock.left() / (len(games) - place)
        rest.append(of(games[place], (best,), min(seconds, max(share, seconds / 2))))
    kept = [
        deepened(game, _by(chosen, best), seed=seed, clock=Clock(min(seconds, clock.left())))
        for game, chosen in zip(games, found, strict=False)
    ]
    return kept + rest


def _told_of_all(found: Sequence[Chosen]) -> dict[str, list[Tried]]:
    """What each method that came to its turn for all of some rows said of them."""
    each: dict[str, list[Tried]] = {}
    for chosen in found:
        for one in chosen.tried:
            each.setdefault(one.method, []).append(one)
    return {name: told for name, told in each.items() if len(told) == len(found)}


def _checked(game: RowGame, best: Tried, seed: int, clock: Clock) -> Sanity | str:
    """The check by redrawn weights, of one row, by as many evaluations as there is time for; why
    there is none, where there is none."""
    late, share = "there was no time left for it", clock.left() / (SPARE * best.seconds)
    evaluations = int(best.evaluations * min(1.0, share))
    if evaluations < explainers[best.method].least(game):
        return late
    try:
        return checked(
            game,
            best.method,
            best.credits,
            seed=seed,
            clock=Clock(clock.left()),
            evaluations=evaluations,
        )
    except BudgetError:
        return late


def _by(chosen: Chosen, method: str) -> Chosen:
    best = next(one for one in chosen.tried if one.method == method)
    return Chosen(best, chosen.tried, chosen.refused, chosen.random)


def _told(model: Model, place: int, game: RowGame, chosen: Chosen, answer: Any) -> RowExplanation:
    best: Tried = chosen.best
    tried: dict[str, float | str] = {one.method: one.gain for one in chosen.tried}
    return RowExplanation(
        row=place,
        answer=str(answer),
        output=model.classes[game.output] if model.classes else "",
        value=game.answer(),
        base=best.credits.base,
        method=best.method,
        is_additive=explainers[best.method].is_additive,
        pieces=game.pieces,
        credits=best.credits.credits,
        cells={name: game.row.values(name)[0] for name in game.row.names},
        gain=best.gain,
        faithfulness=of_one(best.curves, chosen.random),
        tried=tried | chosen.refused,
        seconds=sum(one.seconds for one in chosen.tried),
        evaluations=game.asked,
        change=best.credits.change,
    )
