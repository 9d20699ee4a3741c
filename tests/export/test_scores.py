"""A metric as code gives what the metric gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tunesmith.core.costs import RowCosts
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.export._answers import PLAIN
from tunesmith.export._scores import MEASURES, measure, score_code
from tunesmith.metrics import get

COSTS = np.array([[0.0, 1.0], [5.0, 0.0]])


def predictions(classes: int) -> tuple[Any, Prediction]:
    dice = np.random.default_rng(0)
    if not classes:
        truth = dice.normal(size=60) + 5
        return truth, Values(truth + dice.normal(size=60))
    truth = dice.integers(0, classes, 60)
    shares = dice.dirichlet(np.ones(classes), 60) + np.eye(classes)[truth] * 0.3
    shares /= shares.sum(axis=1, keepdims=True)
    return truth, ClassScores(tuple(map(str, range(classes))), shares)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("metric", [*sorted(set(MEASURES) - {"cost"}), "average_precision"])
def test_a_metric_as_code_gives_the_metrics_value(metric: str, is_weighted: bool) -> None:
    import sklearn.metrics

    if is_weighted and metric == "median_absolute_error":
        pytest.skip("the library counts rows whole in a median")
    seen = 0
    weights = np.random.default_rng(1).random(60) if is_weighted else None
    for classes in (0, 2, 4):
        truth, prediction = predictions(classes)
        found = measure(metric, classes)
        if not get(metric).accepts(prediction) or found is None:
            continue
        seen += 1
        names: dict[str, Any] = {"np": np, "CLASSES": list(range(classes))}
        names[found.function] = getattr(sklearn.metrics, found.function)
        exec(score_code(metric, found, PLAIN.decided, is_weighted), names)
        value = names["score"](truth, prediction.array(), *([] if weights is None else [weights]))
        assert value == pytest.approx(get(metric).score(truth, prediction, weights), rel=1e-6)
    assert seen


@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_mean_cost_is_that_of_the_answers(is_weighted: bool) -> None:
    truth, prediction = predictions(2)
    assert isinstance(prediction, ClassScores)
    priced = replace(prediction, costs=RowCosts(COSTS))
    weights = np.random.default_rng(1).random(60) if is_weighted else None
    names: dict[str, Any] = {"np": np, "costs_of": lambda table: np.tile(COSTS, (60, 1, 1))}
    names["decided"] = lambda scores, table: (scores @ COSTS).argmin(axis=1)
    found = measure("cost", 2)
    assert found is not None
    exec(
        "import pandas as pd\n" + score_code("cost", found, "decided(scores, table)", is_weighted),
        names,
    )
    beside = [None] if weights is None else [None, weights]
    value = names["score"](truth, priced.probabilities, *beside)
    assert value == pytest.approx(get("cost").score(truth, priced, weights))


def test_what_is_not_known_is_said_so() -> None:
    assert measure("my own", 2) is None
    assert measure("gini", 3) is None
