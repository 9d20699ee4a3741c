"""The audit finds what was planted, row by row, and says nothing of clean data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tunesmith.core.records import BadCell, Column, Dataset, Finding, Kind
from tunesmith.data.audit import Audit, audit
from tunesmith.data.duplicates import exact, near, normalise

ROWS = 300
PARTS = {"train": np.arange(200), "valid": np.arange(200, 250), "test": np.arange(250, 300)}
CLASSES = ("bad", "good")
NOBODY = np.empty(0, dtype=np.int64)


def sentences(rows: int = ROWS, words: int = 20, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [" ".join(f"word{n}" for n in line) for line in rng.integers(0, 3_000, (rows, words))]


def dataset(bad: Sequence[BadCell] = (), **columns: tuple[Kind, Any]) -> Dataset:
    cells: dict[str, Any] = {}
    for name, (kind, values) in columns.items():
        if kind in ("number", "date"):
            cells[name] = np.asarray(values)
        else:
            cells[name] = np.empty(len(values), dtype=object)
            cells[name][:] = values
    rows = len(next(iter(cells.values())))
    named = tuple(Column(name, kind, "set") for name, (kind, _) in columns.items())
    return Dataset("data.csv", named, cells, np.arange(2, rows + 2), tuple(bad))


def labels(rows: int = ROWS, classes: int = 2) -> Any:
    return np.random.default_rng(9).permutation(np.arange(rows) % classes)


def look(
    data: Dataset,
    truth: Any = None,
    *,
    classes: tuple[str, ...] = CLASSES,
    inputs: tuple[str, ...] | None = None,
    unlabelled: Any = NOBODY,
    parts: Any = PARTS,
) -> Audit:
    usable = tuple(c.name for c in data.columns if c.kind not in ("identifier", "constant"))
    truth = labels(len(data)) if truth is None else truth
    return audit(
        data,
        "target",
        inputs or usable,
        truth,
        classes,
        parts,
        unlabelled=unlabelled,
        seed=0,
    )


def the(found: Audit, check: str) -> Finding:
    (finding,) = (f for f in found.findings if f.check == check)
    assert not finding.blocking
    return finding


def checks(found: Audit) -> list[str]:
    return [finding.check for finding in found.findings]


def lines(*rows: int) -> tuple[int, ...]:
    return tuple(row + 2 for row in rows)


def test_clean_data_yields_no_finding() -> None:
    rng = np.random.default_rng(1)
    data = dataset(
        text=("text", sentences()),
        age=("number", rng.normal(size=ROWS)),
        shop=("category", [f"shop {n}" for n in rng.integers(0, 8, ROWS)]),
        day=("date", rng.integers(0, 10**9, ROWS).astype("datetime64[s]")),
    )
    for truth, classes in ((labels(), CLASSES), (rng.normal(size=ROWS), ())):
        found = look(data, truth, classes=classes)
        assert found.findings == ()
        assert found.leaked.tolist() == []


def test_leaked_rows_are_found_exactly_and_nearly() -> None:
    texts = sentences()
    texts[210] = f"  {texts[3].upper()} "
    texts[220] = texts[7] + " indeed"
    texts[260] = texts[7].replace(" ", ", ", 3)
    texts[299] = texts[12]
    truth = labels()
    truth[[210, 299]] = truth[[3, 12]]
    found = look(dataset(text=("text", texts)), truth)
    assert found.leaked.tolist() == [210, 220, 260, 299]
    assert found.leaked.dtype == np.int64
    leak = the(found, "leak")
    assert (leak.count, leak.rows) == (4, lines(210, 220, 260, 299))
    assert "2 of 50 valid rows and 2 of 50 test rows" in leak.message
    assert "2 exactly, 2 nearly" in leak.message
    assert checks(found) == ["leak"]


def test_the_same_long_text_leaks_though_another_input_differs() -> None:
    texts = sentences()
    texts[205] = texts[5]
    found = look(dataset(text=("text", texts), age=("number", np.arange(ROWS) % 70 + 0.0)))
    assert found.leaked.tolist() == [205]


def test_texts_that_belong_to_many_rows_do_not_make_them_the_same() -> None:
    texts = sentences(10) * 30
    found = look(dataset(text=("text", texts), price=("number", np.arange(ROWS) + 0.5)))
    assert checks(found) == []


def test_repeats_within_a_part_are_counted_without_the_first() -> None:
    texts, truth = sentences(), labels()
    for row in (50, 60, 199):
        texts[row], truth[row] = texts[20], truth[20]
    texts[251], truth[251] = texts[250], truth[250]
    texts[90] = texts[80] + " more"
    found = look(dataset(text=("text", texts)), truth)
    assert the(found, "exact duplicates").rows == lines(50, 60, 199, 251)
    assert the(found, "near duplicates").rows == lines(90)
    assert checks(found) == ["exact duplicates", "near duplicates"]
    assert found.leaked.tolist() == []


def test_short_texts_are_duplicates_only_where_they_are_the_same() -> None:
    texts = sentences()
    texts[0], texts[1], texts[201] = "very good thing", "very good things", "Very good thing"
    truth = labels()
    truth[201] = truth[0]
    found = look(dataset(text=("text", texts)), truth)
    assert found.leaked.tolist() == [201]
    assert checks(found) == ["leak"]


def test_missing_texts_are_no_duplicates() -> None:
    texts = sentences()
    texts[:20] = texts[200:220] = [None] * 20
    found = look(dataset(text=("text", texts), shop=("category", ["a", "b"] * 150)))
    assert found.findings == ()


def test_the_same_inputs_with_different_labels_conflict() -> None:
    texts, truth = sentences(), labels()
    texts[150], truth[150], truth[40] = texts[40], 0, 1
    found = look(dataset(text=("text", texts)), truth)
    assert the(found, "conflicting labels").rows == lines(40, 150)
    assert the(found, "conflicting labels").count == 2
    assert checks(found) == ["conflicting labels"]
    assert checks(look(dataset(text=("text", texts)), truth + 0.0, classes=())) == []


def test_equal_rows_of_few_categories_are_natural() -> None:
    rng = np.random.default_rng(0)
    names: Any = {f"c{n}": ("category", list(map(str, rng.integers(0, 4, ROWS)))) for n in range(3)}
    found = look(dataset(**names))
    assert found.leaked.tolist() == []
    assert checks(found) == ["exact duplicates"]
    assert "natural" in the(found, "exact duplicates").message


def test_equal_rows_of_many_numbers_are_the_same_row() -> None:
    numbers = np.random.default_rng(0).normal(size=(ROWS, 4))
    numbers[222] = numbers[33]
    columns: Any = {f"n{i}": ("number", numbers[:, i]) for i in range(4)}
    data = dataset(**columns)
    assert look(data).leaked.tolist() == [222]
    assert look(data, inputs=("n0", "n1", "n2")).leaked.tolist() == []


def test_rows_left_out_bad_cells_and_missing_cells_are_told() -> None:
    ages = np.random.default_rng(0).normal(size=ROWS)
    ages[:90] = np.nan
    truth = labels()
    truth[[4, 8]] = -1
    parts = PARTS | {"train": np.setdiff1d(np.arange(200), [4, 8])}
    bad = [BadCell(17, "age", "abc", "a number"), BadCell(40, "", "3 cells", "2 cells")]
    data = dataset(bad, text=("text", sentences()), age=("number", ages))
    found = look(data, truth, parts=parts, unlabelled=np.array([4, 8]))
    assert checks(found) == ["unlabelled", "bad cells", "missing cells"]
    assert the(found, "unlabelled").rows == lines(4, 8)
    assert the(found, "bad cells").rows == (17, 40)
    assert "line 17, column 'age': got 'abc', expected a number" in the(found, "bad cells").message
    missing = the(found, "missing cells")
    assert (missing.count, missing.rows) == (90, lines(*range(20)))
    assert "'age' 30%" in missing.message


def test_columns_left_out_are_told_with_the_reason() -> None:
    data = dataset(
        text=("text", sentences()),
        key=("identifier", [f"k{n}" for n in range(ROWS)]),
        same=("constant", ["x"] * ROWS),
    )
    found = look(data)
    assert checks(found) == ["identifier", "constant"]
    assert "'key'" in the(found, "identifier").message
    assert "'same'" in the(found, "constant").message


def test_single_rows_and_imbalance_name_the_classes() -> None:
    truth = np.zeros(ROWS, dtype=np.int64)
    truth[10:40], truth[77] = 1, 2
    found = look(dataset(text=("text", sentences())), truth, classes=("a", "b", "rare"))
    assert the(found, "single-row classes").rows == lines(77)
    assert "'rare'" in the(found, "single-row classes").message
    assert "'a' has 269 rows, 'rare' 1 " in the(found, "imbalance").message
    balanced = look(dataset(text=("text", sentences())), np.arange(ROWS) % 10 // 9)
    assert checks(balanced) == []


def leaky(kind: str, truth: Any) -> Any:
    if kind == "category":
        return ["yes" if code else "no" for code in truth]
    number = truth + np.random.default_rng(0).uniform(0, 0.9, ROWS)
    return number if kind == "number" else (number * 10**6).astype("datetime64[s]")


@pytest.mark.parametrize("kind", ["category", "number", "date"])
def test_a_column_that_tells_the_label_is_a_giveaway(kind: Kind) -> None:
    truth = labels()
    data = dataset(text=("text", sentences()), hint=(kind, leaky(kind, truth)))
    found = look(data, truth)
    assert checks(found) == ["giveaway"]
    assert "'hint' alone gives 'target' away" in the(found, "giveaway").message
    honest = dataset(text=("text", sentences()), hint=(kind, leaky(kind, labels()[::-1])))
    assert checks(look(honest, truth)) == []


def test_a_category_of_many_levels_or_a_majority_is_no_giveaway() -> None:
    levels = [f"level {n}" for n in range(ROWS)]
    assert checks(look(dataset(a=("category", levels)))) == []
    truth = np.zeros(ROWS, dtype=np.int64)
    truth[0] = 1
    found = look(dataset(a=("category", list(map(str, np.arange(ROWS) % 5)))), truth)
    assert "giveaway" not in checks(found)


def test_a_number_that_follows_the_target_is_a_giveaway() -> None:
    target = np.random.default_rng(0).lognormal(size=ROWS)
    noisy = target + np.random.default_rng(1).normal(size=ROWS)
    for hint in (target * 3 + 1, -np.log(target)):
        found = look(dataset(hint=("number", hint), n=("number", noisy)), target, classes=())
        assert checks(found) == ["giveaway"]
        assert "'hint'" in the(found, "giveaway").message


def test_a_text_that_holds_its_own_label_is_a_giveaway() -> None:
    truth = labels()
    texts = [f"{s} is {CLASSES[c].title()}" for s, c in zip(sentences(), truth, strict=True)]
    assert checks(look(dataset(text=("text", texts)), truth)) == ["giveaway"]
    both = [f"{text} bad or good" for text in texts]
    assert checks(look(dataset(text=("text", both)), truth)) == []


def test_near_finds_what_a_full_comparison_finds() -> None:
    rng = np.random.default_rng(5)
    texts = sentences(400, 30)
    for row in range(100):
        words = texts[row].split()
        for place in rng.integers(0, 30, row % 4 + 1):
            words[place] = f"other{row}"
        texts[399 - row] = " ".join(words)
    runs = [set(zip(w, w[1:], w[2:], strict=False)) for w in (t.split() for t in texts)]
    truly = {
        (a, b)
        for a in range(400)
        for b in range(a + 1, 400)
        if len(runs[a] & runs[b]) >= 0.8 * len(runs[a] | runs[b])
    }
    assert len(truly) > 20
    assert set(map(tuple, near(texts).tolist())) == truly


def test_near_compares_letters_where_words_are_few_or_unspaced() -> None:
    texts = [
        "where is my new card please",
        "where is my new card, please",
        "how do i top up by transfer",
        "今日はとても天気がいいので散歩に行きましょう",
        "今日はとても天気がいいので散歩に行きましょうか",
        "good one",
        "good one!",
    ]
    assert near(texts).tolist() == [[0, 1], [3, 4]]
    assert near([]).shape == near(["one"]).shape == (0, 2)


def test_many_copies_of_one_text_stay_cheap() -> None:
    texts = [f"{'the same long beginning of every letter we send out ' * 4}{n}" for n in range(999)]
    pairs = near(texts)
    assert set(pairs.ravel().tolist()) == set(range(999))
    assert len(pairs) < 999 * 40


def test_exact_and_normalise_say_what_is_the_same() -> None:
    assert exact(["a", "b", "a", "c", "b"]).tolist() == [0, 1, 0, 2, 1]
    assert normalise("  Straße\n\tX ") == "strasse x"
