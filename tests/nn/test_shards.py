"""The files of the activation store: whole or not at all, shared, within their limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tunesmith.nn import shards
from tunesmith.nn.shards import Store, StoreError, as_floats, as_stored

GIB = 2**30


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def row(number: int, tokens: int = 3, width: int = 4) -> np.ndarray:
    return np.full((tokens, width), number, dtype=np.float16)


def filled(folder: Path, numbers: range, most_bytes: int = GIB, name: str = "a") -> Store:
    store = Store(folder, most_bytes)
    space = store.space(name, {"what": "test"})
    for number in numbers:
        space.put(key(number), row(number, tokens=1 + number % 5))
    space.flush()
    return store


def test_rows_come_back_as_they_were_in_another_process(tmp_path: Path) -> None:
    filled(tmp_path, range(50))
    space = Store(tmp_path, GIB).space("a", {})
    assert space.missing([key(i) for i in range(60)]) == list(range(50, 60))
    for number in range(50):
        assert np.array_equal(space.get(key(number)), row(number, tokens=1 + number % 5))


def test_numbers_too_large_for_fp16_are_kept_as_bf16() -> None:
    large = np.array([[1e6, -3.0, 0.1]], dtype=np.float32)
    assert as_stored(large).dtype == np.uint16
    assert np.allclose(as_floats(as_stored(large)), large, rtol=2**-8)
    small = np.array([[0.1, 2.0]], dtype=np.float32)
    assert as_stored(small).dtype == np.float16
    assert np.allclose(as_floats(as_stored(small)), small, rtol=2**-11)


def test_a_store_of_both_kinds_is_read_whole(tmp_path: Path) -> None:
    store = Store(tmp_path, GIB)
    space = store.space("a", {})
    space.put(key(1), as_stored(np.array([[1e6]], dtype=np.float32)))
    space.put(key(2), as_stored(np.array([[2.0]], dtype=np.float32)))
    space.flush()
    again = Store(tmp_path, GIB).space("a", {})
    assert again.missing([key(1), key(2)]) == []
    assert as_floats(again.get(key(2)))[0, 0] == 2.0
    assert abs(as_floats(again.get(key(1)))[0, 0] - 1e6) < 4000


@pytest.mark.parametrize("place", [3, 20, 70, 200, -5])
def test_a_flipped_byte_is_noticed_and_the_rows_are_missing(tmp_path: Path, place: int) -> None:
    filled(tmp_path, range(20))
    (file,) = tmp_path.rglob("*.shard")
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(content)
    store = Store(tmp_path, GIB)
    space = store.space("a", {})
    assert len(space.missing([key(i) for i in range(20)])) == 20
    assert store.counts.broken_shards == 1
    assert not file.exists()


@pytest.mark.parametrize("kept", [0, 10, 64, 300, -1])
def test_a_shard_cut_short_is_noticed(tmp_path: Path, kept: int) -> None:
    filled(tmp_path, range(20))
    (file,) = tmp_path.rglob("*.shard")
    file.write_bytes(file.read_bytes()[:kept])
    space = Store(tmp_path, GIB).space("a", {})
    assert len(space.missing([key(i) for i in range(20)])) == 20


def test_a_reader_sees_what_another_writes_meanwhile(tmp_path: Path) -> None:
    reader = Store(tmp_path, GIB).space("a", {})
    assert reader.missing([key(1)]) == [0]
    filled(tmp_path, range(5))
    assert reader.missing([key(1)]) == []
    assert reader.get(key(1))[0, 0] == 1


def test_the_folder_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    place = tmp_path / "store"
    store = filled(place, range(5))
    store.clear()
    space = store.space("a", {})
    assert space.missing([key(1)]) == [0]
    space.put(key(1), row(1))
    space.flush()
    assert Store(place, GIB).space("a", {}).missing([key(1)]) == []


def test_the_least_recently_used_is_evicted_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    for name in ("old", "older", "used"):
        filled(tmp_path, range(40), name=name)
    size = Store(tmp_path, GIB).size_bytes()
    now = time.time()
    for file in tmp_path.rglob("*.shard"):
        age = {"old": 100, "older": 200, "used": 300}[file.parent.name]
        os.utime(file, (now - age, now - age))
    store = Store(tmp_path, size + 10)
    assert store.space("used", {}).missing([key(1)]) == []
    new = store.space("new", {})
    for number in range(10):
        new.put(key(number), row(number))
    new.flush()
    left = {file.parent.name for file in tmp_path.rglob("*.shard")}
    assert left == {"old", "used", "new"}
    assert store.counts.evicted_shards == 1


def test_what_does_not_fit_is_refused_once_and_kept_in_memory(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)
    space = store.space("a", {})
    space.put(key(1), row(1, tokens=50))
    with pytest.raises(StoreError, match="limit"):
        space.flush()
    assert space.get(key(1))[0, 0] == 1
    space.put(key(2), row(2))
    space.flush()
    assert space.missing([key(1), key(2)]) == []
    assert store.room_bytes() == 0


def test_a_full_disk_is_told_and_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A file that takes ten bytes."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(bytes(content)[:10])
            raise OSError(28, "No space left on device")

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", **k: (
            Full(opened(self, mode, **k)) if ".shard" in self.name else opened(self, mode, **k)
        ),
    )
    space = Store(tmp_path, GIB).space("a", {})
    space.put(key(1), row(1))
    with pytest.raises(StoreError, match="No space left"):
        space.flush()
    assert not list(tmp_path.rglob("*shard*"))


WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from tunesmith.nn import shards
shards.SHARD_BYTES = 40_000
store = shards.Store(Path(sys.argv[1]), 2**30)
space = store.space("a", {})
first, count = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + count):
    space.put(number.to_bytes(16, "big"), np.full((1 + number % 5, 64), number % 1000, np.float16))
    if number == first + 200:
        print("going", flush=True)
space.flush()
"""


