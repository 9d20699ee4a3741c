"""Splitting: which rows are learned from, which select, which are looked at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.records import Part, Rows
from tunesmith.core.seeds import generator

FEW_ROWS, MANY_ROWS = 2_000, 20_000
SHARE_OF_FEW, SHARE_BELOW_MANY, SHARE_OF_MANY = 0.20, 0.15, 0.10
MOST_HELD = 2_500
"""Rows of valid, and of test: the interval of an accuracy is then within two points."""
MOST_RARE = 0.2
"""Share of a part that may go to classes too rare for a place of their own by their share."""
DRAWS = 10
"""Divisions of groups that are tried; the one nearest to the classes' shares is kept."""
SPELLINGS: Mapping[str, Part] = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}


def split(
    rows: int,
    *,
    strata: NDArray[np.int64] | None,
    groups: NDArray[np.object_] | None = None,
    times: NDArray[Any] | None = None,
    given: NDArray[np.object_] | None = None,
    seed: int,
) -> tuple[dict[Part, Rows], str]:
    """Divide the rows 0 … rows - 1 into train, valid and test, and say how and why.

    Args:
        rows: How many rows there are.
        strata: Class code of each row, shape (rows,); None divides without regard to classes.
        groups: Group of each row, shape (rows,); rows of one group stay together, a row without
            a group is its own.
        times: Float or datetime64, shape (rows,); the oldest train, the newest test. Rows without
            a time train.
        given: "train", "valid" or "test" for each row, shape (rows,); a part that is not given is
            drawn from train.
        seed: The same seed gives the same parts.

    Returns:
        Sorted, disjoint row numbers of each part, and a sentence for the user.

    Raises:
        ConfigError: More than one of `groups`, `times` and `given`, or a length is not `rows`.
        DataError: The groups, times or given parts do not allow it.
    """
    ways = {"strata": strata, "groups": groups, "times": times, "given": given}
    chosen = [name for name, cells in ways.items() if cells is not None]
    if len(set(chosen) - {"strata"}) > 1:
        raise ConfigError(
            f"A split cannot follow {' and '.join(n for n in chosen if n != 'strata')} at once. "
            "Choose one of groups, times or given parts."
        )
    for name in chosen:
        _check_length(name, ways[name], rows)
    rng = generator(seed, "split")
    if given is not None:
        return _as_given(given, strata, rng)
    if groups is not None:
        return _by_group(groups, strata, rng)
    if times is not None:
        return _by_time(times)
    return _at_random(rows, strata, rng)


def held_out(rows: int) -> int:
    """How many of so many rows go to valid, and as many again to test."""
    if rows < 3:
        return 0
    if rows < FEW_ROWS:
        share = SHARE_OF_FEW
    else:
        way = min(1.0, (rows - FEW_ROWS) / (MANY_ROWS - FEW_ROWS))
        share = SHARE_BELOW_MANY + way * (SHARE_OF_MANY - SHARE_BELOW_MANY)
    return min(MOST_HELD, max(1, round(share * rows)))


def _check_length(name: str, cells: NDArray[Any] | None, rows: int) -> None:
    if cells is not None and len(cells) != rows:
        raise ConfigError(f"The split of {rows:,} rows got {len(cells):,} {name}, not one a row.")


def _at_random(
    rows: int, strata: NDArray[np.int64] | None, rng: np.random.Generator
) -> tuple[dict[Part, Rows], str]:
    size = held_out(rows)
    codes = _codes(rows, strata)
    where = np.zeros(rows, dtype=np.int64)
    for part in (1, 2):
        where[_draw(np.flatnonzero(where == 0), codes, size, rng)] = part
    parts = _parts(where)
    if strata is None:
        return parts, (
            f"drawn at random: {_sizes(parts)}, because no class, group or time orders the rows"
        )
    reason = f"stratified by target: {_sizes(parts)}, because each part should hold its values in "
    single = int((np.bincount(codes) == 1).sum()) if rows else 0
    return parts, f"{reason}the same shares{_said_of_single(single)}"


def _said_of_single(classes: int) -> str:
    if not classes:
        return ""
    return f"; {classes:,} {'class' if classes == 1 else 'classes'} of a single row only in train"


