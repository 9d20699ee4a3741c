"""A saved model opens as it was saved, or not at all."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import UnsafeArtifact
from tunesmith.core.records import Problem
from tunesmith.learners import learners
from tunesmith.pipeline import artifact
from tunesmith.pipeline.artifact import Member


@pytest.fixture
def saved(problem: Problem, tmp_path: Path) -> Path:
    """An artifact of two members."""
    members = []
    for name, weight in (("linear", 0.75), ("majority", 0.25)):
        learner = learners[name]
        watch = Watch(Clock(), lambda score, progress: True)
        folder = tmp_path / name
        folder.mkdir()
        learner.fit(problem, learner.config(), 0, watch).save(folder)
        members.append(Member(name, "", folder, weight, 1))
    artifact.save(tmp_path / "made", problem, members, {"test": 1.0}, {"score": 0.5})
    return tmp_path / "made"


def test_it_answers_with_the_weighted_mean_of_its_members(saved: Path, problem: Problem) -> None:
    model = artifact.load(saved)
    data = problem.part("test")
    parts = [fitted.predict(data).array() for fitted, _ in model.members]
    wanted = 0.75 * parts[0] + 0.25 * parts[1]
    assert np.allclose(model.predict(data).array(), wanted)
    assert [column.name for column in model.inputs] == ["text", "age", "shop"]


def test_it_holds_text_and_numbers_only(saved: Path) -> None:
    endings = {file.suffix for file in saved.rglob("*") if file.is_file()}
    assert endings == {".json", ".safetensors"}


def change_a_byte(folder: Path) -> None:
    file = folder / "members" / "0" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.unlink()
    file.write_bytes(content)


def remove_a_file(folder: Path) -> None:
    (folder / "metrics.json").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "more.py").write_text("print('hello')")


def cut_a_file(folder: Path) -> None:
    (folder / "predictor.json").write_text("{")


def link_a_file(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/hostname")


def name_a_file_outside(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../../secret"] = {"bytes": 1, "sha256": ""}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def link_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").symlink_to("/dev/zero")


def link_a_folder(folder: Path) -> None:
    (folder / "members" / "2").symlink_to(folder / "members" / "0")


def pipe_a_file(folder: Path) -> None:
    (folder / "metrics.json").unlink()
    os.mkfifo(folder / "metrics.json")


def pipe_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")


def bind_a_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path may have 107 bytes
        try:
            made.bind("socket")
        finally:
            os.chdir(here)


def drop_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    "harm",
    [
        change_a_byte,
        remove_a_file,
        add_a_file,
        cut_a_file,
        link_a_file,
        name_a_file_outside,
        drop_the_manifest,
        link_the_manifest,
        link_a_folder,
        pipe_a_file,
        pipe_the_manifest,
        bind_a_socket,
    ],
)
def test_whatever_was_changed_is_refused(saved: Path, harm: Callable[[Path], None]) -> None:
    harm(saved)
    with pytest.raises(UnsafeArtifact, match="Take it again from where it was saved"):
        artifact.load(saved)


def sealed(folder: Path) -> None:
    """Write a manifest that fits whatever lies there."""
    files = artifact._hashes(folder)
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))


def test_answers_that_are_not_those_of_the_golden_rows_are_refused(saved: Path) -> None:
    golden = json.loads((saved / "golden.json").read_text())
    golden["answers"] = [[1 - a, 1 - b] for a, b in golden["answers"]]
    (saved / "golden.json").write_text(json.dumps(golden))
    sealed(saved)
    with pytest.raises(UnsafeArtifact, match="golden rows"):
        artifact.load(saved)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("format", 99, "format 99"), ("columns", None, "does not hold")],
)
def test_a_spec_of_another_kind_is_refused(
    saved: Path, field: str, value: object, words: str
) -> None:
    spec = json.loads((saved / "predictor.json").read_text())
    (saved / "predictor.json").write_text(json.dumps(spec | {field: value}))
    sealed(saved)
    with pytest.raises(UnsafeArtifact, match=words):
        artifact.load(saved)


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "predictor.json", "golden.json", *(f"members/{n}/model.json" for n in "01")],
)
@pytest.mark.parametrize("content", ["[" * 200_000, "[]", "\x00", "{"])
def test_json_that_is_none_is_refused_by_its_name(saved: Path, name: str, content: str) -> None:
    (saved / name).unlink()
    (saved / name).write_text(content)
    if name != "manifest.json":
        sealed(saved)
    with pytest.raises(UnsafeArtifact, match=rf"{name} .*Take it again"):
        artifact.load(saved)


def longer_than_the_file(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + bytes(8)


@pytest.mark.parametrize(
    "content",
    [
        longer_than_the_file(b'{"w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}'),
        (2**62).to_bytes(8, "little") + b"{}",
        longer_than_the_file(b"[" * 100_000),
        b"",
    ],
)
def test_tensors_that_are_not_all_there_are_refused_by_their_name(
    saved: Path, content: bytes
) -> None:
    file = saved / "members" / "0" / "model.safetensors"
    file.unlink()
    file.write_bytes(content)
    sealed(saved)
    words = r"model\.safetensors is not a whole safetensors file.*Take it again"
    with pytest.raises(UnsafeArtifact, match=words):
        artifact.load(saved)


def test_a_forged_config_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    config = {"model_type": "bert", "hidden_size": 4_800_000}
    (tmp_path / "members" / "0").mkdir(parents=True)
    (tmp_path / "members" / "0" / "config.json").write_text(json.dumps(config))
    state = {"shape": {}, "classes": [], "reads": "text"}
    (tmp_path / "members" / "0" / "model.json").write_text(json.dumps(state))
    tensors = {"w": np.ones(3, np.float32)}
    save_file(tensors, tmp_path / "members" / "0" / "network.safetensors")
    member = {"learner": "neural", "version": learners["neural"].version, "weight": 1.0}
    (tmp_path / "predictor.json").write_text(json.dumps({"format": 1, "members": [member]}))
    sealed(tmp_path)
    with pytest.raises(UnsafeArtifact, match=r"config\.json asks for a network of .*Take it again"):
        artifact.load(tmp_path)
