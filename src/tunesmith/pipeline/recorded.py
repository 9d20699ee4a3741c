"""What a run folder holds of the trials so far: written when each has ended, read to go on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.core.events import Event, read_journal
from tunesmith.core.predictions import Prediction, prediction_of
from tunesmith.core.records import Candidate, Problem, Result, Score, Trial
from tunesmith.core.runfolder import RunFolder, is_full, read_json, write_bytes, write_json
from tunesmith.core.seeds import derive
from tunesmith.learners import learners
from tunesmith.pipeline.labelling import compared
from tunesmith.pipeline.standing import facts

RESULT = "result.json"
ANSWERS = "predictions.safetensors"


@dataclass(frozen=True)
class Recorded:
    """The past of a run: results by the number of the trial and its leg, in order; and what was
    decided of the candidates, by their place (None: left out)."""

    results: Mapping[tuple[int, int], Result] = field(default_factory=dict)
    decisions: Mapping[int, Candidate | None] = field(default_factory=dict)
    under_way: tuple[Trial, ...] = ()
    """The trials that had begun and not ended when the run was cut short."""

    @property
    def trials(self) -> list[Trial]:
        """Every leg of a trial that had begun, in order."""
        return [*(result.trial for result in self.results.values()), *self.under_way]

    @property
    def count(self) -> int:
        """How many trials have ended, but for those that are made of others."""
        every = (result.trial for result in self.results.values())
        made = {name for name in learners if not learners[name].is_proposed}
        return len({one.number for one in every if one.learner not in made})

    def known(self, trial: Trial) -> Result | None:
        """What came of just this trial before; None where it has not ended."""
        found = self.results.get((trial.number, trial.leg))
        if found is None or found.trial.learner != trial.learner:
            return None
        return found if found.trial.config == trial.config else None

    def goes_on(self, trial: Trial) -> bool:
        """Whether it was taken up again after this leg."""
        return (trial.number, trial.leg + 1) in self.results


NOTHING = Recorded()


def write_result(folder: RunFolder, result: Result) -> None:
    """Write a trial down; it counts from the moment that its last file is there. What its earlier
    legs came to stays beside it."""
    place, leg = folder.trial(result.trial.number), result.trial.leg
    place.mkdir(parents=True, exist_ok=True)
    if leg and (place / RESULT).is_file():
        (place / RESULT).replace(place / f"result-{leg - 1}.json")
    write_json(place / "config.json", dict(result.trial.config))
    if result.prediction is not None:
        from safetensors.numpy import save

        write_bytes(place / ANSWERS, save({"valid": result.prediction.array()}))
    exact = {
        "trial": vars(result.trial),
        "status": result.status,
        "reason": result.reason,
        "score": None if result.score is None else vars(result.score),
        "curve": result.curve,
        "progress": result.progress,
        "fit_seconds": result.fit_seconds,
        "stored_seconds": result.stored_seconds,
        "predict_seconds": result.predict_seconds,
        "size_bytes": result.size_bytes,
        "memory_bytes": result.memory_bytes,
        "parameters": result.parameters,
        "notes": dict(result.notes),
        "architecture_course": result.architecture_course,
    }
    write_json(place / RESULT, {**facts(result), "exact": exact})
    if result.status != "stopped":
        forget_checkpoint(folder, result)


def forget_checkpoint(folder: RunFolder, result: Result) -> None:
    """A trial is not to go on any more."""
    shutil.rmtree(folder.trial(result.trial.number) / "checkpoint", ignore_errors=True)


def past(folder: RunFolder, problem: Problem) -> Recorded:
    """What a run folder tells of its trials.

    Raises:
        DataError: A file of it is broken; says which.
    """
    results: dict[tuple[int, int], Result] = {}
    for place in sorted((folder.path / "trials").glob("[0-9]*")):
        for file in (*place.glob("result-*.json"), *place.glob(RESULT)):
            result = _read_result(file, problem)
            if not (result.status == "failed" and is_full(result.reason)):
                results[result.trial.number, result.trial.leg] = result
    decisions: dict[int, Candidate | None] = {}
    begun: dict[tuple[int, int], Trial] = {}
    for event in read_journal(folder.journal) if folder.journal.is_file() else ():
        if event.kind == "candidate":
            told = event.facts["decided"]
            decisions[int(event.facts["place"])] = None if told is None else Candidate(**told)
        if event.kind == "trial":
            trial = _begun(event, problem.seed)
            begun[trial.number, trial.leg] = trial
    under_way = tuple(trial for key, trial in begun.items() if key not in results)
    return Recorded(dict(sorted(results.items())), decisions, under_way)


def has_ended(folder: RunFolder) -> bool:
    """Whether a run came to its end by itself, by its journal alone."""
    last = None
    for event in read_journal(folder.journal) if folder.journal.is_file() else ():
        last = event if event.kind in ("end", "resumed") else last
    return last is not None and last.kind == "end" and not last.facts.get("interrupted", False)


def _begun(event: Event, seed: int) -> Trial:
    facts, number = event.facts, int(event.facts["trial"])
    return Trial(
        number,
        facts["learner"],
        facts["config"],
        facts["reason"],
        derive(seed, "trial", number),
        int(facts.get("leg", 0)),
        float(facts.get("share", 1.0)),
    )


def last_second(folder: RunFolder) -> float:
    """When the last event of a run was, by its own clock."""
    if not folder.journal.is_file():
        return 0.0
    return max((event.seconds for event in read_journal(folder.journal)), default=0.0)


def _read_result(file: Path, problem: Problem) -> Result:
    place = file.parent
    try:
        told: dict[str, Any] = read_json(file)["exact"]
        score, trial = told.pop("score"), Trial(**told.pop("trial"))
        return Result(
            trial,
            score=None if score is None else _score(score),
            prediction=_read_answers(place, problem),
            curve=tuple(told.pop("curve")),
            progress=tuple(told.pop("progress")),
            architecture_course=tuple(told.pop("architecture_course", ())),
            folder=str(place / "model") if (place / "model").is_dir() else "",
            **told,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{place} cannot be understood: {type(error).__name__} {error}. It was written by "
            "another version, or changed; remove that folder and its trial is run again."
        ) from error


def answers_of(
    place: Path, classes: tuple[str, ...], *, several: bool = False
) -> Prediction | None:
    """What the trial of a folder answered for the valid rows, which have one or `several` of the
    classes; None where it answered nothing.

    Raises:
        ValueError: The file is broken.
    """
    file = place / ANSWERS
    if not file.is_file():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        array = load(file.read_bytes())["valid"]
    except SafetensorError as error:
        raise ValueError(f"{file.name}: {error}") from error
    return prediction_of(array, classes, several=several)


def _score(told: Mapping[str, Any]) -> Score:
    """A score as it was written; where there was nothing to score by, no number."""
    known: dict[str, Any] = {k: float("nan") if v is None else v for k, v in told.items()}
    return Score(**known)


def _read_answers(place: Path, problem: Problem) -> Prediction | None:
    found = answers_of(place, problem.classes, several=problem.several)
    if found is None:
        return None
    if len(found) != len(problem.parts["valid"]):
        raise ValueError(f"{ANSWERS} has {len(found)} rows, not {len(problem.parts['valid'])}")
    return compared(problem, problem.priced("valid", found))
