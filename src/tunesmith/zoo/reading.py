"""How the contents of a row become what a network reads: ids of a text, pixels of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.runfolder import write_bytes, write_json
from tunesmith.zoo import encoders, pictures
from tunesmith.zoo.encoders import Tokenizer


class Reader(Protocol):
    """What stands between the cells of a column and a network."""

    @property
    def kind(self) -> str:
        """The kind of column it reads: "text" or "image"."""
        ...

    def length(self, encoder: Any, config: Any) -> int:
        """Of a learner's config: tokens of a text, or pixels of a picture's side, that are read."""
        ...

    def rows(self, contents: Sequence[str], length: int, *, remember: bool) -> list[NDArray[Any]]:
        """Each row as the network wants it. A fit remembers what costs something, for the next
        trial to use; a model that answers keeps nothing of what it is asked."""
        ...

    def save(self, encoder: Any, folder: Path) -> None:
        """Write what `restored` needs beside the weights: the shape of the network, and how to
        read."""
        ...


@dataclass(frozen=True)
class TextReader:
    """Texts as token ids, shape (tokens,), cut to a length."""

    tokenizer: Tokenizer
    kind: str = "text"

    def length(self, encoder: Any, config: Any) -> int:
        return min(int(config.max_length), int(encoder.max_tokens))

    def rows(self, contents: Sequence[str], length: int, *, remember: bool) -> list[NDArray[Any]]:
        from tunesmith.nn.tokens import TOKENS, cut

        if remember:
            found = TOKENS.ids(self.tokenizer.key, self.tokenizer.encode, contents)
        else:
            ids = self.tokenizer.encode(list(contents))
            found = [np.asarray(one, dtype=np.int32) for one in ids]
        return [cut(one, length) for one in found]

    def spans(self, text: str, length: int) -> NDArray[np.int64]:
        """The characters of a text that each of its ids stands for, shape (tokens, 2); (0, 0) of
        one that stands for none."""
        found = np.array(self.tokenizer.spans(text), dtype=np.int64)
        return found if len(found) <= length else np.concatenate([found[: length - 1], found[-1:]])

    def save(self, encoder: Any, folder: Path) -> None:
        write_json(folder / "config.json", encoder.model.config.to_dict())
        write_bytes(folder / "tokenizer.json", self.tokenizer.spec.encode())


@dataclass(frozen=True)
class PictureReader:
    """Pictures as pixels of 0 to 255, shape (side, side, 3); one that is missing is grey."""

    kind: str = "image"

    def length(self, encoder: Any, config: Any) -> int:
        return int(encoder.readable(int(config.size) or encoder.size))

    def rows(self, contents: Sequence[str], length: int, *, remember: bool) -> list[NDArray[Any]]:
        from tunesmith.modalities.pictures import views

        found, _ = views([content or None for content in contents], length, keep=remember)
        return list(found)

    def save(self, encoder: Any, folder: Path) -> None:
        pictures.save_shape(encoder, folder)


def reader_of(folder: Path, kind: str) -> Reader:
    """How the input of a network that was saved in a folder is read.

    Raises:
        WeightsError: Something is missing or does not fit.
    """
    return PictureReader() if kind == "image" else TextReader(encoders.read_tokenizer(folder))


def restored(folder: Path, kind: str) -> Any:
    """The encoder that was saved in a folder as it came, shared and not to be trained.

    Raises:
        WeightsError: Something is missing or does not fit.
    """
    return pictures.restore(folder) if kind == "image" else encoders.restore(folder)


def shaped(folder: Path, kind: str) -> Any:
    """An encoder of the shape that a folder describes, whose weights are about to be set.

    Raises:
        WeightsError: No network known here has that shape.
    """
    if kind == "image":
        return pictures.shaped(folder)
    return encoders.blank(encoders.read_config(folder))


def loaded(folder: Path, kind: str, file: str = "*.safetensors") -> Any:
    """An encoder with the weights of a folder, or of one file in it; nobody else has it.

    Raises:
        WeightsError: Weights are missing or do not fit.
    """
    return pictures.load(folder, file) if kind == "image" else encoders.load(folder, file)
