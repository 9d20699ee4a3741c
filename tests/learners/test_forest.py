"""Forests as arrays."""

from __future__ import annotations

import numpy as np

from tunesmith.learners.forest import Grown, _floor


def test_the_arrays_answer_as_scikit_learn_does() -> None:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier

    features, truth = load_iris(return_X_y=True)
    features = features.astype(np.float32)
    for forest in (
        RandomForestClassifier(20, random_state=0).fit(features, truth),
        ExtraTreesRegressor(20, random_state=0).fit(features, truth.astype(float)),
    ):
        grown = Grown.of(list(forest.estimators_))
        found = grown.mean(features)
        wanted = (
            forest.predict_proba(features)
            if hasattr(forest, "classes_")
            else forest.predict(features)[:, None]
        )
        assert np.allclose(found, wanted, atol=1e-6)


def test_a_rounded_threshold_divides_the_same_rows() -> None:
    values = np.sort(np.random.default_rng(0).random(1000).astype(np.float32))
    middles = (values[:-1].astype(np.float64) + values[1:]) / 2
    assert ((values[:-1] <= _floor(middles)) & (values[1:] > _floor(middles))).all()
