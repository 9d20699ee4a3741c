import dataclasses

import numpy as np
import pytest

from tunesmith.core.errors import DataError
from tunesmith.scouting.probes import ridge
from tunesmith.scouting.rank import (
    WEIGHTS,
    Weights,
    chosen_wins,
    combine,
    examine,
    known_qualities,
    rank,
)
from tunesmith.scouting.records import Dropped, Reading, listed
from tunesmith.scouting.space import reduce
from tunesmith.scouting.target import aim


def _features(truth, signal, dice, width=30):
    """Noise in which the truth stands out by `signal` deviations, spread over four features."""
    found = dice.normal(size=(len(truth), width))
    directions = np.random.default_rng(0).normal(size=(int(truth.max()) + 1, 4))
    found[:, :4] += signal * directions[truth.astype(int)]
    return found.astype(np.float32)


def _readings(truth, signals, seed=1):
    dice = np.random.default_rng(seed)
    return [Reading(n, "mean", _features(truth, s, dice)) for n, s in signals.items()]


TRUTH = np.random.default_rng(9).integers(0, 4, 400)


def test_backbones_stand_in_the_order_of_what_they_tell():
    ranking = rank(
        _readings(TRUTH, {"weak": 0.5, "strong": 2, "noise": 0, "fair": 1}), TRUTH, quality={}
    )
    assert ranking.order == ("strong", "fair", "weak", "noise")
    best = ranking.standings[0]
    assert best.low <= best.score <= best.high <= 1
    assert best.tied
    assert not any(s.tied for s in ranking.standings[1:])
    assert ranking.better[0, 3] == 1.0
    assert np.allclose(ranking.better + ranking.better.T, 1)
    assert ranking.verdict.startswith("strong is best, fair, weak and noise are worse (0.")


def test_two_of_the_same_features_are_tied_though_one_is_better_known():
    readings = _readings(TRUTH, {"a": 1.0, "c": 0.0})
    twin = dataclasses.replace(readings[0], backbone="b")
    ranking = rank([*readings, twin], TRUTH, quality={"a": 0.7, "b": 0.8, "c": 0.9})
    assert ranking.order[2] == "c"
    assert [s.tied for s in ranking.standings] == [True, True, False]
    assert ranking.verdict.startswith(
        f"{ranking.order[0]} and {ranking.order[1]} are tied, c is worse"
    )


def test_where_every_row_is_told_rightly_a_small_sample_still_leaves_doubt():
    truth = np.arange(30) % 2
    readings = _readings(truth, {"a": 20.0, "b": 20.0})
    ranking = rank(readings, truth, quality={"a": 0.9, "b": 0.1})
    assert all(s.scores["ridge"] == 1 for s in ranking.standings)
    assert all(s.tied for s in ranking.standings)


def test_ranks_numbers_too():
    dice = np.random.default_rng(2)
    truth = dice.normal(1e6, 3e4, 300)
    plain = (truth - 1e6) / 3e4
    strong = np.column_stack([plain + 0.3 * dice.normal(size=300), dice.normal(size=(300, 5))])
    weak = np.column_stack([plain + 3.0 * dice.normal(size=300), dice.normal(size=(300, 5))])
    noise = dice.normal(size=(300, 6))
    readings = [
        Reading(n, "mean", f) for n, f in (("noise", noise), ("weak", weak), ("strong", strong))
    ]
    ranking = rank(readings, truth, quality={})
    assert ranking.metric == "r2"
    assert ranking.order == ("strong", "weak", "noise")
    assert ranking.standings[0].score == pytest.approx(1 / 1.09, abs=0.05)


def test_the_interval_holds_the_score_on_fresh_rows():
    """Nine in ten, nominally; the probe's own training set is not redrawn."""
    dice, held = np.random.default_rng(3), 0
    for seed in range(30):
        truth = dice.integers(0, 3, 150)
        standing = rank(_readings(truth, {"a": 0.8}, seed), truth, quality={}).standings[0]
        fresh = dice.integers(0, 3, 3000)
        both = np.concatenate([truth, fresh])
        features = np.vstack(
            [_readings(truth, {"a": 0.8}, seed)[0].features, _features(fresh, 0.8, dice)]
        )
        held += standing.low <= _accuracy(features, both, 150) <= standing.high
    assert held >= 22


