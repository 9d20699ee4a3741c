"""Networks for tables looked into: what each column adds, and that it hangs on what was learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
pytest.importorskip("tabm")

from tunesmith.core.clock import Clock  # noqa: E402
from tunesmith.core.contracts import Watch  # noqa: E402
from tunesmith.core.explaining import HEATS  # noqa: E402
from tunesmith.core.records import Dataset, Problem  # noqa: E402
from tunesmith.core.space import default  # noqa: E402
from tunesmith.data.read import read  # noqa: E402
from tunesmith.learners import learners  # noqa: E402
from tunesmith.learners._tabular_inputs import _quantile, _robust  # noqa: E402
from tunesmith.learners._tabular_inputs import _scaled as scaled  # noqa: E402
from tunesmith.learners._tabular_insight import _scaled as through  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402

GRADIENTS = HEATS[0]
NETWORKS: list[dict[str, Any]] = [
    {"network.TabM.members": 8},
    {"network.TabM.numbers": "Periodic", "scaling": "quantile"},
    {"network": "RealMLP"},
    {"network": "ResNet"},
    {"network": "FTTransformer", "network.FTTransformer.width": 32},
]


def table(rows: int = 240) -> pd.DataFrame:
    """`leak` tells the label and, times ten, the size; shops are many, some numbers missing."""
    dice = np.random.default_rng(0)
    leak, noise = dice.normal(size=(2, rows))
    noise[::7] = np.nan
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(dice.integers(0, 900, rows), "D")
    return pd.DataFrame(
        {
            "noise": noise,
            "shop": dice.choice([f"shop {n}" for n in range(60)], rows),
            "day": day,
            "leak": leak,
            "label": np.where(leak > 0, "yes", "no"),
            "size": 10 * leak,
        }
    )


def problem(target: str) -> Problem:
    other = "size" if target == "label" else "label"
    kinds: dict[str, Any] = {"shop": "category"}
    return frame(read(table().drop(columns=other), kinds=kinds), target, seed=0, folds=0)


def fitted(given: Problem, pins: dict[str, Any]) -> Any:
    watch = Watch(Clock(), lambda score, progress: True)
    config = default(learners["tabular"].config, {"epochs": 6, "lr": 5e-3, **pins})
    return learners["tabular"].fit(given, config, 0, watch)


def row_of(given: Problem, number: int = 0) -> Dataset:
    return given.data.with_columns(given.inputs).take(np.array([number]))


@pytest.mark.parametrize("target", ["label", "size"])
@pytest.mark.parametrize("pins", NETWORKS)
def test_credit_of_columns_sums_to_what_the_answer_differs(
    target: str, pins: dict[str, Any]
) -> None:
    given = problem(target)
    model, row = fitted(given, pins), row_of(given, 3)
    answer = model.predict(row).array().reshape(1, -1)[0, -1]
    passage = model.insight(row).passage
    assert float(passage.answer([], passage.numbers())[0, -1]) == pytest.approx(answer, abs=1e-4)
    nothing = float(passage.answer([], 0 * passage.numbers())[0, -1])
    heats = model.heats(row, int(target == "label"), GRADIENTS)
    assert set(heats) == set(given.inputs)
    assert heats.change == pytest.approx(answer - nothing, abs=1e-3)
    total = sum(float(heat.credits) for heat in heats.values())
    assert total == pytest.approx(answer - nothing, rel=0.03, abs=2e-3)
    again = model.predict(row).array()
    assert not np.allclose(model.redrawn(0).predict(row).array(), again, atol=1e-3)
    assert np.array_equal(model.predict(row).array(), again)


def test_the_column_that_decides_has_the_most() -> None:
    given = problem("size")
    model = fitted(given, {"epochs": 30, "batch_size": 32})
    first = []
    for place in range(12):
        heats = model.heats(row_of(given, place), 0, GRADIENTS)
        first.append(max(heats, key=lambda name: abs(float(heats[name].credits))))
    assert first.count("leak") >= 10


@pytest.mark.parametrize("state", [_robust, _quantile])
def test_numbers_are_scaled_as_for_an_answer(state: Any) -> None:
    known = np.random.default_rng(0).normal(3, 2, 300).round(2)
    values = np.array([-50.0, *known[:40], 3.004, 50.0])
    found = state(known)
    told = through(torch.from_numpy(values), found)
    assert np.allclose(told.numpy(), scaled(values, found), atol=0.02)


def test_words_known_by_their_topics_are_not_looked_into() -> None:
    dice = np.random.default_rng(0)
    words = [" ".join(dice.choice(["red", "dress", "fine", "wool", "size"], 6)) for _ in range(120)]
    data = pd.DataFrame({"said": words, "age": dice.normal(size=120)})
    data["label"] = np.where(data.age > 0, "yes", "no")
    given = frame(read(data, kinds={"said": "text"}), "label", seed=0, folds=0)
    model = fitted(given, {"epochs": 4})
    assert not model.heat_methods()
    assert model.heats(row_of(given), 1, GRADIENTS) is None


def test_words_behind_an_encoder_are(checkpoint: str) -> None:
    dice = np.random.default_rng(0)
    words = [" ".join(dice.choice(["red", "dress", "fine", "wool", "size"], 6)) for _ in range(120)]
    data = pd.DataFrame({"said": words, "age": dice.normal(size=120)})
    data["label"] = np.where(data.age > 0, "yes", "no")
    given = frame(read(data, kinds={"said": "text"}), "label", seed=0, folds=0)
    model = fitted(given, {"epochs": 4, "text": "embedding", "text_backbone": checkpoint})
    heats = model.heats(row_of(given), 1, GRADIENTS)
    assert set(heats) == {"said", "age"}
    assert heats["said"].spans is not None
    total = sum(float(heat.credits.sum()) for heat in heats.values())
    assert total == pytest.approx(heats.change, rel=0.1, abs=0.02)
