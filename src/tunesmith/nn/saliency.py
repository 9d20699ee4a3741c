"""Credit for one answer by the inside of the networks that gave it.

A `Passage` is a model as one function: what each encoder's stem makes of a content, and the numbers
beside it, to the answer, with the way back open. Imports torch: import this file where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, need
from tunesmith.nn import devices
from tunesmith.nn.features import QUARTERS, AnyEncoder, lowest, reading, vectors
from tunesmith.nn.network import Network
from tunesmith.nn.picture_encoder import PictureEncoder
from tunesmith.nn.rollout import rolled_out

POINTS, MOST_POINTS = 6, 240
"""Of a piece of the way from nothing to the row, at which gradients are taken; and of all of it."""
NEAR = 0.02
"""By what share of the difference that they explain credits may miss it."""
LEAST = 1e-3
"""Of the answer: a smaller difference need not be met."""
POINTS_OF_NUMBERS, MOST_OF_NUMBERS = 48, 1_920
"""The same where nothing is read but numbers: these cost little, and one of many bins bends in
each of them."""
FEWEST_PLACES = 4
"""On a side of the maps that Grad-CAM looks at, where the network has such."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """One content of a row as an encoder reads it.

    `ids` are its token ids (tokens,) or pixels (side, side, 3), `blank` the same where nothing is
    said or shown. `read(hidden, blocks)` makes of what so many blocks leave the features that go on
    into the answer, (batch, features); `lowest` is the lowest layer that is read, `pool` how the
    places of the last one are brought together, `neck` which of `nn/necks.py` they go through
    before.
    """

    encoder: AnyEncoder
    ids: NDArray[Any]
    blank: NDArray[Any]
    read: Callable[[torch.Tensor, int], torch.Tensor]
    lowest: int
    pool: str
    neck: str = "none"

    @staticmethod
    def frozen(encoder: AnyEncoder, ids: NDArray[Any], blank: NDArray[Any], readout: str) -> Seen:
        """Read by a read-out of `nn/features.py`."""
        return Seen(
            encoder,
            ids,
            blank,
            lambda hidden, start: reading(encoder, hidden, readout, start),
            lowest(encoder, readout),
            _pool_of(readout),
        )

    @staticmethod
    def tuned(network: Network, ids: NDArray[Any], blank: NDArray[Any]) -> Seen:
        """Read by the pool of a network that was fine-tuned."""
        encoder = network.encoder

        def read(hidden: torch.Tensor, start: int) -> torch.Tensor:
            if isinstance(encoder, PictureEncoder):
                return network.pooled_places(_risen(encoder, hidden, start))
            mask = hidden.new_ones(hidden.shape[:2], dtype=torch.int64)
            context = encoder.context(hidden, mask)
            return network.pooled_tokens(network.risen(hidden, context, start), mask)

        count = len(encoder.blocks)
        return Seen(encoder, ids, blank, read, count, network.pool.kind, network.neck_kind)

    def start(self, ids: NDArray[Any]) -> torch.Tensor:
        """Where the way to the answer begins, as a batch of one: pixels as numbers, or what the
        stem makes of token ids."""
        device = next(self.encoder.parameters()).device
        if isinstance(self.encoder, PictureEncoder):
            return torch.from_numpy(np.asarray(ids, np.float32)).to(device)[None]
        given = torch.from_numpy(np.asarray(ids, np.int64)).to(device)[None]
        with torch.no_grad():
            return self.encoder.stem(given, torch.ones_like(given))

    def hidden(self, start: torch.Tensor, blocks: int = 0) -> torch.Tensor:
        """What so many blocks leave of a start."""
        is_picture = isinstance(self.encoder, PictureEncoder)
        hidden = self.encoder.stem(start) if is_picture else start  # type: ignore[call-arg]
        return _risen(self.encoder, hidden, 0, blocks) if blocks else hidden

    def features(self, start: torch.Tensor) -> torch.Tensor:
        return self.read(self.hidden(start), 0)


def _pool_of(readout: str) -> str:
    """How the first vector of a read-out brings places together."""
    kind = vectors(readout)[0].partition(":")[0]
    return "mean" if kind == QUARTERS else kind


def methods(encoder: AnyEncoder) -> frozenset[str]:
    """Which of `core.explaining.HEATS` can be had of an encoder."""
    found = {"integrated-gradients"}
    if not isinstance(encoder, PictureEncoder):
        return frozenset({*found, "attention-rollout"})
    rolls = {"attention-rollout"} if encoder.family.layout == "tokens" else set()
    return frozenset({*found, "grad-cam", *rolls})


def _risen(
    encoder: AnyEncoder, hidden: torch.Tensor, start: int, stop: int | None = None
) -> torch.Tensor:
    """What blocks start..stop leave of whole rows; itself where there are none."""
    stop = len(encoder.blocks) if stop is None else stop
    if start == stop:
        return hidden
    if isinstance(encoder, PictureEncoder):
        return encoder.run(hidden, None, start, stop)
    mask = hidden.new_ones(hidden.shape[:2], dtype=torch.int64)
    return encoder.run(hidden, encoder.context(hidden, mask), start, stop)


@dataclass(frozen=True)
class Passage:
    """A model before one row: the contents that it reads, the numbers beside them, shape (width,),
    and `answer(features, dense)` of batches of both, (batch, outputs): probabilities or numbers, as
    they are answered. Numbers of zero say nothing."""

    contents: tuple[Seen, ...]
    dense: NDArray[np.float32]
    answer: Callable[[Sequence[torch.Tensor], torch.Tensor], torch.Tensor]

    def numbers(self) -> torch.Tensor:
        """Those beside the contents, as a batch of one on their device; where there is none, on the
        one that is used."""
        encoders = [seen.encoder for seen in self.contents]
        device = next(encoders[0].parameters()).device if encoders else devices.device()
        return torch.from_numpy(np.asarray(self.dense, np.float32)).to(device)[None]


@dataclass(frozen=True)
class Found:
    """Credit for each token (tokens,) or pixel (side, side) of each content, a lower resolution of
    pictures included, None where there is none; and for each of the numbers beside them. `change`
    is by how much the row is answered otherwise than nothing, where credits should sum to that."""

    contents: tuple[Floats | None, ...]
    dense: Floats | None = None
    change: float | None = None


def integrated_gradients(passage: Passage, output: int, clock: Clock) -> Found:
    """The gradient of the answer, in the mean over the straight way from nothing (mask tokens in
    place of words, the mean colour, the mean of every number) to the row, times the way. The piece
    of the way that misses most of what the answer changes along it is halved until all that is
    missed is little, see `NEAR`, as far as the points and the clock go.

    Source: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    Raises:
        BudgetError: The time is over before the first credits are there.
    """
    beside = [passage.numbers()] if len(passage.dense) else []
    starts = (seen.start(seen.blank) for seen in passage.contents)
    blank = (*starts, *map(torch.zeros_like, beside))
    row = (*(seen.start(seen.ids) for seen in passage.contents), *beside)
    if clock.is_over():
        raise BudgetError("The time for this explanation is over.")
    points, most = (
        (POINTS, MOST_POINTS) if passage.contents else (POINTS_OF_NUMBERS, MOST_OF_NUMBERS)
    )
    way, began = _Way(_explained(passage, output), blank, row, points), clock.elapsed()
    pieces = [way.piece(0.0, 1.0)]
    ends = way.value(0.0), way.value(1.0)
    allowed = max(NEAR * abs(ends[1] - ends[0]), LEAST * max(map(abs, ends)))
    while sum(piece.missed for piece in pieces) > allowed:
        each = (clock.elapsed() - began) / way.points
        if way.points + 2 * points > most or 2 * points * each > clock.left():
            break
        worst = pieces.pop(max(range(len(pieces)), key=lambda n: pieces[n].missed))
        middle = (worst.low + worst.high) / 2
        pieces += [way.piece(worst.low, middle), way.piece(middle, worst.high)]
    credits = [_numpy(sum(parts)[0]) for parts in zip(*(p.credits for p in pieces), strict=True)]
    each_content = [one.sum(axis=-1) for one in credits[: len(passage.contents)]]
    return Found(tuple(each_content), credits[-1] if beside else None, ends[1] - ends[0])


@dataclass(frozen=True)
class _Piece:
    """From `low` to `high` on the way, both in [0, 1]: the credits that it gives, and by how much
    they miss what the answer changes along it."""

    low: float
    high: float
    credits: tuple[torch.Tensor, ...]
    missed: float


class _Way:
    """The straight way from nothing to a row."""

    def __init__(
        self,
        of: Callable[..., torch.Tensor],
        blank: tuple[torch.Tensor, ...],
        row: tuple[torch.Tensor, ...],
        points: int,
    ) -> None:
        self._of, self._blank, self._row, self._each = of, blank, row, points
        self._gradients = need("captum.attr", extra="explain").IntegratedGradients(of)
        self._values: dict[float, float] = {}
        self.points = 0

    def _at(self, share: float) -> tuple[torch.Tensor, ...]:
        pairs = zip(self._blank, self._row, strict=True)
        return tuple(nothing + share * (whole - nothing) for nothing, whole in pairs)

    def value(self, share: float) -> float:
        if share not in self._values:
            with torch.no_grad():
                self._values[share] = float(self._of(*self._at(share)))
        return self._values[share]

    def piece(self, low: float, high: float) -> _Piece:
        with torch.enable_grad():
            found = self._gradients.attribute(self._at(high), self._at(low), n_steps=self._each)
        self.points += self._each
        changes = self.value(high) - self.value(low)
        given = sum(float(one.sum()) for one in found)
        return _Piece(low, high, tuple(one.detach() for one in found), abs(given - changes))


def _explained(passage: Passage, output: int) -> Callable[..., torch.Tensor]:
    """The explained number of batches of starts, and of the numbers beside them where there are
    any, shape (batch,)."""
    count = len(passage.contents)

    def of(*inputs: torch.Tensor) -> torch.Tensor:
        features = [seen.features(x) for seen, x in zip(passage.contents, inputs, strict=False)]
        dense = inputs[count] if len(inputs) > count else inputs[0].new_zeros(len(inputs[0]), 0)
        return passage.answer(features, dense)[:, output]

    return of


def grad_cam(passage: Passage, output: int) -> Found:
    """The maps of the last stage of every picture's network, each counted by its mean gradient:
    what speaks against the answer stays below zero. Of transformers the patches that enter the last
    block; where several layers are read, the lowest of them, on which all that is read hangs; of a
    small picture, of which the last stage has hardly a place, the last maps that have some.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017, eq. 1 and 2 without the ReLU.
    """
    found = [
        _cam(passage, output, place) if isinstance(seen.encoder, PictureEncoder) else None
        for place, seen in enumerate(passage.contents)
    ]
    return Found(tuple(found))


def _cam(passage: Passage, output: int, place: int) -> Floats:
    captum = need("captum.attr", extra="explain")
    seen = passage.contents[place]
    encoder = seen.encoder
    assert isinstance(encoder, PictureEncoder)
    layer = _layer(seen, encoder)
    with torch.no_grad():
        others = [one.features(one.start(one.ids)) for one in passage.contents]
        hidden = seen.hidden(seen.start(seen.ids), layer)
    above = _Above(passage, output, place, layer, others, hidden)
    found = captum.LayerGradCam(above, above.seam).attribute(
        above.maps(hidden).requires_grad_(True), relu_attributions=False
    )
    return _numpy(found[0, 0])


def _layer(seen: Seen, encoder: PictureEncoder) -> int:
    """How many blocks lie below the maps that are looked at."""
    if encoder.family.layout == "tokens":
        return min(seen.lowest, len(encoder.blocks) - 1)
    axis = 1 if encoder.family.layout == "channels first" else 0
    sides = [encoder.shape_at(n, len(seen.ids))[axis] for n in range(seen.lowest + 1)]
    return max((n for n, side in enumerate(sides) if side >= FEWEST_PLACES), default=seen.lowest)


class _Above(nn.Module):
    """From the maps (batch, channels, height, width) that so many blocks leave of one picture to
    the explained number, through a `seam` at which a gradient can be taken."""

    def __init__(
        self,
        passage: Passage,
        output: int,
        place: int,
        layer: int,
        others: list[torch.Tensor],
        hidden: torch.Tensor,
    ) -> None:
        super().__init__()
        self.seam = nn.Identity()
        self._sight, self._output, self._place, self._layer = passage, output, place, layer
        self._others, self._hidden = others, hidden
        encoder = passage.contents[place].encoder
        assert isinstance(encoder, PictureEncoder)
        self._layout = encoder.family.layout
        self._own = encoder.family.own_tokens(encoder.model) if self._layout == "tokens" else 0

    def maps(self, hidden: torch.Tensor) -> torch.Tensor:
        if self._layout == "channels first":
            return hidden
        if self._layout == "channels last":
            return hidden.permute(0, 3, 1, 2)
        patches = hidden[:, self._own :]
        side = round(patches.shape[1] ** 0.5)
        return patches.transpose(1, 2).reshape(len(patches), -1, side, side)

    def _hidden_of(self, maps: torch.Tensor) -> torch.Tensor:
        if self._layout == "channels first":
            return maps
        places = maps.permute(0, 2, 3, 1)
        if self._layout == "channels last":
            return places
        return torch.cat([self._hidden[:, : self._own], places.flatten(1, 2)], dim=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        hidden, features = self._hidden_of(self.seam(maps)), list(self._others)
        features[self._place] = self._sight.contents[self._place].read(hidden, self._layer)
        return self._sight.answer(features, self._sight.numbers())[:, self._output]


def attention_rollout(passage: Passage) -> Found:
    """How much of each token, or of each patch of a picture, attention carries up to what is read:
    nothing is said of which answer it speaks for. None of a network without attention over all of
    its places, or with a convolution above it, which carries otherwise. See `nn/rollout.py`."""
    return Found(tuple(map(_rolled, passage.contents)))


def _rolled(seen: Seen) -> Floats | None:
    encoder, own = seen.encoder, 0
    if isinstance(encoder, PictureEncoder):
        if encoder.family.layout != "tokens":
            return None
        own = encoder.family.own_tokens(encoder.model)
    if seen.neck == "convolution":
        return None
    start, count = seen.start(seen.ids), len(encoder.blocks)

    def run() -> object:
        return seen.hidden(start, count) if seen.neck == "none" else seen.features(start)

    found = rolled_out(run, pool=seen.pool, own=own)
    if found is None or not isinstance(encoder, PictureEncoder):
        return None if found is None else _numpy(found)
    side = round((len(found) - own) ** 0.5)
    return _numpy(found[own:].reshape(side, side))


def _numpy(tensor: torch.Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu().double().numpy())
