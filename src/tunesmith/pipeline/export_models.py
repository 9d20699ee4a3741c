"""Which models of a run are written as code, with what selection settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunesmith.core.contracts import Fitted
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import RunFolder, read_json
from tunesmith.core.space import default, to_dict
from tunesmith.export import exporters
from tunesmith.export._ensembles import Part
from tunesmith.learners import learners
from tunesmith.learners._folded import open_model, settled
from tunesmith.learners._with_embeddings import TOPICS
from tunesmith.learners.stack import Stacked
from tunesmith.pipeline import artifact

Board = Mapping[int, Mapping[str, Any]]
"""Rows of the leaderboard by their trial."""

READ_PICTURES = ("majority", "probe", "neural")


@dataclass(frozen=True)
class Chosen:
    """A model to be written: its learner, its config with what selection settled, its weight, the
    trial it came from and how long that took to fit. Of a stack learner and config are those of
    what answers over the models `below`, `with_inputs` beside their answers or without."""

    learner: str
    config: Mapping[str, Any]
    weight: float
    trial: int
    seconds: float
    below: tuple[Chosen, ...] = ()
    with_inputs: bool = False

    def every(self) -> Iterator[Chosen]:
        """It and all below."""
        yield self
        for one in self.below:
            yield from one.every()

    def told(self) -> dict[str, Any]:
        """As it stands in export.json."""
        below = {"over": [one.told() for one in self.below]} if self.below else {}
        return {
            "learner": self.learner,
            "trial": self.trial,
            "weight": self.weight,
            "config": dict(self.config),
            **below,
        }


def part(problem: Problem, chosen: Chosen) -> Part:
    """The code of a model."""
    recipe = exporters[chosen.learner].recipe(problem, chosen.config)
    below = tuple(part(problem, one) for one in chosen.below)
    return Part(recipe, chosen.trial, below, chosen.with_inputs)


def models(
    problem: Problem, run: RunFolder, best: Path, board: Sequence[Mapping[str, Any]]
) -> tuple[list[Chosen], list[dict[str, Any]]]:
    """All members of the final model where each can be written as code; else the best single model
    of the run that can. Also which members could not, and why.

    Raises:
        ConfigError: None can.
    """
    by_trial = {row["trial"]: row for row in board}
    fitted = [model for model, _ in artifact.load(best).members]
    members = [
        replace(_one(by_trial, told["trial"], model), weight=told["weight"])
        for told, model in zip(read_json(best / "predictor.json")["members"], fitted, strict=True)
    ]
    refused = [
        {"learner": m.learner, "trial": m.trial, "weight": m.weight, "reason": why}
        for m in members
        if (why := _refusal(problem, m))
    ]
    if not refused:
        return members, []
    single = sorted(
        (m for m in members if not _refusal(problem, m)), key=lambda member: -member.weight
    )
    for row in board if not single else ():
        place = run.trial(row["trial"]) / "model"
        if row["rank"] and row["learner"] in (*exporters, "stack") and place.is_dir():
            other = _one(by_trial, row["trial"], open_model(row["learner"], place))
            if not _refusal(problem, other):
                single.append(other)
                break
    if not single:
        told = "; ".join(f"{one['learner']}: {one['reason']}" for one in refused)
        raise ConfigError(f"No model of {run.path} can be written as code. {told}.")
    return [replace(single[0], weight=1.0)], refused


def _one(board: Board, trial: int, model: Fitted) -> Chosen:
    row = board[trial]
    seconds = float(row["fit_seconds"])
    if not isinstance(model, Stacked):
        config = {**row["config"], **settled(model)}
        return Chosen(row["learner"], config, 1.0, trial, seconds)
    numbers = [int(number) for number in str(row["config"]["bases"]).split(",")]
    below = tuple(
        _one(board, number, base) for number, (_, base) in zip(numbers, model.bases, strict=True)
    )
    with_inputs = bool(row["config"]["with_inputs"])
    pins = {"rising": len(below)} if with_inputs else {}
    plain = to_dict(default(learners[model.top_learner].config, pins))
    config = {**plain, **settled(model.top)}
    return Chosen(model.top_learner, config, 1.0, trial, seconds, below, with_inputs)


def _refusal(problem: Problem, one: Chosen) -> str:
    """Why a model, or one below it, cannot be written; empty where all can."""
    for below in one.below:
        if why := _refusal(problem, below):
            return f"trial {below.trial} below it ({below.learner}): {why}"
    if one.learner not in exporters:
        return f"there is no exporter for the learner {one.learner!r}"
    given = problem.data.with_columns(problem.inputs)
    pictures = given.of_kind("image")
    if pictures and one.learner not in READ_PICTURES:
        return "there is no code for pictures in it"
    if len(pictures) > 1 or (pictures and given.of_kind("text")):
        return "there is no code for pictures beside texts or other pictures"
    if one.config.get("text", TOPICS) != TOPICS:
        return "there is no code for texts that an encoder reads beside columns"
    return exporters[one.learner].refuses(problem, one.config)
