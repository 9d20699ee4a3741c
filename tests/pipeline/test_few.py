"""Few examples: who teaches, who answers, and what is said of it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError, DataError, DataWarning
from tunesmith.core.records import Dataset
from tunesmith.data.read import read
from tunesmith.pipeline.few import COUNT, MOST_A_CLASS
from tunesmith.pipeline.folds import fold_count
from tunesmith.pipeline.frame import frame
from tunesmith.tasks.classification import BAD, GOOD, PLAIN


def made(each: list[int], seed: int = 0) -> Dataset:
    """So many short texts of each class; the first two have words of their own."""
    dice = np.random.default_rng(seed)
    own = [BAD, GOOD, *([] for _ in each[2:])]
    cells, labels = [], []
    for place, count in enumerate(each):
        for number in range(count):
            words = [*dice.choice(PLAIN, 5), *(dice.choice(own[place], 3) if own[place] else ())]
            cells.append(" ".join([*words, f"{place}{number}"]))
            labels.append(f"kind {place}")
    return read({"text": cells, "label": labels}, kinds={"text": "text", "label": "category"})


def test_all_teach_and_each_is_answered_by_models_that_have_not_seen_it():
    problem = frame(made([4, 4, 4]), "label")
    assert problem.is_few
    assert not problem.is_unproven
    assert len(problem.parts["train"]) == len(problem.parts["valid"]) == 12
    assert not len(problem.parts["test"])
    assert fold_count(problem) == 4
    truth = problem.truth("train")
    for teach, ask in problem.folds:
        assert not set(teach) & set(ask)
        assert set(truth[np.searchsorted(problem.parts["train"], teach)]) == {0, 1, 2}
    asked = np.concatenate([ask for _, ask in problem.folds])
    assert (np.bincount(asked) == len(problem.folds) // 4).all()
    assert "drawn 10 times" in problem.reasons["split"]


def test_there_are_no_more_folds_than_usual_and_none_of_many_rows():
    assert fold_count(frame(made([MOST_A_CLASS] * 2), "label")) == COUNT
    assert not frame(made([MOST_A_CLASS + 1] * 2), "label").is_few


def test_the_only_row_of_a_class_teaches_and_is_not_answered():
    problem = frame(made([3, 3, 1]), "label")
    alone = np.setdiff1d(problem.parts["train"], problem.parts["valid"])
    assert len(alone) == 1
    assert all(alone[0] in teach and alone[0] not in ask for teach, ask in problem.folds)
    assert "teaches and is not answered" in problem.reasons["split"]


def test_of_one_example_a_class_nothing_is_validated_and_that_is_said():
    with pytest.warns(DataWarning, match="none is left to validate on"):
        problem = frame(made([1, 1]), "label")
    assert problem.is_unproven
    assert not problem.folds


def test_what_divides_the_rows_is_followed_and_tables_need_their_ten():
    assert not frame(made([6, 6]), "label", folds=0).is_few
    assert not frame(made([6, 6]), "label", nested=3).is_few
    table = {"a": [1.0, 2.0, 3.0, 4.0], "label": ["x", "y", "x", "y"]}
    with pytest.raises(DataError, match="At least 10"):
        frame(read(table), "label")


def test_many_classes_of_one_row_are_taken_for_an_identifier_unless_said_otherwise():
    data = made([1] * 25)
    with pytest.raises(DataError, match="--task classification"):
        frame(data, "label")
    with pytest.warns(DataWarning):
        assert frame(data, "label", task="classification").is_unproven


def fitted(data: Dataset, folder: Path, checkpoint: str, **more: object) -> ts.Predictor:
    cells = {name: list(data.values(name)) for name in data.names}
    return ts.fit(
        cells,
        "label",
        folder=folder,
        offline=True,
        kinds={"text": "text"},
        trials=6,
        space={"probe": {"backbone": checkpoint}},
        **more,
    )


def test_a_fit_of_few_texts_chooses_by_repeated_folds_and_says_how_good_it_is(
    tmp_path: Path, checkpoint: str
):
    model = fitted(made([6, 6]), tmp_path / "run", checkpoint)
    told = model.summary
    low, high = told["interval"]
    assert low <= told["score"] <= high
    assert told["score_is"].startswith("repeated folds")
    assert told["repeats"]["draws"] == len(told["repeats"]["scores"]) > 1
    assert told["score"] == pytest.approx(np.mean(told["repeats"]["scores"]))
    assert told["rows"] == {"train": 12, "valid": 12, "test": 0}
    assert told["prospects"] == {}
    assert {one["learner"] for one in told["leaderboard"]} == {"majority", "linear", "probe"}
    fresh = made([40, 40], seed=1)
    found = model.evaluate({name: list(fresh.values(name)) for name in fresh.names})
    assert found["accuracy"].value > 0.75


def test_what_is_not_built_for_few_examples_is_refused(tmp_path: Path, checkpoint: str):
    with pytest.raises(ConfigError, match="--auto-stack is not built for few examples"):
        fitted(made([3, 3]), tmp_path / "run", checkpoint, auto_stack=True)


def test_of_one_text_a_class_there_is_a_model_and_no_score(tmp_path: Path, checkpoint: str):
    with pytest.warns(DataWarning, match="none is left to validate on"):
        model = fitted(made([1, 1]), tmp_path / "run", checkpoint)
    told = model.summary
    assert told["score"] is None
    assert told["interval"] == [None, None]
    assert told["score_is"].startswith("unknown")
    assert [one["learner"] for one in told["leaderboard"]] == ["probe"]
    assert told["leaderboard"][0]["score"] is None
    assert json.loads((model.folder / "summary.json").read_text())["score"] is None
    again = ts.load(model.folder)
    assert len(again.predict(["a lovely coat", "dull"])) == 2


def test_a_run_without_a_score_goes_on(tmp_path: Path, checkpoint: str):
    with pytest.warns(DataWarning):
        model = fitted(made([1, 1]), tmp_path / "run", checkpoint)
    cells = made([1, 1])
    with pytest.warns(DataWarning):
        more = ts.resume(
            model.folder,
            trials=1,
            source={name: list(cells.values(name)) for name in cells.names},
        )
    assert more.summary["score"] is None


@pytest.mark.parametrize("each", [1, 4])
def test_few_pictures_in_class_folders(tmp_path: Path, picture_checkpoint: str, each: int):
    pillow = pytest.importorskip("PIL.Image")
    dice = np.random.default_rng(0)
    for number in range(2 * each):
        pixels = dice.integers(60, 160, (32, 32, 3), dtype=np.uint8)
        pixels[:, :, number % 2] += 60
        place = tmp_path / "pictures" / ("red" if number % 2 == 0 else "green")
        place.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(pixels).save(place / f"{number}.png")
    with pytest.warns(DataWarning) if each == 1 else nullcontext():
        model = ts.fit(
            tmp_path / "pictures",
            "label",
            folder=tmp_path / "run",
            offline=True,
            trials=4,
            space={"probe": {"backbone": picture_checkpoint, "size": 64}},
        )
    assert (model.summary["score"] is None) == (each == 1)
    answers = model.predict(sorted((tmp_path / "pictures").rglob("*.png")))
    assert len(answers) == 2 * each
