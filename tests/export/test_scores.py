"""A metric as code gives what the metric gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.export._scores import MEASURES, measure, score_code
from tunesmith.metrics import get


def predictions(classes: int) -> tuple[Any, Prediction]:
    dice = np.random.default_rng(0)
    if not classes:
        truth = dice.normal(size=60) + 5
        return truth, Values(truth + dice.normal(size=60))
    truth = dice.integers(0, classes, 60)
    shares = dice.dirichlet(np.ones(classes), 60) + np.eye(classes)[truth] * 0.3
    shares /= shares.sum(axis=1, keepdims=True)
    return truth, ClassScores(tuple(map(str, range(classes))), shares)


@pytest.mark.parametrize("metric", [*MEASURES, "average_precision"])
def test_a_metric_as_code_gives_the_metrics_value(metric: str) -> None:
    import sklearn.metrics

    seen = 0
    for classes in (0, 2, 4):
        truth, prediction = predictions(classes)
        if not get(metric).accepts(prediction):
            continue
        seen += 1
        found = measure(metric, classes)
        assert found is not None
        names: dict[str, Any] = {"np": np, "CLASSES": list(range(classes))}
        names[found.function] = getattr(sklearn.metrics, found.function)
        exec(score_code(metric, found), names)
        value = names["score"](truth, prediction.array())
        assert value == pytest.approx(get(metric).score(truth, prediction, None), rel=1e-6)
    assert seen


def test_what_is_not_known_is_said_so() -> None:
    assert measure("my own", 2) is None
