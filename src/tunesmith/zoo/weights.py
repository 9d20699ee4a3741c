"""The weights of a checkpoint folder: read, copied, told apart and shared, whatever they are of."""

from __future__ import annotations

import hashlib
import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import WeightsError
from tunesmith.core.runfolder import cannot_write

OWN_FILE = "encoder.safetensors"
"""The weights of an encoder that is as it came, in a saved model."""
READING = ("preprocessor_config.json", "processor_config.json")
"""Files that say how a network's pictures are read."""
MOST_BESIDE = 1.5
"""How often the bytes of an encoder a file may have that is copied for it: a classifier is beside
it, not the part of another kind of input."""
ROOM_BYTES = 64 * 1024**2
"""What a network may hold beside its weights: a pooler, position ids, turned angles."""
CONVERT = (
    "Only safetensors are read, never pickles: convert with "
    "`AutoModel.from_pretrained(FOLDER).save_pretrained(NEW, safe_serialization=True)`."
)


def weight_files(folder: Path, pattern: str = "*.safetensors") -> list[Path]:
    """The files of weights of a checkpoint folder, in order.

    Raises:
        WeightsError: There are none.
    """
    files = sorted(file for file in folder.glob(pattern) if file.is_file())
    if not files:
        raise WeightsError(f"{folder} holds no *.safetensors. {CONVERT}")
    return files


def read_tensors(folder: Path, pattern: str = "*.safetensors") -> dict[str, Any]:
    """Every tensor of the files of weights of a folder, by name.

    Raises:
        WeightsError: There are none, or a file is not whole.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for file in weight_files(folder, pattern):
        try:
            found |= load_file(file)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{file} is not a whole safetensors file: {error}.") from error
    return found


def refuse_larger(folder: Path, asked_bytes: int) -> None:
    """Refuse a network that a config.json asks for where it is larger than the weights beside it
    can be.

    Raises:
        WeightsError: It is.
    """
    held = sum(file.stat().st_size for file in weight_files(folder))
    if asked_bytes > 4 * held + ROOM_BYTES:  # one byte of a weight becomes four at most
        raise WeightsError(
            f"{folder / 'config.json'} asks for a network of {asked_bytes:,} bytes; the weights "
            f"beside it have {held:,}."
        )


@dataclass(frozen=True)
class Source:
    """The one file that weights came from, as it was when they were read."""

    path: Path
    size_bytes: int
    changed_ns: int

    @staticmethod
    def of(path: Path) -> Source:
        facts = path.stat()
        return Source(path, facts.st_size, facts.st_mtime_ns)

    def is_unchanged(self) -> bool:
        try:
            return Source.of(self.path) == self
        except OSError:
            return False


def write(encoder: Any, folder: Path, source: Source | None) -> None:
    """Write the weights of an encoder that is as it came: the bytes of the file it came from, or
    from memory where that was not one file, is not as it was, or holds much else."""
    most = MOST_BESIDE * sum(value.nbytes for value in encoder.model.state_dict().values())
    if source is not None and source.size_bytes <= most and source.is_unchanged():
        try:
            shutil.copyfile(source.path, folder / OWN_FILE)
        except OSError as error:
            if source.is_unchanged():
                raise cannot_write(folder / OWN_FILE, error) from error
        else:
            if source.is_unchanged():
                return
    from safetensors.torch import save_file

    save_file(tensors(encoder), folder / OWN_FILE)


def only_file(folder: Path) -> Source | None:
    """The file of weights of a checkpoint folder, where it is but one."""
    files = weight_files(folder)
    return Source.of(files[0]) if len(files) == 1 else None


def fingerprint(folder: Path, pattern: str = "*.safetensors") -> str:
    """The sha256 of all that decides what the network of a checkpoint folder answers: its config,
    how its pictures are normalised, and its weights."""
    told = hashlib.sha256()
    beside = [folder / name for name in READING if (folder / name).is_file()]
    for file in (folder / "config.json", *beside, *weight_files(folder, pattern)):
        with file.open("rb") as stream:
            told.update(hashlib.file_digest(stream, "sha256").digest())
    return told.hexdigest()


def tensors(encoder: Any) -> dict[str, Any]:
    """Every weight of the network, on the CPU, ready for safetensors."""
    return {
        name: value.detach().cpu().contiguous().clone()
        for name, value in encoder.model.state_dict().items()
    }


_RESTORED: weakref.WeakValueDictionary[tuple[Any, ...], Any] = weakref.WeakValueDictionary()


def restored(folder: Path, load: Callable[[Path, str], Any]) -> Any:
    """The network that was saved with `write` beside a config.json, on the fastest device. Models
    that are open together and were saved with one and the same file share it: it is not trained.

    Raises:
        WeightsError: They are missing or do not fit.
    """
    from tunesmith.nn import devices

    key = _identity(folder)
    opened = _RESTORED.get(key)
    if opened is None:
        opened = _RESTORED[key] = load(folder, OWN_FILE).to(devices.device()).eval()
    return opened


def _identity(folder: Path) -> tuple[Any, ...]:
    """What two folders have in common whose weights are one file, unchanged, of one config."""
    try:
        facts = (folder / OWN_FILE).stat()
        config = (folder / "config.json").read_bytes()
    except OSError:
        return (folder,)  # what is missing is said by who reads it
    return (facts.st_dev, facts.st_ino, facts.st_mtime_ns, config)
