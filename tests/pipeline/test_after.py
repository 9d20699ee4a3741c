"""What comes after the mean is learned from the valid rows and saved with the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import ConfigError
from tunesmith.core.predictions import ClassScores, Values
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.evaluate.calibration import Calibration, quality
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.pipeline import artifact
from tunesmith.pipeline.after import NOTHING, After, learn, told
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.validation import Validation

WARM = Calibration("temperature", (0.5, 0.5), (0.0, 0.0))


def rare(rows: int = 3000, metric: str = "f1") -> tuple[Problem, ClassScores, ClassScores]:
    """A problem of a rare class, and what a model that is too sure says of its valid and test
    rows."""
    dice = np.random.default_rng(0)
    logit = dice.normal(size=rows) * 1.5 - 1.5
    yes = dice.random(rows) < 1 / (1 + np.exp(-logit))
    cells = {
        "side": np.array(["left", "right"], dtype=object)[np.arange(rows) % 2],
        "label": np.where(yes, "yes", "no").astype(object),
    }
    columns = (Column("side", "category", ""), Column("label", "category", ""))
    data = Dataset("made up", columns, cells, np.arange(rows))
    third = rows // 3
    parts = {
        "train": np.arange(third),
        "valid": np.arange(third, 2 * third),
        "test": np.arange(2 * third, rows),
    }
    inputs, classes = ("side",), ("no", "yes")
    problem = Problem(data, "classification", "label", inputs, classes, metric, parts, 0)  # type: ignore[arg-type]
    up = 1 / (1 + np.exp(-3 * logit))
    scores = ClassScores(classes, np.stack([1 - up, up], axis=1))
    return problem, scores.take(parts["valid"]), scores.take(parts["test"])


def test_calibration_threshold_and_coverage_are_learned_and_told() -> None:
    problem, valid, test = rare()
    after = learn(Validation.of(problem), valid)
    assert after.calibration is not None
    assert after.calibration.method == "temperature"
    assert after.weights is not None
    assert after.weights[0] < 0.45
    assert set(after.reasons) == {"calibration", "threshold"}
    facts = told(problem, after, test, after.apply(test))
    assert facts["calibration"]["after"]["log_loss"] < facts["calibration"]["before"]["log_loss"]
    assert facts["calibration"]["after"]["ece"] < facts["calibration"]["before"]["ece"]
    assert facts["coverage"]["held"] == pytest.approx(0.9, abs=0.03)
    assert set(facts["coverage"]["groups"]["side"]) == {"left", "right"}
    assert set(facts["coverage"]["classes"]) == {"no", "yes"}
    json.dumps(facts, allow_nan=False)


def test_calibration_takes_no_answers_away_that_the_metric_likes() -> None:
    """Probabilities of a rare class told too high, as by a model with balanced classes: put right,
    few would be answered yes."""
    problem, valid, _ = rare(metric="balanced_accuracy")
    up = valid.array()[:, 1] / (valid.array()[:, 1] + valid.array()[:, 0] / 30)
    high = valid.with_array(np.stack([1 - up, up], axis=1))
    after = learn(Validation.of(problem), high)
    assert after.calibration is not None
    assert after.weights is not None
    truth, rule = problem.truth("valid"), get("balanced_accuracy")
    answered = after.apply(high)
    assert rule.score(truth, answered, None) >= rule.score(truth, high, None) - 0.01
    assert quality(truth, answered)["log_loss"] < quality(truth, high)["log_loss"] - 0.1


def test_it_goes_through_json() -> None:
    after = learn(Validation.of(rare()[0]), rare()[1])
    again = After.from_json(json.loads(json.dumps(after.to_json())))
    assert again == replace(after, reasons={})
    assert After.from_json(None) == NOTHING
    assert After.from_json(NOTHING.to_json()) == NOTHING


def test_rows_that_also_stand_in_train_teach_nothing() -> None:
    problem, valid, _ = rare()
    leaked = problem.parts["valid"][:200]
    array = valid.array().copy()
    array[:200] = np.eye(2)[problem.truth("valid")[:200]]  # known by heart
    sure = valid.with_array(array)
    without = Validation.of(replace(problem, leaked=leaked))
    assert learn(without, sure) == learn(without, valid)
    assert learn(Validation.of(problem), sure) != learn(Validation.of(problem), valid)


def test_of_a_few_rows_nothing_is_learned() -> None:
    problem, valid, _ = rare()
    few = replace(problem, parts={**problem.parts, "valid": problem.parts["valid"][:8]})
    after = learn(Validation.of(few), valid.take(np.arange(8)))
    assert (after.calibration, after.weights, after.conformal) == (None, None, None)
    with pytest.raises(ConfigError, match="Fit it again"):
        after.known()


def test_numbers_learn_intervals_alone() -> None:
    problem, _, _ = rare()
    dice = np.random.default_rng(0)
    cells = {**problem.data.cells, "label": dice.normal(size=len(problem.data))}
    data = replace(problem.data, cells=cells)
    numbers = replace(problem, data=data, task="regression", classes=(), metric="rmse")
    after = learn(Validation.of(numbers), Values(np.zeros(1000)))
    assert after.reasons == {}
    facts = told(numbers, after, Values(np.zeros(1000)), Values(np.zeros(1000)))
    assert facts["coverage"]["held"] == pytest.approx(0.9, abs=0.03)
    assert "calibration" not in facts


def saved(problem: Problem, folder: Path, after: After) -> Path:
    learner = learners["linear"]
    (folder / "linear").mkdir(exist_ok=True)
    watch = Watch(Clock(), lambda score, progress: True)
    learner.fit(problem, learner.config(), 0, watch).save(folder / "linear")
    member = Member("linear", "", folder / "linear", 1.0, 1)
    artifact.save(folder / "made", problem, [member], {}, {}, after)
    return folder / "made"


def test_a_saved_model_answers_with_it_and_its_golden_rows_too(
    problem: Problem, tmp_path: Path
) -> None:
    place = saved(problem, tmp_path, After(WARM, (0.2, 0.8)))
    model = artifact.load(place)
    data = problem.part("test")
    plain = model.members[0][0].predict(data)
    found = model.predict(data)
    assert isinstance(plain, ClassScores)
    assert isinstance(found, ClassScores)
    assert np.allclose(found.array(), WARM.apply(plain).array())
    assert found.weights == (0.2, 0.8)
    golden = json.loads((place / "golden.json").read_text())
    rows = problem.data.take(problem.parts["valid"][: artifact.GOLDEN_ROWS])
    assert np.allclose(golden["answers"], model.predict(rows).array())


def test_a_folder_of_before_opens_and_changes_nothing(problem: Problem, tmp_path: Path) -> None:
    place = saved(problem, tmp_path, NOTHING)
    spec = json.loads((place / "predictor.json").read_text())
    del spec["after"]
    (place / "predictor.json").write_text(json.dumps(spec))
    files = artifact._hashes(place)
    (place / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))
    assert artifact.load(place).after == NOTHING


def test_what_came_after_is_not_taken_over_by_another_model(
    problem: Problem, tmp_path: Path
) -> None:
    place = saved(problem, tmp_path, After(WARM))
    member = Member("linear", "", tmp_path / "linear", 1.0, 1)
    artifact.save_like(tmp_path / "picked", place, [member], {}, {}, NOTHING)
    assert artifact.load(tmp_path / "picked").after == NOTHING
