import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, WeightsError
from tunesmith.scouting.halving import Halving, halve, nested_order, rounds

DICE = np.random.default_rng(0)
TRUTH = DICE.integers(0, 3, 1600)


class Reader:
    """Features with so much signal, the rows asked for, and a clock that each row moves on."""

    def __init__(self, signals, truth=TRUTH, *, row_seconds=0.0):
        dice = np.random.default_rng(1)
        centres = dice.normal(size=(int(truth.max()) + 1, 5))
        self.features = {
            name: (dice.normal(size=(len(truth), 5)) + s * centres[truth.astype(int)]).astype(
                np.float32
            )
            for name, s in signals.items()
        }
        self.asked = []
        self.seconds = 0.0
        self.row_seconds = row_seconds

    def __call__(self, name, rows):
        self.asked.append((name, len(rows)))
        self.seconds += self.row_seconds * len(rows)
        return {"mean": self.features[name][rows]}

    def clock(self, limit=float("inf")):
        return Clock(limit, now=lambda: self.seconds)


def _halve(reader, **options):
    options = {"quality": {}, "clock": reader.clock()} | options
    return halve(sorted(reader.features), reader, TRUTH, **options)


def test_a_clear_best_is_found_in_one_look():
    reader = Reader({"strong": 1.5, "weak": 0.3, "noise": 0.0})
    ranking = _halve(reader)
    assert ranking.order[0] == "strong"
    assert ranking.rows == 200
    assert ranking.stopped == "one is left"
    assert {d.backbone for d in ranking.dropped} == {"weak", "noise"}
    assert ranking.verdict.startswith("strong is best (0.")
    assert "weak and noise are worse (0." in ranking.verdict
    assert "on 200 rows" in ranking.verdict


def test_the_sample_grows_for_those_in_question_alone():
    reader = Reader({"a": 1.0, "b": 0.95, "noise": 0.0})
    ranking = _halve(reader, settings=Halving(negligible=0.0))
    assert ranking.rows > 200
    assert [n for n, _ in reader.asked].count("noise") == 1
    sizes = [one.rows for one in ranking.rounds]
    assert sizes == [200, 400, 800, 1600][: len(sizes)]
    assert sum(rows for name, rows in reader.asked if name == "a") == ranking.rows
    assert [d.backbone for d in ranking.rounds[0].dropped] == ["noise"]


def test_twins_stay_tied_to_the_last_row_and_no_longer_than_their_difference_matters():
    reader = Reader({"a": 1.0})
    reader.features["b"] = reader.features["a"]
    ranking = _halve(reader, settings=Halving(negligible=0.0))
    assert ranking.stopped == "all 1600 rows are read"
    assert "a and b are tied" in ranking.verdict or "b and a are tied" in ranking.verdict
    soon = _halve(reader, settings=Halving(negligible=0.02))
    assert soon.rows < 1600
    assert "differ by less than 0.02" in soon.stopped


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_never_picked_even_if_it_is_the_best_known(seed):
    reader = Reader({"weak": 0.6, "weaker": 0.5, "noise": 0.0})
    ranking = _halve(reader, quality={"noise": 1.0, "weak": 0.1, "weaker": 0.2}, seed=seed)
    assert ranking.order[-1] == "noise"


def test_no_round_begins_that_does_not_fit_the_clock():
    reader = Reader({"a": 1.0, "b": 1.0}, row_seconds=0.1)
    ranking = _halve(reader, clock=reader.clock(60), settings=Halving(negligible=0.0))
    assert reader.seconds == pytest.approx(40)
    assert ranking.rows == 200
    assert ranking.stopped == "200 more rows would take 40.0 s, 20.0 s are left"


