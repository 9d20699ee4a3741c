"""What the networks inside a model say of one row: its cells as they read them, and their credit
put back into the cells."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted
from tunesmith.core.errors import BudgetError, ConfigError, did_you_mean
from tunesmith.core.explaining import HEATS, Heat, Heats
from tunesmith.core.records import Dataset
from tunesmith.data.pictures import read_bytes
from tunesmith.learners._regularised import Plane
from tunesmith.modalities.inputs import Inputs
from tunesmith.modalities.number import CLIP
from tunesmith.modalities.pictures import open_picture
from tunesmith.zoo.reading import Reader, TextReader

if TYPE_CHECKING:
    import torch

    from tunesmith.nn.saliency import Found, Passage, Seen

Floats = NDArray[np.float64]
OF_GRADIENTS = ("integrated-gradients", "grad-cam")
"""Those of `HEATS` for which captum takes the gradients of a network."""


@dataclass(frozen=True)
class Cell:
    """One content of a row: the `ids` that a network reads, the same where nothing is said or shown
    (`blank`), and where they lie. Of texts each token has the number of its column in `columns`, -1
    where it is of none, and its `spans` of characters in that column's cell, shape (tokens, 2); of
    a picture `size` is its width and height."""

    columns: tuple[str, ...]
    ids: NDArray[Any]
    blank: NDArray[Any]
    owners: NDArray[np.int64] | None = None
    spans: NDArray[np.int64] | None = None
    size: tuple[int, int] = (0, 0)

    @staticmethod
    def of(inputs: Inputs, reader: Reader, length: int, data: Dataset, pad_id: int = 0) -> Cell:
        """What is read of the first row.

        Raises:
            PictureError: Its picture cannot be read.
        """
        content = inputs.contents(data)[0]
        ids = reader.rows([content], length, remember=False)[0]
        if not isinstance(reader, TextReader):
            return _picture(inputs.image_names[0], content, ids)
        blank = reader.tokenizer.mask_id
        return _text(inputs, content, ids, reader, length, data, pad_id if blank is None else blank)

    def heats(self, credits: Floats) -> dict[str, Heat]:
        """Credit of its tokens (tokens,), or of its pixels at any resolution (side, side), by
        column."""
        if self.owners is None or self.spans is None:
            return {self.columns[0]: Heat(_uncropped(credits, self.size))} if self.size[0] else {}
        own = {name: np.flatnonzero(self.owners == n) for n, name in enumerate(self.columns)}
        return {n: Heat(credits[at], self.spans[at]) for n, at in own.items() if len(at)}


def _text(
    inputs: Inputs,
    text: str,
    ids: NDArray[Any],
    reader: TextReader,
    length: int,
    data: Dataset,
    nothing: int,
) -> Cell:
    """Tokens that no cell has a part in (special ones, the names of columns, words that go before)
    stay in the blank: they get no credit."""
    spans = reader.spans(text, length)
    owners, own = np.full(len(ids), -1), np.zeros((len(ids), 2), dtype=np.int64)
    names = inputs.places(data)
    for number, (name, start) in enumerate(names.items()):
        end = start + len(data.values(name)[0])
        inside = np.clip(spans, start, end)
        mine = inside[:, 1] > inside[:, 0]
        owners[mine], own[mine] = number, inside[mine] - start
    return Cell(tuple(names), ids, np.where(owners < 0, ids, nothing), owners, own)


def _picture(name: str, content: str, ids: NDArray[Any]) -> Cell:
    if not content:
        return Cell((name,), ids, ids)
    size = open_picture(read_bytes(content), near=len(ids), name=content).size
    mean = ids.reshape(-1, 3).mean(axis=0).round().astype(ids.dtype)
    return Cell((name,), ids, np.broadcast_to(mean, ids.shape).copy(), size=size)


SMALLEST_MAP = 64
"""Places of the shorter side of a map: of a coarser one its numbers go over into one another."""


def _uncropped(credits: Floats, size: tuple[int, int]) -> Floats:
    """Credit over the whole of a picture of some width and height, of whose shorter side the middle
    square was read (see `modalities/pictures.py`); its sum is kept."""
    square = _smooth(credits, SMALLEST_MAP) if len(credits) < SMALLEST_MAP else credits
    side, (width, height) = len(square), size
    shorter = min(width, height)
    shape = round(side * height / shorter), round(side * width / shorter)
    found = np.zeros(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    found[top : top + side, left : left + side] = square
    return found


def _smooth(credits: Floats, side: int) -> Floats:
    """A map at a higher resolution, linear between the middles of its places, its sum kept."""
    at = np.clip((np.arange(side) + 0.5) * len(credits) / side - 0.5, 0, len(credits) - 1)
    low = np.minimum(at.astype(np.int64), max(0, len(credits) - 2))
    turn = np.zeros((side, len(credits)))
    turn[np.arange(side), low] += 1 - (at - low)
    turn[np.arange(side), np.minimum(low + 1, len(credits) - 1)] += at - low
    # Every place hands out all that it has: sums over one column of `turn` come to one.
    turn /= turn.sum(axis=0)
    return np.asarray(turn @ credits @ turn.T)


@dataclass(frozen=True)
class Insight:
    """A model as one function of one row, whose contents are these cells, and whose numbers beside
    them are of these columns, and `standard(name, values)` is how it is given the values of a
    column of numbers, shape (batch,)."""

    passage: Passage
    cells: tuple[Cell, ...]
    slices: Mapping[str, slice | NDArray[np.int64]]
    standard: Callable[[str, torch.Tensor], torch.Tensor] | None = None

    def heats(self, output: int, method: str, clock: Clock) -> Heats:
        """Credit by column, see `Fitted.heats`.

        Raises:
            BudgetError: The time is over before there is any.
        """
        if clock.is_over():
            raise BudgetError("The time for this explanation is over.")
        found: dict[str, Heat] = {}
        seen = self._found(output, method, clock)
        for cell, credits in zip(self.cells, seen.contents, strict=True):
            found |= {} if credits is None else cell.heats(credits)
        if seen.dense is not None:
            for name, place in self.slices.items():
                found[name] = Heat(np.asarray(seen.dense[place].sum()))
        return Heats(found, seen.change)

    def _found(self, output: int, method: str, clock: Clock) -> Found:
        from tunesmith.nn import saliency

        if method == "integrated-gradients":
            return saliency.integrated_gradients(self.passage, output, clock)
        if method == "grad-cam":
            return saliency.grad_cam(self.passage, output)
        if method == "attention-rollout":
            return saliency.attention_rollout(self.passage)
        raise ConfigError(f"No network gives credit by {method!r}.{did_you_mean(method, HEATS)}")


class Insightful(Fitted):
    """A model of networks that can be looked into."""

    @abstractmethod
    def insight(self, data: Dataset) -> Insight | None:
        """It before the one row of some data; None where it reads nothing of it."""

    @property
    @abstractmethod
    def encoders(self) -> tuple[Any, ...]:
        """Those that read texts and pictures in it."""

    def heat_methods(self) -> frozenset[str]:
        from tunesmith.nn.saliency import methods

        return frozenset().union(*map(methods, self.encoders))

    def heat_packages(self, method: str) -> frozenset[str]:
        has_gradients = method in OF_GRADIENTS and method in self.heat_methods()
        return frozenset({"captum"} if has_gradients else ())

    def heats(
        self, data: Dataset, output: int, method: str, clock: Clock | None = None
    ) -> Heats | None:
        if method in HEATS and method not in self.heat_methods():
            return None
        insight = self.insight(data)
        if insight is None:
            return None
        found = insight.heats(output, method, clock or Clock())
        own = {name: heat for name, heat in found.items() if name in data.names}
        return Heats(own, found.change) if own else None


def answered(
    logits: torch.Tensor,
    classes: Sequence[str],
    *,
    several: bool = False,
    mean: float = 0.0,
    scale: float = 1.0,
) -> torch.Tensor:
    """Logits as they are answered, with the way back open; as `nn/heads.py`."""
    if several:
        return logits.sigmoid()
    return logits.softmax(dim=-1) if classes else logits * scale + mean


def on_plane(plane: Plane) -> Callable[[torch.Tensor], torch.Tensor]:
    """A plane as a function of features (rows, width), with the way back open."""
    import torch

    weights, bias = torch.from_numpy(plane.weights), torch.from_numpy(plane.bias)
    return lambda rows: rows @ weights.to(rows) + bias.to(rows)


def standardised(inputs: Inputs) -> Callable[[str, torch.Tensor], torch.Tensor]:
    """Numbers as `modalities/number.py` makes them, with the way back open."""

    def standard(name: str, values: torch.Tensor) -> torch.Tensor:
        state = inputs.states[name]
        found: torch.Tensor = ((values - state["mean"]) / state["scale"]).clamp(-CLIP, CLIP)
        return found

    return standard


def seen_frozen(cell: Cell, encoder: Any, readout: str) -> Seen:
    """A content that a frozen encoder reads."""
    from tunesmith.nn.saliency import Seen

    return Seen.frozen(encoder, cell.ids, cell.blank, readout)
