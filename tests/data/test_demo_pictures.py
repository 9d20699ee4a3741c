"""The demo's pictures: files in class folders, the bytes that were pinned, drawn by a seed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from tunesmith.core.errors import ConfigError, DataWarning, WeightsError  # noqa: E402
from tunesmith.data import debian  # noqa: E402
from tunesmith.data.demo_pictures import (  # noqa: E402
    CLOTHES,
    INSIDE,
    PACKAGE,
    SHA256,
    clothes,
    digits,
    read_idx,
    write_pictures,
)
from tunesmith.data.read import read  # noqa: E402


def test_without_apts_package_digits_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    with pytest.warns(DataWarning, match="digits take its place: dataset-fashion-mnist is not in"):
        found = write_pictures(tmp_path / "pictures", offline=True)
    train, test = read(str(found.train)), read(str(found.test))
    assert (len(train), len(test)) == (1198, 599)
    assert set(train.values("label")) == set(test.values("label")) == set("0123456789")
    with Image.open(train.values("image")[0]) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (32, 32), "L")
        assert image.getextrema() == pytest.approx((0, 255), abs=40)
    assert "digits" in found.what


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is there already"):
        write_pictures(tmp_path, offline=True)
    assert not list(tmp_path.iterdir())


def test_parts_of_digits_are_drawn_by_the_seed_and_share_no_row() -> None:
    first, again, other = digits(seed=1), digits(seed=1), digits(seed=2)
    assert np.array_equal(first["train"][0], again["train"][0])
    assert not np.array_equal(first["train"][0], other["train"][0])
    assert sum(len(pixels) for pixels, _ in first.values()) == 1797


def test_numbers_are_read_in_the_format_of_mnist(tmp_path: Path) -> None:
    numbers = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    head = bytes([0, 0, 8, 3]) + b"".join(side.to_bytes(4, "big") for side in numbers.shape)
    (tmp_path / "a.gz").write_bytes(gzip.compress(head + numbers.tobytes()))
    assert np.array_equal(read_idx(tmp_path / "a.gz"), numbers)


def test_a_machine_without_apt_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TUNESMITH_OFFLINE", raising=False)
    with pytest.raises(WeightsError, match="there is no apt-get here"):
        debian.unpacked(
            PACKAGE, inside=INSIDE, sha256=SHA256, timeout_seconds=5, offline=False, at=tmp_path
        )


@pytest.mark.weights
def test_clothes_are_the_bytes_that_were_pinned() -> None:
    try:
        parts = clothes(timeout_seconds=120)
    except WeightsError as error:
        pytest.skip(str(error))
    (train, labels), (test, _) = parts["train"], parts["test"]
    assert (train.shape, test.shape) == ((2000, 28, 28), (1000, 28, 28))
    assert set(labels) == set(CLOTHES)
    # Trousers are two bright legs with a dark gap between them, bags have none.
    low = train[:, 22:26, 13:15].mean(axis=(1, 2))
    names = np.array(labels)
    assert np.median(low[names == "trouser"]) < 60 < np.median(low[names == "bag"])
    assert np.array_equal(clothes(offline=True)["train"][0], train)


@pytest.mark.weights
def test_other_bytes_are_not_kept(tmp_path: Path) -> None:
    wrong = {**SHA256, "t10k-labels-idx1-ubyte.gz": "0" * 64}
    with pytest.raises(WeightsError) as told:
        debian.unpacked(
            PACKAGE, inside=INSIDE, sha256=wrong, timeout_seconds=120, offline=False, at=tmp_path
        )
    if "expected 0000" not in str(told.value):
        pytest.skip(str(told.value))
    assert not [name for _, _, names in os.walk(tmp_path) for name in names]
