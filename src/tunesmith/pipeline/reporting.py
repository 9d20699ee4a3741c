"""The facts of a report, gathered from a run folder or a saved model; nothing is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.core.costs import Costs
from tunesmith.core.errors import TunesmithError
from tunesmith.core.predictions import Prediction, mix
from tunesmith.core.runfolder import RunFolder, read_json
from tunesmith.pipeline import architectures
from tunesmith.pipeline.after import After
from tunesmith.pipeline.recorded import RESULT, answers_of
from tunesmith.pipeline.reframed import reframed
from tunesmith.pipeline.request import Request
from tunesmith.pipeline.tested import read_tested
from tunesmith.pipeline.validation import Validation
from tunesmith.report.facts import Answered, Facts
from tunesmith.report.history import history

OTHERS = ("suspects", "ablation")
VALIDATED = "validation rows"
ALONE = (
    "A saved model alone tells no answers of its fit. Labelled rows do: --data FILE (data=), or "
    "the report of the whole run folder."
)
SCORED = {"nested": "rows of outer folds", "repeated folds": "rows of repeated folds"}
"""What rows are that were scored in place of a test part, by how the score is said to be."""


def facts_of(folder: Path, place: Path) -> Facts:
    """What a run folder tells, whose model lies in `place`; or a saved model, where they are one.

    Raises:
        DataError: A file of it cannot be read.
    """
    model, metrics = read_json(place / "predictor.json"), read_json(place / "metrics.json")
    summary = _json(folder / "summary.json") if place != folder else {}
    alone = Facts(folder, summary or _saved_with(model), model, metrics)
    alone = replace(alone, architecture=architectures.read(place))
    if not RunFolder(folder).is_one():
        return replace(alone, untold=ALONE)
    found = replace(
        alone,
        problem=_json(folder / "problem.json"),
        request=_json(folder / "request.json"),
        others={name: _json(folder / f"{name}.json") for name in OTHERS},
        history=history(folder),
        tested=_tested(alone),
        architecture_course=_course(alone),
    )
    try:
        return replace(found, validated=_validated(found))
    except TunesmithError as error:
        why = "Right and wrong answers cannot be told, as the labels of the validation rows are not"
        return replace(found, untold=f"{why} at hand: {error}")


def _saved_with(model: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the fit that were saved with a model."""
    return {**model["facts"], "reasons": model["reasons"]}


def _tested(facts: Facts) -> Answered | None:
    found = read_tested(facts.folder, facts.classes, several=facts.has_several)
    kind = str(facts.summary.get("score_is", "")).partition(":")[0]
    return found and replace(found, of=SCORED.get(kind, found.of))


def _course(facts: Facts) -> tuple[Mapping[str, Any], ...]:
    """How the search of the architecture weighed its options, of the trial that counts most among
    those that tell it."""
    members = sorted(facts.model.get("members") or [], key=lambda one: -float(one["weight"]))
    for one in members:
        told = _json(RunFolder(facts.folder).trial(one["trial"]) / RESULT).get("exact", {})
        if course := told.get("architecture_course"):
            return tuple(course)
    return ()


def _json(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _validated(facts: Facts) -> Answered | None:
    """The rows that select, as the members of the model answered them together.

    Raises:
        TunesmithError: They cannot be had, as the data is not where it was.
    """
    mixed = _mixed(facts)
    if mixed is None:
        return None
    after = After.from_json(facts.model.get("after"))
    costs = Costs.restore(facts.model.get("costs"))
    known = Validation.read(facts.folder, metric=facts.metric, classes=facts.classes, costs=costs)
    if known is not None:
        answers = after.apply(known.answered(mixed))
        return Answered(VALIDATED, known.truth, answers, known.weights)
    # The run did not come to where it writes down what its validation rows say.
    request = Request.read(facts.folder)
    problem = reframed(
        facts.folder, request, None, call="report", purpose="what validation rows tell"
    )
    answers = problem.priced("valid", after.apply(mixed))
    return Answered(VALIDATED, problem.truth("valid"), answers, problem.weight("valid"))


def _mixed(facts: Facts) -> Prediction | None:
    """The weighted mean of what the members answered for the whole valid part; None where one left
    no answers, as of few examples of which none is left to answer."""
    members = facts.model.get("members") or []
    found = [
        answers_of(
            RunFolder(facts.folder).trial(one["trial"]), facts.classes, several=facts.has_several
        )
        for one in members
    ]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    return mix(known, [float(one["weight"]) for one in members])
