"""A path of regularised planes is the same in the space that few rows span."""

from __future__ import annotations

import numpy as np
import pytest

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