def _accuracy(features, truth, train):
    from sklearn.linear_model import RidgeClassifierCV

    model = RidgeClassifierCV(np.logspace(-1, 4, 10)).fit(features[:train], truth[:train])
    return model.score(features[train:], truth[train:])


def test_of_many_readouts_of_noise_the_best_is_still_at_chance():
    found = []
    for seed in range(10):
        dice = np.random.default_rng(seed)
        truth = np.arange(200) % 2
        readouts = {str(n): dice.normal(size=(200, 20)) for n in range(10)}
        found.append(examine("noise", readouts, aim(truth)).scores["ridge"])
    lucky = 1.54 * np.sqrt(0.25 / 200)  # the largest of ten normal deviates, in the mean
    assert abs(np.mean(found) - 0.5) < lucky / 2


def test_the_readout_that_tells_most_is_taken():
    dice = np.random.default_rng(4)
    readouts = {"first": _features(TRUTH, 0.3, dice), "middle": _features(TRUTH, 1.5, dice)}
    found = examine("a", readouts, aim(TRUTH))
    assert found.readout == "middle"
    assert set(found.losses) == {"first", "middle"}


def test_what_is_known_beforehand_weighs_less_the_more_rows_there_are():
    gains = [combine({"ridge": 0.8}, 0.1, rows) - 0.8 for rows in (0, 200, 2000)]
    assert gains[0] == pytest.approx(WEIGHTS.quality / 10)
    assert gains == sorted(gains, reverse=True)


def test_the_combined_score_is_the_weighted_mean():
    scores = {"ridge": 0.8, "nearest": 0.5}
    assert combine(scores, 0.0, 10, weights=Weights(nearest=0)) == 0.8
    assert combine(scores, 0.0, 10, weights=Weights(nearest=0.5)) == pytest.approx(0.7)


def test_what_is_known_beforehand_is_told_by_its_distance_from_the_usual():
    found = known_qualities(["a", "b", "c", "new"], {"a": 0.82, "b": 0.86, "c": 0.1})
    assert found == pytest.approx({"a": 0, "b": 0.04, "c": -0.2, "new": 0})
    assert known_qualities(["a", "b"], {}) == {"a": 0, "b": 0}


def test_the_same_seed_gives_the_same_ranking_in_any_order_of_readings():
    readings = _readings(TRUTH, {"a": 0.5, "b": 1.0})
    one = rank(readings, TRUTH, quality={}, seed=5)
    other = rank(readings[::-1], TRUTH, quality={}, seed=5)
    assert one.standings == other.standings


def test_features_of_other_rows_are_refused():
    with pytest.raises(DataError, match="399"):
        rank([Reading("a", "mean", np.zeros((399, 2), dtype=np.float32))], TRUTH, quality={})


def test_sentences():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    ranking = rank(_readings(TRUTH, {"a": 1.0}), TRUTH, quality={})
    gone = (
        Dropped("c", "worse", 200, "", 0.50, 0.71),
        Dropped("b", "worse", 200, "", 0.60, 0.71),
        Dropped("d", "worse", 400, "", 0.75, 0.80),
        Dropped("e", "failed", 0, "no file"),
    )
    assert dataclasses.replace(ranking, dropped=gone).verdict.split(". ", 1)[1] == (
        "d is worse (0.75 against 0.80 on 400 rows). "
        "b and c are worse (0.50 to 0.60 against 0.71 on 200 rows). e could not be read: no file"
    )


def test_a_further_candidate_moves_all_others_alike():
    readings = _readings(TRUTH, {"a": 0.5, "b": 1.0, "noise": 0.0})
    with_noise = {s.backbone: s.score for s in rank(readings, TRUTH, quality={}).standings}
    without = {s.backbone: s.score for s in rank(readings[:2], TRUTH, quality={}).standings}
    assert with_noise["b"] - with_noise["a"] == pytest.approx(without["b"] - without["a"])


def test_one_readout_alone_keeps_its_own_wins():
    features = _features(TRUTH, 1.0, np.random.default_rng(0))
    probe = ridge(reduce(features), aim(TRUTH))
    assert np.array_equal(chosen_wins([probe], 0), probe.wins)
