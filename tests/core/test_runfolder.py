import json
import os
from pathlib import Path

import pytest

from tunesmith.core import runfolder
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.runfolder import RunFolder, recover_folder, replace_folder


class Crash(BaseException):
    """The process dies here."""


def test_a_file_is_the_old_or_the_new_one(tmp_path, monkeypatch):
    place = tmp_path / "state.bin"
    runfolder.write_bytes(place, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(runfolder.os, "fsync", crash)
        with pytest.raises(Crash):
            runfolder.write_bytes(place, b"new" * 1000)
    assert place.read_bytes() == b"old"
    runfolder.write_bytes(place, b"new")
    assert place.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [place]


def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path, monkeypatch):
    place = tmp_path / "state.bin"
    runfolder.write_bytes(place, b"old")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runfolder.os, "fsync", full)
    with pytest.raises(DataError, match=r"state\.bin: No space left on device\. Free some space"):
        runfolder.write_bytes(place, b"new")
    assert place.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [place]


def test_a_place_that_is_no_folder_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Cannot write"):
        runfolder.write_bytes(tmp_path / "file" / "inner.json", b"")
    with pytest.raises(DataError, match="Cannot make the run folder"):
        RunFolder.create(tmp_path / "file" / "run")


def test_json_is_readable_text_with_null_for_nan(tmp_path):
    place = tmp_path / "a.json"
    runfolder.write_json(place, {"word": "größer", "values": (1, 2)})
    assert "größer" in place.read_text(encoding="utf-8")
    assert json.loads(place.read_text(encoding="utf-8")) == {"word": "größer", "values": [1, 2]}
    runfolder.write_json(place, {"score": float("nan"), "odd": "\udcff"})
    assert json.loads(place.read_text(encoding="utf-8")) == {"score": None, "odd": "\udcff"}


def test_a_new_run_folder_is_known_as_one(tmp_path):
    made = RunFolder.create(tmp_path / "deep" / "run")
    assert made.is_one()
    assert made.trial(7).parent.is_dir()
    assert made.trial(7).name == "0007"
    assert not RunFolder(tmp_path).is_one()


def test_an_empty_folder_becomes_a_run_folder_and_a_full_one_is_left_alone(tmp_path):
    assert RunFolder.create(tmp_path / "run").is_one()
    (tmp_path / "file").write_text("mine")
    for taken in (tmp_path / "run", tmp_path / "file", tmp_path):
        with pytest.raises(ConfigError, match=r"Nothing was overwritten.*--folder"):
            RunFolder.create(taken)
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty").is_one()


def crash(*anything, **more):
    raise Crash


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "model.json").write_text(content)
    return path


def crash_at_rename(patch, count):
    """Let `count` renames pass, then die."""
    real, done = Path.rename, []

    def rename(self, target):
        if len(done) == count:
            raise Crash
        done.append(target)
        return real(self, target)

    patch.setattr(Path, "rename", rename)


def test_a_folder_replaces_another_and_leaves_no_trace(tmp_path):
    place = tmp_path / "best"
    for content in ("first", "second"):
        replace_folder(folder(tmp_path / "new", content), place)
        assert (recover_folder(place) / "model.json").read_text() == content
        assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("count", [0, 1])
def test_a_crash_between_renames_leaves_the_old_folder(tmp_path, monkeypatch, count):
    place = folder(tmp_path / "best", "old")
    with monkeypatch.context() as patch:
        crash_at_rename(patch, count)
        with pytest.raises(Crash):
            replace_folder(folder(tmp_path / "new", "new"), place)
    assert (recover_folder(place) / "model.json").read_text() == "old"


def test_a_second_crash_after_the_first_still_leaves_the_old_folder(tmp_path, monkeypatch):
    place = folder(tmp_path / "best", "old")
    for number, count in enumerate((1, 0)):
        with monkeypatch.context() as patch:
            crash_at_rename(patch, count)
            with pytest.raises(Crash):
                replace_folder(folder(tmp_path / f"new{number}", "new"), place)
        assert (recover_folder(place) / "model.json").read_text() == "old"
    replace_folder(tmp_path / "new1", place)
    assert (recover_folder(place) / "model.json").read_text() == "new"
    assert not (tmp_path / ".best.old").exists()


def test_an_empty_folder_that_was_there_stays_when_the_run_is_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    mine, new = (RunFolder.create(tmp_path / name) for name in ("mine", "new"))
    for made in (mine, new):
        made.trial(1).mkdir()
        made.remove()
    assert [*tmp_path.iterdir()] == [tmp_path / "mine"]
    assert not any((tmp_path / "mine").iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 200_000, "nested too deep"),
        (b"{", "Expecting property name"),
        (b"[1]", "does not hold a JSON object"),
        (b'{"a": "\xff"}', "invalid start byte"),
        (b'{"a": "more bytes than allowed"}', "at most 30"),
    ],
)
def test_json_of_anyone_is_an_object_or_is_refused_with_its_name(tmp_path, content, words):
    place = tmp_path / "a.json"
    place.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.json .*{words}"):
        runfolder.read_json(place, 30 if b"more bytes" in content else runfolder.MOST_TEXT_BYTES)


def test_nothing_but_a_plain_file_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # who opens it waits forever
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "real").write_text('{"a": 1}')
    (tmp_path / "link").symlink_to("real")
    for name in ("pipe", "zero", "."):
        with pytest.raises(DataError, match="not a plain file"):
            runfolder.read_json(tmp_path / name)
    with pytest.raises(DataError, match="No such file"):
        runfolder.read_json(tmp_path / "gone")
    assert runfolder.read_json(tmp_path / "link") == {"a": 1}