def _draw(
    rows: Rows, codes: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """So many of these rows in the classes' shares; the last row of a class is never drawn."""
    counts = np.bincount(codes[rows], minlength=int(codes.max(initial=0)) + 1)
    quota = _quota(np.maximum(counts - 1, 0), size, rng)
    mixed = rows[rng.permutation(len(rows))]
    mixed = mixed[np.argsort(codes[mixed], kind="stable")]
    rank = np.arange(len(mixed)) - np.repeat(np.cumsum(counts) - counts, counts)
    return mixed[rank < quota[codes[mixed]]]


def _quota(room: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of each class, at most its room, in sum `size` where there is room for that many.

    Classes whose share is less than a place get one first, as long as they are not too many.
    """
    size = min(size, int(room.sum()))
    quota = np.zeros(len(room), dtype=np.int64)
    if not size:
        return quota
    rare = np.flatnonzero((room > 0) & (room * size < room.sum()))
    rare = rare[rng.permutation(len(rare))]
    rare = rare[np.argsort(-room[rare], kind="stable")][: int(MOST_RARE * size)]
    quota[rare] = 1
    rest = room - quota
    rest[rare] = 0
    left = size - len(rare)
    if rest.sum() < left:  # nearly all room is in the rare classes
        rest = room - quota
    ideal = rest * (left / max(1, int(rest.sum())))
    quota += np.floor(ideal).astype(np.int64)
    remainder = (ideal - np.floor(ideal)) + 1e-9 * rng.random(len(room))
    remainder[quota >= room] = -1
    quota[np.argsort(-remainder, kind="stable")[: size - int(quota.sum())]] += 1
    return np.minimum(quota, room)


def _by_group(
    groups: NDArray[np.object_], strata: NDArray[np.int64] | None, rng: np.random.Generator
) -> tuple[dict[Part, Rows], str]:
    group = _group_codes(groups)
    sizes = np.bincount(group)
    if len(sizes) < 3:
        raise DataError(
            f"The {len(group):,} rows fall into {len(sizes)} group(s); train, valid and test need "
            "one each. Choose a column with at least 3 groups, or split without groups."
        )
    size = held_out(len(group))
    codes = _codes(len(group), strata)
    drawn = [_draw_groups(sizes, size, rng)[group] for _ in range(DRAWS)]
    parts = _parts(min(drawn, key=lambda where: _unlikeness(where, codes, size)))
    return parts, (
        f"by group: {_sizes(parts)} from {len(sizes):,} groups, each wholly in one part, because "
        "rows of a group are alike and would flatter the score"
    )


def _group_codes(groups: NDArray[np.object_]) -> NDArray[np.int64]:
    known: dict[Any, int] = {}
    rows = enumerate(groups.tolist())
    named = [(row,) if cell is None or cell != cell else cell for row, cell in rows]
    return np.array([known.setdefault(cell, len(known)) for cell in named], dtype=np.int64)


def _draw_groups(sizes: NDArray[np.int64], size: int, rng: np.random.Generator) -> Rows:
    """The part of each group, 0 for train, 1 for valid, 2 for test; none is empty."""
    part = np.zeros(len(sizes), dtype=np.int64)
    order = rng.permutation(len(sizes))
    for number in (1, 2):
        free = order[part[order] == 0]
        fits = free[sizes[free] <= size]
        taken = fits[np.cumsum(sizes[fits]) <= size]
        others = 2 if number == 1 else 1  # groups that the parts still to be filled need
        if not len(taken):
            taken = free[np.argmin(sizes[free])][None]
        part[taken[: len(free) - others]] = number
    return part


def _unlikeness(where: Rows, codes: NDArray[np.int64], size: int) -> float:
    """How far the parts are from the wanted sizes and classes, with classes that train lacks."""
    rows, classes = len(where), int(codes.max()) + 1
    table = np.bincount(where * classes + codes, minlength=3 * classes).reshape(3, classes)
    wanted = np.outer([rows - 2 * size, size, size], table.sum(axis=0) / rows)
    return float(np.abs(table - wanted).sum() / rows + (table[0] == 0).sum())


def _by_time(times: NDArray[Any]) -> tuple[dict[Part, Rows], str]:
    missing = np.isnat(times) if times.dtype.kind == "M" else np.isnan(times)
    known = np.flatnonzero(~missing)
    if len(known) < 3:
        raise DataError(
            f"{len(known)} of {len(times):,} rows have a time; a split by time needs at least 3. "
            "Choose another time column, or split without one."
        )
    order = known[np.argsort(times[known], kind="stable")]
    size = held_out(len(known))
    where = np.zeros(len(times), dtype=np.int64)
    where[order[-2 * size : -size]] = 1
    where[order[-size:]] = 2
    parts = _parts(where)
    reason = f"by time: {_sizes(parts)}, the oldest train and the newest test, because the model "
    lacking = int(missing.sum())
    without = f"; {lacking:,} rows without a time are in train" if lacking else ""
    return parts, f"{reason}will answer for the future{without}"


def _as_given(
    given: NDArray[np.object_], strata: NDArray[np.int64] | None, rng: np.random.Generator
) -> tuple[dict[Part, Rows], str]:
    where = _given_parts(given)
    if not (where == 0).any():
        raise DataError("No row is given to 'train'. Name at least a few rows 'train'.")
    codes = _codes(len(given), strata)
    train = int((where == 0).sum())
    missing = [(n, name) for n, name in ((1, "valid"), (2, "test")) if not (where == n).any()]
    for number, _ in missing:
        where[_draw(np.flatnonzero(where == 0), codes, held_out(train), rng)] = number
    parts = _parts(where)
    reason = f"as given: {_sizes(parts)}, because the data says so"
    names = " and ".join(name for _, name in missing)
    return parts, f"{reason}; {names} not given, so drawn from train" if missing else reason


def _given_parts(given: NDArray[np.object_]) -> NDArray[np.int64]:
    numbers = {"train": 0, "valid": 1, "test": 2}
    cells = given.tolist()
    spelled = {cell: SPELLINGS.get(str(cell).strip().casefold()) for cell in set(cells)}
    wrong = [cell for cell, part in spelled.items() if part is None]
    if wrong:
        row = next(i for i, cell in enumerate(cells) if spelled[cell] is None)
        raise DataError(
            f"Row {row + 1:,} of the data is given to the part {cells[row]!r}. "
            f"Allowed are {', '.join(SPELLINGS)}."
        )
    return np.array([numbers[spelled[cell] or "train"] for cell in cells], dtype=np.int64)


def _codes(rows: int, strata: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Classes counted from 0 without gaps; one class where none are told."""
    if strata is None:
        return np.zeros(rows, dtype=np.int64)
    return np.unique(strata, return_inverse=True)[1].reshape(rows).astype(np.int64)


def _parts(where: Rows) -> dict[Part, Rows]:
    return {
        "train": np.flatnonzero(where == 0).astype(np.int64),
        "valid": np.flatnonzero(where == 1).astype(np.int64),
        "test": np.flatnonzero(where == 2).astype(np.int64),
    }


def _sizes(parts: Mapping[Part, Rows]) -> str:
    return (
        f"{len(parts['train']):,} train, {len(parts['valid']):,} valid and "
        f"{len(parts['test']):,} test rows"
    )