def test_where_the_clock_ends_the_first_round_the_best_known_were_read():
    reader = Reader({"a": 1.0, "b": 1.0, "c": 1.0}, row_seconds=0.1)
    ranking = _halve(reader, clock=reader.clock(30), quality={"a": 1, "b": 2, "c": 3})
    assert [name for name, _ in reader.asked] == ["c", "b"]
    assert ranking.dropped[0].why == "unread"
    assert ranking.order[-1] == "a"
    nothing = _halve(reader, clock=reader.clock(0), quality={"a": 1, "b": 2, "c": 3})
    assert nothing.order == ("c", "b", "a")
    assert nothing.stopped == "time was up"


def test_a_slow_round_gives_the_ranking_of_the_round_before():
    reader = Reader({"a": 1.0, "b": 1.0}, row_seconds=0.1)

    def slower(name, rows):
        reader.row_seconds = 0.1 if len(reader.asked) < 2 else 10.0
        return reader(name, rows)

    options = {"quality": {}, "clock": reader.clock(200), "settings": Halving(negligible=0.0)}
    ranking = halve(["a", "b"], slower, TRUTH, **options)
    assert ranking.rows == 200
    assert ranking.stopped == "time was up before all were read on 400 rows"


def test_a_backbone_that_cannot_be_read_is_dropped_with_the_reason():
    reader = Reader({"a": 1.0, "broken": 1.0, "infinite": 1.0, "short": 1.0})
    reader.features["infinite"][:] = np.inf

    def read(name, rows):
        if name == "broken":
            raise WeightsError("The file is truncated.")
        return reader(name, rows[:-1] if name == "short" else rows)

    ranking = halve(sorted(reader.features), read, TRUTH, quality={}, clock=reader.clock())
    assert ranking.order == ("a",)
    reasons = {d.backbone: d.reason for d in ranking.dropped}
    assert reasons["broken"] == "The file is truncated."
    assert "NaN or infinite" in reasons["infinite"]
    assert "asked for 200" in reasons["short"]
    alone = halve(["broken"], read, TRUTH, quality={}, clock=reader.clock())
    assert alone.order == ()
    assert alone.verdict == "No backbone was read. broken could not be read: The file is truncated."


def test_as_many_are_kept_as_asked_for():
    ranking = _halve(Reader({"a": 2.0, "b": 0.5, "c": 0.2, "d": 0.0}), settings=Halving(keep=2))
    assert len(ranking.standings) == 2
    assert ranking.better.shape == (2, 2)
    assert ranking.order[0] == "a"


def test_the_same_seed_gives_the_same_rounds_and_each_can_be_watched():
    reader = Reader({"a": 1.0, "b": 0.9, "c": 0.8})
    options = {"quality": {}, "clock": reader.clock(), "seed": 3}
    one, other = (list(rounds(["a", "b", "c"], reader, TRUTH, **options)) for _ in range(2))
    assert [r.standings for r in one] == [r.standings for r in other]
    assert [bool(r.stopped) for r in one] == [False] * (len(one) - 1) + [True]


def test_every_beginning_of_the_order_is_stratified():
    truth = np.repeat([0, 1, 2, 3], [700, 280, 18, 2])
    order = nested_order(truth, 0)
    assert sorted(order) == list(range(1000))
    assert np.bincount(truth[order[:8]]).tolist() == [2, 2, 2, 2]
    shares = np.bincount(truth[order[:200]], minlength=4) / 200
    assert np.abs(shares - np.array([0.7, 0.28, 0.018, 0.002])).max() < 0.02
    assert nested_order(truth, 0).tolist() == order.tolist() != nested_order(truth, 1).tolist()


def test_a_sample_of_numbers_holds_each_tenth():
    truth = np.random.default_rng(0).normal(size=500)
    tenths = np.searchsorted(np.quantile(truth, np.linspace(0.1, 0.9, 9)), truth)
    first = np.bincount(tenths[nested_order(truth, 0)[:100]], minlength=10)
    assert first.min() >= 8


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_names_must_differ_and_be_there(names):
    with pytest.raises(ConfigError):
        halve(names, Reader({"a": 1}), TRUTH, quality={}, clock=Clock())
