"""Answers as a user asks for them: by a threshold, only where sure, as sets or intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.pipeline.after import NOTHING

ROWS = 600


def made(rows: int, seed: int) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    found = pd.DataFrame({"x": dice.normal(size=rows), "shop": dice.choice(["a", "b"], rows)})
    found["bad"] = (dice.random(rows) < 1 / (1 + np.exp(2 - 2 * found.x))).astype(int)
    found["price"] = 10 + 2 * found.x + dice.normal(size=rows)
    return found


@pytest.fixture(scope="module")
def fresh() -> pd.DataFrame:
    return made(1000, 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    folder = tmp_path_factory.mktemp("classes") / "run"
    rows = made(ROWS, 0).drop(columns="price")
    return ts.fit(rows, "bad", metric="f1", trials=2, learners=["linear"], folder=folder)


@pytest.fixture(scope="module")
def pricer(tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    folder = tmp_path_factory.mktemp("numbers") / "run"
    rows = made(ROWS, 0).drop(columns="bad")
    return ts.fit(rows, "price", trials=2, learners=["linear"], folder=folder)


def test_a_fit_tells_what_was_done_to_answers_and_why(model: ts.Predictor) -> None:
    facts = model.summary
    assert {"calibration", "threshold"} <= set(facts["reasons"])
    assert facts["reasons"]["threshold"].startswith(("threshold", "none"))
    assert set(facts["after"]["calibration"]["after"]) == {"log_loss", "ece", "brier"}
    assert facts["after"]["coverage"]["asked"] == 0.9


def test_a_lower_threshold_answers_the_second_class_more_often(
    model: ts.Predictor, fresh: pd.DataFrame
) -> None:
    shares = model.predict_proba(fresh)["1"].to_numpy()
    for threshold in (0.1, 0.3, 0.7):
        found = model.predict(fresh, threshold=threshold)
        assert np.array_equal(found == 1, shares > threshold)


def test_the_least_certain_share_is_left_out(model: ts.Predictor, fresh: pd.DataFrame) -> None:
    found = model.predict(fresh, abstain=0.2)
    left = np.array([answer is None for answer in found])
    assert left.mean() == pytest.approx(0.2, abs=0.1)
    assert np.array_equal(found[~left].astype(int), model.predict(fresh)[~left])
    wrong = model.predict(fresh) != fresh.bad
    assert wrong[~left].mean() < wrong[left].mean()
    assert model.predict(fresh.iloc[0].to_dict(), abstain=0.2)[0] == found[0]  # of itself alone


def test_a_risk_is_kept(model: ts.Predictor, fresh: pd.DataFrame) -> None:
    found = model.predict(fresh, risk=0.15)
    given = np.array([answer is not None for answer in found])
    assert 0 < given.mean() < 1
    assert (found[given].astype(int) != fresh.bad[given]).mean() <= 0.17


def test_sets_hold_the_truth_and_name_the_answer_first(
    model: ts.Predictor, fresh: pd.DataFrame
) -> None:
    found = model.predict_set(fresh, coverage=0.9)
    held = [truth in labels for truth, labels in zip(fresh.bad, found["set"], strict=True)]
    assert np.mean(held) >= 0.86
    assert (found["size"] == found["set"].map(len)).all()
    assert found["set"].map(len).min() == 1
    likeliest = model.predict_proba(fresh).to_numpy().argmax(axis=1)
    assert [labels[0] for labels in found["set"]] == likeliest.tolist()
    told = model.coverage(fresh, 0.9, by="shop")
    assert told["held"] == pytest.approx(np.mean(held))
    assert set(told["groups"]["shop"]) == {"a", "b"}
    old = {"age": np.where(fresh.x > 0, "old", "young")}
    assert set(model.coverage(fresh, 0.9, by=old)["groups"]["age"]) == {"old", "young"}
    each = model.predict_set(fresh, coverage=0.9, each_class=True)
    rare = [1 in labels for labels in each["set"][fresh.bad == 1]]
    assert np.mean(rare) >= 0.8
    by_lot = model.predict_set(fresh, coverage=0.9, lot=1)
    assert by_lot.equals(model.predict_set(fresh, coverage=0.9, lot=1))
    assert (by_lot["size"] <= found["size"]).all()


def test_intervals_hold_the_truth(pricer: ts.Predictor, fresh: pd.DataFrame) -> None:
    found = pricer.predict_interval(fresh, coverage=0.9)
    held = (found["low"] <= fresh.price) & (fresh.price <= found["high"])
    assert held.mean() == pytest.approx(0.9, abs=0.05)
    assert np.array_equal(found["prediction"], pricer.predict(fresh))
    assert pricer.coverage(fresh)["held"] == pytest.approx(held.mean())


def test_curves_of_risk_and_reliability(model: ts.Predictor, fresh: pd.DataFrame) -> None:
    curve = model.risk_coverage(fresh)
    risk = (model.predict(fresh) != fresh.bad).mean()
    assert curve["risk"].iloc[-1] == pytest.approx(risk)
    assert curve["risk"].iloc[: len(curve) // 2].mean() < risk
    bins = model.reliability(fresh)
    assert bins["rows"].sum() == len(fresh)
    assert (bins["said"] - bins["came"]).abs().mean() < 0.1


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m, p, d: m.predict(d, threshold=1.5), r"between 0 and 1.*not 1\.5"),
        (lambda m, p, d: p.predict(d, threshold=0.5), "two classes.*numbers"),
        (lambda m, p, d: m.predict(d, abstain=1), "leave out"),
        (lambda m, p, d: p.predict(d, abstain=0.1), "predict_interval"),
        (lambda m, p, d: m.predict(d, risk=0), "between 0 and 1"),
        (lambda m, p, d: m.predict(d, abstain=0.1, risk=0.1), "not both"),
        (lambda m, p, d: m.predict(d, abstain=0.1, threshold=0.1), "threshold"),
        (lambda m, p, d: m.predict_set(d, coverage=0), "between 0 and 1"),
        (lambda m, p, d: m.predict_set(d, coverage=0.99999), "cannot be told"),
        (lambda m, p, d: p.predict_set(d), "predict_interval"),
        (lambda m, p, d: m.predict_interval(d), "predict_set"),
        (lambda m, p, d: p.risk_coverage(d), "numbers"),
        (lambda m, p, d: p.reliability(d), "numbers"),
        (lambda m, p, d: p.hold(p.scores(d), 0.9, each_class=True), "no classes"),
        (lambda m, p, d: p.hold(p.scores(d), 0.9, lot=1), "lots are for"),
        (lambda m, p, d: m.predict_set(d, lot=-1), "from 0, not -1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    model: ts.Predictor, pricer: ts.Predictor, fresh: pd.DataFrame, ask: object, words: str
) -> None:
    with pytest.raises(ts.ConfigError, match=words):
        ask(model, pricer, fresh)  # type: ignore[operator]


def test_a_model_that_was_picked_says_that_it_knows_no_coverage(
    model: ts.Predictor, fresh: pd.DataFrame
) -> None:
    assert model.model.after.conformal is not None
    bare = ts.Predictor(model.folder)
    bare.__dict__["model"] = replace(model.model, after=NOTHING)
    with pytest.raises(ts.ConfigError, match="Fit it again"):
        bare.predict_set(fresh)
