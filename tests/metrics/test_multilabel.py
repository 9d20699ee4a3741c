"""Metrics of several labels a row against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as reference

from tunesmith import metrics
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.predictions import Labels
from tunesmith.evaluate.scores import score

DICE = np.random.default_rng(0)
ROWS, COUNT = 200, 4
SHARES = DICE.random((ROWS, COUNT))
TRUTH = (DICE.random((ROWS, COUNT)) < 0.2 + 0.6 * SHARES).astype(np.int64)
TRUTH[:5], SHARES[:3] = 0, 0.1  # rows without labels, three of them answered so
FOUND = Labels(("a", "b", "c", "d"), SHARES)
WEIGHTS = DICE.integers(0, 4, ROWS).astype(float)
CHOSEN = (SHARES >= 0.5).astype(int)


def averaged(function: Callable[..., float], how: str, empty: int = 0) -> Callable[..., float]:
    return lambda w: function(TRUTH, CHOSEN, average=how, sample_weight=w, zero_division=empty)


REFERENCES: dict[str, Callable[..., float]] = {
    **{f"f1_{how}": averaged(reference.f1_score, how) for how in ("micro", "macro", "weighted")},
    "precision_micro": averaged(reference.precision_score, "micro"),
    "recall_macro": averaged(reference.recall_score, "macro"),
    "f1_samples": averaged(reference.f1_score, "samples", 1),
    "subset_accuracy": lambda w: reference.accuracy_score(TRUTH, CHOSEN, sample_weight=w),
    "hamming_loss": lambda w: reference.hamming_loss(TRUTH, CHOSEN, sample_weight=w),
    "average_precision": lambda w: reference.average_precision_score(
        TRUTH, SHARES, average="macro", sample_weight=w
    ),
    "roc_auc_ovr": lambda w: reference.roc_auc_score(
        TRUTH, SHARES, average="macro", sample_weight=w
    ),
    "log_loss": lambda w: np.mean(
        [reference.log_loss(TRUTH[:, i], SHARES[:, i], sample_weight=w) for i in range(COUNT)]
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_as_scikit_learn_has_it(name: str, weights: np.ndarray | None) -> None:
    rule = metrics.get(name)
    wanted = REFERENCES[name](weights)
    assert rule.score(TRUTH, FOUND, weights) == pytest.approx(wanted)
    assert rule.by_weights(TRUTH, FOUND)(weights) == pytest.approx(wanted)


def test_labels_that_the_model_does_not_know_are_missed() -> None:
    more = np.column_stack([TRUTH, np.ones(ROWS, dtype=np.int64)])
    assert metrics.get("subset_accuracy").score(more, FOUND, None) == 0
    here = metrics.get("recall_micro").score(TRUTH, FOUND, None)
    assert metrics.get("recall_micro").score(more, FOUND, None) < here
    same = metrics.get("average_precision").score(TRUTH, FOUND, None)
    assert metrics.get("average_precision").score(more, FOUND, None) == same


def test_a_threshold_of_each_label_decides_what_is_answered() -> None:
    found = Labels(("a", "b"), np.array([[0.3, 0.3], [0.6, 0.6]]), (0.2, 0.7))
    assert found.decode().tolist() == [["a"], ["a"]]
    assert found.take(np.array([1])).chosen().tolist() == [[1, 0]]
    with pytest.raises(DataError, match="3 thresholds"):
        Labels(("a", "b"), np.zeros((1, 2)), (0.1, 0.2, 0.3))


def test_what_is_of_one_class_a_row_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"a row may have several.*subset_accuracy"):
        metrics.check("accuracy", FOUND)


def test_a_function_of_the_user_gets_matrices() -> None:
    name = metrics.canonical(lambda y, p: reference.jaccard_score(y, p, average="macro"))
    wanted = reference.jaccard_score(TRUTH, CHOSEN, average="macro")
    assert metrics.get(name).score(TRUTH, FOUND, None) == pytest.approx(wanted)


def test_the_interval_is_by_rows() -> None:
    found = score("f1_micro", TRUTH, FOUND, seed=0)
    assert found.low < found.value < found.high
    assert found.rows == ROWS