def writer(folder: Path, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_killed_while_writing_the_store_holds_only_whole_rows(tmp_path: Path) -> None:
    process = writer(tmp_path, 0, 10_000_000)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = Store(tmp_path, GIB)
    space, keys = store.space("a", {}), [key(i) for i in range(2000)]
    new = set(space.missing(keys))
    assert len(new) < 2000
    assert store.counts.broken_shards == 0
    for number in set(range(2000)) - new:
        found = space.get(key(number))
        assert found.shape == (1 + number % 5, 64)
        assert (found == number % 1000).all()


def test_two_processes_fill_it_at_once(tmp_path: Path) -> None:
    both = [writer(tmp_path, first, 2000) for first in (0, 1000)]
    assert [process.wait() for process in both] == [0, 0]
    space = Store(tmp_path, GIB).space("a", {})
    assert space.missing([key(i) for i in range(3000)]) == []
    assert all((space.get(key(i)) == i % 1000).all() for i in range(0, 3000, 7))


def test_leftovers_of_killed_processes_are_swept_when_they_are_old(tmp_path: Path) -> None:
    filled(tmp_path, range(3))
    old, new = (tmp_path / "a" / f".{name}.shard.1.new" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"part")
    os.utime(old, (0, 0))
    Store(tmp_path, GIB)
    assert not old.exists()
    assert new.exists()


def test_in_memory_it_keeps_to_its_limit() -> None:
    store = Store(None, 100)
    space = store.space("a", {})
    space.put(key(1), row(1))
    assert space.missing([key(1), key(2)]) == [1]
    with pytest.raises(StoreError, match="limit"):
        space.put(key(2), row(2, tokens=50))


def test_the_default_limit_is_a_share_of_the_free_disk(tmp_path: Path) -> None:
    assert 0 < shards.default_bytes(tmp_path) <= shards.MOST_BYTES
    assert shards.default_bytes(tmp_path / "not" / "there") > 0
