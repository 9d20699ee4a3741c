"""The activation store: the frozen part of a network runs once for a row, for all trials and runs.

Two things are kept of a row: its pooled vectors (`nn/features.py`), which probes, heads and the
scout read, and its token vectors at a cut, from which the blocks above it are trained. A row is
known by its token ids, so that the text, the tokenizer and the length it was cut to are all in its
key; a space by the hash of the weights, the cut and the precision.

Imports torch: import this file where it is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tunesmith.nn import features as pooled
from tunesmith.nn.augment import View
from tunesmith.nn.batches import Batch, Content, Rows, by_length, collate
from tunesmith.nn.devices import autocast, precision
from tunesmith.nn.features import AnyEncoder
from tunesmith.nn.picture_encoder import PictureEncoder
from tunesmith.nn.shards import Key, Space, Store, StoreError, active, as_floats, as_stored
from tunesmith.nn.tally import FROZEN

VERSION = 1
"""Raise it when the same row would be stored otherwise."""
BYTES_A_NUMBER = 2
After = Callable[[int], None]


@dataclass(frozen=True)
class Trunk:
    """A frozen encoder and the hash of all that decides what it answers: weights and config. Where
    blocks of the checkpoint are left out, `kept` are the others, by number."""

    encoder: AnyEncoder
    key: str
    name: str
    kept: tuple[int, ...] = ()

    def key_at(self, cut: int | None) -> str:
        """What decides the token vectors at a cut, or the pooled ones (None): as long as no block
        is left out below, they are those of the whole checkpoint. A norm may follow the last."""
        if not self.kept or (cut is not None and self.kept[: cut + 1] == tuple(range(cut + 1))):
            return self.key
        return f"{self.key} blocks {self.kept if cut is None else (*self.kept[:cut], cut)}"


def row_key(ids: Content) -> Key:
    """What a row is known by: a hash of its token ids, or of its pixels; of a view that is made
    when it is read, of what it is made from."""
    if isinstance(ids, View):
        return ids.key()
    kept = ids if ids.ndim == 3 else np.asarray(ids, dtype=np.int32)
    return hashlib.blake2b(kept.tobytes(), digest_size=16).digest()


WITH_QUARTERS = -1
"""In place of a cut: pooled vectors, and the quarters of every layer behind them."""


def _space(store: Store, trunk: Trunk, cut: int | None = None) -> Space:
    """Of token vectors at a cut, or of pooled ones."""
    told = {"backbone": trunk.name, "what": _what(cut), "precision": precision()}
    return store.space(_name(trunk, cut), told)


def _name(trunk: Trunk, cut: int | None = None) -> str:
    key = trunk.key_at(None if cut == WITH_QUARTERS else cut)
    told = json.dumps([VERSION, key, _what(cut), precision()])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _what(cut: int | None) -> str:
    if cut == WITH_QUARTERS:
        return "pooled vectors and quarters"
    return "pooled vectors" if cut is None else f"token vectors after block {cut}"


def features(
    trunk: Trunk, ids: Sequence[Content], readout: str = "several", *, keep: Sequence[int] = ()
) -> NDArray[np.float32]:
    """A read-out of each row, shape (rows, width), what is stored read and the rest computed. The
    pass that computes also keeps the token vectors at the cuts `keep`, as far as there is room."""
    store = active()
    if store is None:
        FROZEN.add(len(ids), len(trunk.encoder.blocks))
        return pooled.embed(trunk.encoder, ids, readout)
    keys = [row_key(one) for one in ids]
    space = _space(store, trunk, WITH_QUARTERS if pooled.has_quarters(readout) else None)
    new = space.missing(keys)
    with FROZEN.storing() as share:
        todo, named = [ids[i] for i in new], [keys[i] for i in new]
        more = pooled.has_quarters(readout)
        spilled = _fill(store, trunk, todo, named, space, keep, quarters=more)
        share.append(1 - len(spilled) / max(1, len(new)))
    store.counts.read_rows += len(keys) - len(new)
    places = pooled.places(trunk.encoder, readout)
    found = np.empty((len(ids), len(places)), dtype=np.float32)
    for number, key in enumerate(keys):
        row = spilled[key] if key in spilled else space.get(key)
        found[number] = as_floats(row.reshape(-1)[places])
    return found


def _fill(
    store: Store,
    trunk: Trunk,
    ids: Sequence[Content],
    keys: list[Key],
    space: Space,
    keep: Sequence[int],
    *,
    quarters: bool = False,
) -> Mapping[Key, Any]:
    """Compute the pooled vectors of rows and store them; gives those that the store refused."""
    spilled: dict[Key, Any] = {}
    cuts = {cut: _space(store, trunk, cut) for cut in keep if _has_room(trunk, ids, cut, store)}
    for chosen, states, vectors in pooled.read(
        trunk.encoder, ids, precision=precision(), keep=tuple(cuts), quarters=quarters
    ):
        FROZEN.add(len(chosen), len(trunk.encoder.blocks))
        for number, row in zip(chosen, vectors, strict=True):
            stored = as_stored(row.reshape(-1, _row_width(trunk, row)))
            try:
                space.put(keys[number], stored)
            except StoreError:
                spilled[keys[number]] = stored
        for cut, hidden in states.items():
            try:
                _put(cuts[cut], hidden, chosen, ids, keys)
            except StoreError:
                cuts = {}
    for one in (space, *cuts.values()):
        try:
            one.flush()
        except StoreError:
            break  # what could not be written is held in memory
    return spilled


def _put(
    space: Space,
    hidden: torch.Tensor,
    chosen: NDArray[np.int64],
    ids: Sequence[Content],
    keys: Sequence[Key],
) -> None:
    """Store the token vectors of a batch, without its padding; of pictures, all there is."""
    stored = as_stored(hidden.float().cpu().contiguous().numpy())
    for place, number in enumerate(chosen):
        is_picture = ids[number].ndim == 3
        kept = stored[place] if is_picture else stored[place, : len(ids[number])]
        space.put(keys[number], kept.reshape(len(kept), -1).copy())


def state_bytes(trunk: Trunk, ids: Sequence[Content], cut: int) -> int:
    """What the token vectors of rows take at one cut."""
    encoder = trunk.encoder
    if isinstance(encoder, PictureEncoder):
        numbers = int(np.prod(encoder.shape_at(cut, len(ids[0])))) if ids else 0
        return len(ids) * numbers * BYTES_A_NUMBER
    return sum(map(len, ids)) * encoder.width * BYTES_A_NUMBER


def _row_width(trunk: Trunk, row: NDArray[Any]) -> int:
    """How the pooled vectors of a row are stored: those of tokens one under the other, those of
    pictures, which differ in width, in a line."""
    return len(row) if isinstance(trunk.encoder, PictureEncoder) else trunk.encoder.width


def _shape(trunk: Trunk, cut: int, ids: Sequence[Content]) -> tuple[int, ...]:
    """Of what the blocks below a cut leave of a picture; empty of tokens."""
    encoder = trunk.encoder
    if not isinstance(encoder, PictureEncoder) or not len(ids):
        return ()
    return encoder.shape_at(cut, len(ids[0]))


def _has_room(trunk: Trunk, ids: Sequence[Content], cut: int, store: Store) -> bool:
    return state_bytes(trunk, ids, cut) <= store.room_bytes()


def known(trunk: Trunk, ids: Sequence[Content], cut: int | None = None) -> NDArray[np.bool_]:
    """Which rows have their pooled vectors stored, or their token vectors at a cut; shape (rows,).
    Computes nothing."""
    store = active()
    if store is None or not store.has(_name(trunk, cut)):
        return np.zeros(len(ids), dtype=np.bool_)
    keys = [row_key(one) for one in ids]
    space = _space(store, trunk, cut)
    new = {keys[i] for i in space.missing(keys)}
    return np.array([key not in new for key in keys], dtype=np.bool_)


@dataclass(frozen=True)
class States:
    """Token vectors of rows at a cut, each read when asked for; of pictures arrays of a `shape`."""

    space: Space
    keys: Sequence[Key]
    width: int
    shape: tuple[int, ...] = ()

    def padded(self, chosen: NDArray[np.int64], tokens: int) -> torch.Tensor:
        """Those of the chosen rows, zero behind their end, (chosen, tokens, width); fp16 or fp32.
        Of pictures as the blocks left them."""
        rows = [self.space.get(self.keys[i]) for i in chosen]
        if self.shape:
            is_half = all(row.dtype == np.float16 for row in rows)
            whole = np.stack(rows if is_half else [as_floats(row) for row in rows])
            return torch.from_numpy(whole.reshape(-1, *self.shape))
        if all(row.dtype == np.float16 for row in rows):
            found = np.zeros((len(rows), tokens, self.width), dtype=np.float16)
        else:
            rows = [as_floats(row) for row in rows]
            found = np.zeros((len(rows), tokens, self.width), dtype=np.float32)
        for place, row in enumerate(rows):
            found[place, : len(row)] = row
        return torch.from_numpy(found)


def states(trunk: Trunk, ids: Sequence[Content], cut: int, after: After | None = None) -> States:
    """Token vectors of rows after `cut` blocks, what is stored read and the rest computed, from the
    highest cut below that has them. `after` is told how many rows are done, and may raise.

    Raises:
        StoreError: There is no store, or no room in it.
    """
    store = active()
    if store is None:
        raise StoreError("no store is in use")
    keys = [row_key(one) for one in ids]
    space = _space(store, trunk, cut)
    new = space.missing(keys)
    todo, named = [ids[i] for i in new], [keys[i] for i in new]
    if todo and not _has_room(trunk, todo, cut, store):
        raise StoreError(
            f"it would take {state_bytes(trunk, todo, cut) / 1e9:.2f} GB, there is room for "
            f"{store.room_bytes() / 1e9:.2f} GB"
        )
    with FROZEN.storing():
        _fill_cut(store, trunk, todo, named, cut, space, after)
    store.counts.read_rows += len(keys) - len(new)
    return States(space, keys, trunk.encoder.width, _shape(trunk, cut, ids))


@torch.no_grad()
def _fill_cut(
    store: Store,
    trunk: Trunk,
    ids: Sequence[Content],
    keys: list[Key],
    cut: int,
    space: Space,
    after: After | None,
) -> None:
    encoder, done = trunk.encoder.eval(), 0
    start, below = _below(store, trunk, ids, keys, cut)
    dense = np.empty((len(ids), 0), dtype=np.float32)
    rows = Rows(ids, dense, getattr(encoder, "pad_id", 0), below)
    device = next(encoder.parameters()).device
    try:
        for chosen in by_length(rows.lengths(), pooled.BATCH):
            batch = collate(rows, chosen, device)
            with autocast(precision()):
                hidden = _risen(encoder, batch, start, cut)
            FROZEN.add(len(chosen), cut - start)
            _put(space, hidden, chosen, ids, keys)
            done += len(chosen)
            if after:
                after(done)
    finally:
        space.flush()


def _risen(encoder: AnyEncoder, batch: Batch, start: int, cut: int) -> torch.Tensor:
    """What is left by the blocks from `start` up to the cut."""
    if isinstance(encoder, PictureEncoder):
        hidden = encoder.stem(batch.ids) if batch.hidden is None else batch.hidden
        return encoder.run(hidden, None, start, cut)
    mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
    hidden = encoder.stem(batch.ids, mask) if batch.hidden is None else batch.hidden
    return encoder.run(hidden, encoder.context(hidden, mask), start, cut)


def _below(
    store: Store, trunk: Trunk, ids: Sequence[Content], keys: Sequence[Key], cut: int
) -> tuple[int, States | None]:
    """The highest cut below this one at which all the rows are stored, and what is there."""
    for lower in range(cut - 1, 0, -1):
        if store.has(_name(trunk, lower)):
            space = _space(store, trunk, lower)
            if keys and not space.missing(keys):
                return lower, States(space, keys, trunk.encoder.width, _shape(trunk, lower, ids))
    return 0, None
