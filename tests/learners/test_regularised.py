"""A path of regularised planes is the same in the space that few rows span."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from tunesmith.core.clock import Clock
from tunesmith.learners import _regularised
from tunesmith.learners._regularised import Plane, logistic_path


def path(features, codes, classes: int) -> list[Plane]:
    return list(
        logistic_path(
            features,
            codes,
            classes,
            strengths=(1e-3, 1e-2, 0.1),
            clock=Clock(),
            balanced=False,
            most_iterations=2000,
        )
    )


@pytest.mark.parametrize("classes", [2, 5])
def test_few_rows_of_many_features_have_the_same_planes_as_when_solved_whole(
    monkeypatch: pytest.MonkeyPatch, classes: int
) -> None:
    dice = np.random.default_rng(0)
    features = dice.normal(size=(60, 300)).astype(np.float32) * np.geomspace(1, 0.01, 300)
    features = features.astype(np.float32)
    codes = features[:, :classes].argmax(axis=1)
    turned = path(features, codes, classes)
    monkeypatch.setattr(_regularised, "WIDE", 0.0)
    whole = path(features, codes, classes)
    new = dice.normal(size=(200, 300)).astype(np.float32)
    for one, other in zip(turned, whole, strict=True):
        assert one.weights.shape == other.weights.shape
        np.testing.assert_allclose(one.logits(features), other.logits(features), atol=0.02)
        np.testing.assert_allclose(one.logits(new), other.logits(new), atol=0.05)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_planes_are_those_of_a_reference(classes: int, balanced: bool, sparse: bool) -> None:
    """To 0.02 of a logit, the tolerance of both solvers; one class of the problem is never seen."""
    dice = np.random.default_rng(1)
    features = dice.normal(size=(400, 12)).astype(np.float32)
    codes = features[:, :classes].argmax(axis=1) + 1
    features += dice.normal(size=features.shape).astype(np.float32)
    codes[: len(codes) // 3] = 1
    given = csr_matrix(features) if sparse else features
    planes = logistic_path(
        given, codes, classes + 1, strengths=(0.01, 0.3), clock=Clock(), balanced=balanced
    )
    for plane, strength in zip(planes, (0.01, 0.3), strict=True):
        weight = "balanced" if balanced else None
        reference = LogisticRegression(C=strength, class_weight=weight, tol=1e-6, max_iter=5000)
        reference.fit(features, codes)
        logits = plane.logits(features)
        assert (logits[:, 0] < logits[:, 1:].min(axis=1)).all()
        shares = np.exp(logits[:, 1:] - logits[:, 1:].max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(shares, reference.predict_proba(features), atol=5e-3)


def test_a_solver_stops_between_steps_where_the_time_is_over() -> None:
    dice, looks = np.random.default_rng(2), [0]

    def now() -> float:
        looks[0] += 1
        return float(looks[0])

    features = dice.normal(size=(300, 20)).astype(np.float32)
    codes = dice.integers(3, size=300)
    planes = list(
        logistic_path(
            features, codes, 3, strengths=(1.0, 10.0), clock=Clock(4.0, now), balanced=False
        )
    )
    assert len(planes) == 1
    assert np.abs(planes[0].weights).max() > 0
