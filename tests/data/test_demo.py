"""The demo's reviews: the bytes that were pinned, drawn by a seed, no text in both parts."""

from typing import Any

import pytest

from tunesmith.core.errors import ConfigError, WeightsError
from tunesmith.data.demo import clothing_reviews

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module", autouse=True)
def _brought() -> None:
    try:
        clothing_reviews(rows=1, timeout_seconds=120)
    except WeightsError as error:
        pytest.skip(str(error))


def test_the_parts_share_no_text() -> None:
    train, test = clothing_reviews(offline=True)
    assert (len(train), len(test)) == (4000, 2000)
    assert list(train.columns) == ["text", "age", "department", "recommended"]
    assert not set(train["text"]) & set(test["text"])
    assert set(train["recommended"]) == {"yes", "no"}
    assert 0.78 < (train["recommended"] == "yes").mean() < 0.86
    assert train["text"].str.strip().ne("").all()
    assert train["age"].between(15, 110).all()


def test_the_seed_draws_the_rows() -> None:
    first, again, other = (clothing_reviews(50, seed, offline=True)[0] for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("rows", [0, -3, 1_000_000])
def test_there_are_only_so_many_rows(rows: int) -> None:
    with pytest.raises(ConfigError, match=rf"1 to 20\d\d\d rows to train on, not {rows}\."):
        clothing_reviews(rows=rows, offline=True)


def test_offline_with_an_empty_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="tunesmith demo"):
        clothing_reviews(offline=True)
