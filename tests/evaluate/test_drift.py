"""New rows like the old ones raise no alarm; those that changed do, in words, from a small JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tunesmith.core.records import Column, Dataset, Kind
from tunesmith.evaluate.drift import Shift, distinction, shifts
from tunesmith.evaluate.feature_sample import FeatureSample
from tunesmith.evaluate.profile import MOST_BYTES, Profile, codes, seen

KINDS: dict[str, Kind] = {"age": "number", "shop": "category", "day": "date", "said": "text"}
COLUMNS = tuple(Column(name, kind, "") for name, kind in KINDS.items())
WORDS = np.array(["size", "soft", "red", "long", "fits", "cheap", "warm", "blue"])


def rows_of(seed: int, rows: int = 600) -> Dataset:
    dice = np.random.default_rng(seed)
    days = np.datetime64("2024-01-01", "s") + dice.integers(0, 365 * 86_400, rows)
    texts = [" ".join(dice.choice(WORDS, dice.integers(2, 7))) for _ in range(rows)]
    cells: dict[str, Any] = {
        "age": np.where(dice.random(rows) < 0.05, np.nan, dice.normal(40, 10, rows)),
        "shop": dice.choice(np.array(["north", "south", "east", None], dtype=object), rows),
        "day": days,
        "said": np.array(texts, dtype=object),
    }
    return Dataset("made", COLUMNS, cells, np.arange(rows) + 2)


def with_cells(data: Dataset, **cells: Any) -> Dataset:
    return replace(data, cells={**data.cells, **cells})


@pytest.fixture(scope="module")
def profile() -> Profile:
    """As it is read back."""
    told = Profile.of(rows_of(0, 1_500), COLUMNS, None).written()
    return Profile.restore(json.loads(told))


def compared(profile: Profile, data: Dataset) -> dict[str, Shift]:
    found = {(one.column, one.about): one for one in seen(data, COLUMNS, 0)}
    return {one.name: one for one in shifts(profile.each, found)}


def test_rows_of_the_same_kind_raise_no_alarm(profile: Profile) -> None:
    alarms = 0
    for seed in range(1, 21):
        alarms += any(one.drifted for one in compared(profile, rows_of(seed)).values())
    assert alarms <= 1


def test_each_kind_of_change_is_told_in_words(profile: Profile) -> None:
    data = rows_of(1)
    shop, age, said = (data.values(name).copy() for name in ("shop", "age", "said"))
    shop[:120] = "web"
    late = np.array([f"{text} refund refund" for text in said], dtype=object)
    told = compared(profile, with_cells(data, age=age + 14, shop=shop, said=late))
    assert told["age"].said.startswith("median 4")
    assert " -> 5" in told["age"].said
    assert told["shop"].new_levels == ("web",)
    assert told["shop"].said.endswith("% of rows have a level that is new ('web')")
    assert told["said: words"].drifted
    assert told["said: words in texts"].said.startswith("'refund' in at most 0% -> 100%")
    drifted = {name for name, one in told.items() if one.drifted}
    assert {"age", "shop", "said: words"} <= drifted
    assert "day" not in drifted


def test_missing_cells_and_later_dates_are_a_change(profile: Profile) -> None:
    data = rows_of(2)
    age = np.where(np.arange(len(data)) % 3 == 0, np.nan, data.values("age"))
    told = compared(profile, with_cells(data, age=age, day=data.values("day") + 200 * 86_400))
    assert told["age: missing cells"].drifted
    assert "missing in 5% -> " in told["age: missing cells"].said
    assert "2024-01-01 to 2024-12-30 -> 2024-07" in told["day"].said
    assert "outside of what was seen" in told["day"].said


def test_of_a_large_table_what_is_small_is_no_drift() -> None:
    dice = np.random.default_rng(0)
    column = Column("age", "number", "")
    old, new = (
        Dataset("made", (column,), {"age": dice.normal(middle, 10, 20_000)}, np.arange(20_000))
        for middle in (40.0, 41.5)
    )
    each = Profile.of(old, (column,), None).each
    (told,) = shifts(each, {("age", "value"): seen(new, (column,), 0)[0]})
    assert told.corrected < 1e-9
    assert not told.drifted


def test_rows_that_only_go_together_otherwise_are_told_from_old_ones(profile: Profile) -> None:
    """Each column is as it was; that age and day rise together is new."""
    data = rows_of(4, 1_000)
    order = np.argsort(data.values("age"))
    days = data.values("day").copy()
    days[order] = np.sort(days)
    changed = with_cells(data, day=days)
    assert not compared(profile, changed)["day"].drifted

    def told(rows: Dataset) -> Any:
        new = codes(profile.each, seen(rows, COLUMNS, 0))
        return distinction(profile.sample, new, "columns")

    assert told(changed).distinct
    assert told(changed).low > 0.6
    same = told(data)
    assert not same.distinct
    assert same.low < 0.55


def test_it_is_small_and_holds_no_text_of_a_row() -> None:
    columns = tuple(Column(f"c{i}", "number", "") for i in range(60)) + COLUMNS
    dice = np.random.default_rng(0)
    data = rows_of(5, 2_000)
    said = data.values("said").copy()
    said[7] = "my secret is xyzzy 12345"
    shop = data.values("shop").copy()
    shop[7] = "Jane Doe"
    cells = {**data.cells, "said": said, "shop": shop}
    cells |= {f"c{i}": dice.normal(size=2_000) for i in range(60)}
    wide = Dataset("made", columns, cells, data.lines)
    told = Profile.of(wide, columns, None).written()
    assert len(told) < MOST_BYTES
    assert b"xyzzy" not in told
    assert b"Jane" not in told
    assert b"size soft" not in told


def test_features_are_kept_in_coarse_steps_and_tell_a_shift() -> None:
    dice = np.random.default_rng(0)
    old, same = dice.normal(size=(300, 96)), dice.normal(size=(500, 96))
    kept = FeatureSample.restore(json.loads(json.dumps(FeatureSample.of(old).told())))
    before = kept.rows.astype(float)

    def told(new: np.ndarray) -> Any:
        return distinction(before, kept.steps(new).astype(float), "features", is_dense=True)

    assert told(same + 0.5 * (np.arange(96) % 3 == 0)).distinct
    assert not told(same).distinct
    with pytest.raises(ValueError, match="width"):
        kept.steps(old[:, :5])


def test_few_rows_are_not_compared_as_a_whole() -> None:
    assert distinction(np.zeros((400, 3)), np.zeros((20, 3)), "columns") is None


@pytest.mark.parametrize("told", [{}, {"format": 9}, {"format": 1, "rows": 1, "properties": [3]}])
def test_what_is_no_profile_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Profile.restore(told)


def test_texts_without_a_word_are_compared_too() -> None:
    column = Column("said", "text", "")
    cells = np.array(["!?"] * 60, dtype=object)
    data = Dataset("made", (column,), {"said": cells}, np.arange(60))
    each = Profile.of(data, (column,), None).each
    found = {(one.column, one.about): one for one in seen(data, (column,), 0)}
    assert not any(one.drifted for one in shifts(each, found))
