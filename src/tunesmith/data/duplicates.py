"""Duplicates: texts and rows that are the same, or nearly the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.records import Dataset, Rows
from tunesmith.core.seeds import generator
from tunesmith.data.pictures import PictureError, content_key, size_of

Hashes = NDArray[np.uint64]

MOST_TEXTS = 50_000
MOST_LETTERS = 12_000_000
"""Over all texts; with more, of each text only its beginning and its end are compared."""
FEWEST_WORDS = 4
"""Shorter texts are alike by accident: they are duplicates only where they are the same."""
FEWEST_LETTERS = 15
LONG_TEXT, SHORT_TEXT = 8, 12
"""Words from which a text is cut in runs of words, and up to which in runs of letters."""
WORDS_IN_RUN, LETTERS_IN_RUN = 3, 5
BANDS, BAND_ROWS = 16, 4
"""A pair of Jaccard 0.8 shares a band with probability 1 - (1 - 0.8 ** 4) ** 16 = 0.9998."""
LAGS = (1, 2)
SLACK = 0.2
"""The Jaccard that 64 min-hashes estimate is within this of the true one, at four sigma."""
DISTINCT_TEXTS = 0.9
"""Texts per distinct inputs from which a text alone says which row it is."""
MOST_VERIFIED = 200_000
HASH_BITS = np.uint64(44)
HASH_MASK = np.uint64(2**44 - 1)

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
"""Letters of scripts that put no space between words (Thai, Lao, Japanese, Chinese)."""


def normalise(text: str) -> str:
    """A text without the case of its letters, its runs of white space as one space."""
    return " ".join(text.casefold().split())


def exact(keys: Sequence[str]) -> Rows:
    """A number for each key, shape (keys,); the same for the same keys, counted from 0."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells of a column are missing, shape (rows,)."""
    if values.dtype == object:
        return np.array([cell is None for cell in values.tolist()], dtype=np.bool_)
    return np.asarray(values != values)


def same_inputs(data: Dataset, inputs: Sequence[str]) -> Rows:
    """A number for the inputs of each row, shape (rows,), the same for equal inputs; -1 where the
    texts are missing, or everything is where there are no texts."""
    group = np.zeros(len(data), dtype=np.int64)
    for name in inputs:
        is_image = data.column(name).kind == "image"
        codes = (_picture_codes if is_image else _cell_codes)(data.values(name))
        joint = group * (int(codes.max(initial=0)) + 1) + codes
        group = np.unique(joint, return_inverse=True)[1].reshape(len(data))
    written = [name for name in inputs if data.column(name).kind in ("text", "image")]
    empty = np.ones(len(data), dtype=bool)
    for name in written or inputs:
        empty &= is_missing(data.values(name))
    return np.where(empty, -1, group)


def same_texts(data: Dataset, inputs: Sequence[str], same: Rows) -> tuple[Rows, list[str]]:
    """A number for the text of each row, shape (rows,), and the text under each number.

    -1 where the text is too short to say which row it is; everywhere, where many rows of
    different inputs (`same`) share their text.
    """
    names = [name for name in inputs if data.column(name).kind == "text"]
    columns = [data.values(name).tolist() for name in names]
    texts = [normalise(" ".join(filter(None, row))) for row in zip(*columns, strict=True)]
    group = exact(texts)
    words = list(dict.fromkeys(texts))
    if len(words) < DISTINCT_TEXTS * len(np.unique(same)):
        return np.full(len(data), -1, dtype=np.int64), words
    short = np.array([_is_short(text) for text in words], dtype=bool)
    return np.where(short[group], -1, group), words


def repeated(same: Rows, labels: NDArray[Any], rows: Rows) -> Rows:
    """Those of `rows` whose inputs and label an earlier one has."""
    rows = np.sort(rows[same[rows] >= 0])
    codes = np.unique(labels[rows], return_inverse=True)[1].reshape(len(rows))
    first = np.unique(same[rows] * (len(rows) + 1) + codes, return_index=True)[1]
    return np.delete(rows, first)


def nearly_repeated(same: Rows, texts: Rows, pairs: NDArray[np.int64], rows: Rows) -> Rows:
    """Those of `rows` whose text, but not all inputs, an earlier one has or nearly has."""
    rows = np.sort(rows[texts[rows] >= 0])
    rows = rows[np.sort(np.unique(same[rows], return_index=True)[1])]
    held, first = np.unique(texts[rows], return_index=True)
    close = pairs[np.isin(pairs, held).all(axis=1)]
    start = np.zeros(int(texts.max(initial=0)) + 1, dtype=np.int64)
    start[held] = first
    later = np.where(start[close[:, 0]] > start[close[:, 1]], close[:, 0], close[:, 1])
    again = np.delete(np.arange(len(rows)), first)
    return rows[np.union1d(again, np.flatnonzero(np.isin(texts[rows], later)))]


def is_also_in(same: Rows, rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """For each of `rows` whether one of `others` has its inputs."""
    return (same[rows] >= 0) & np.isin(same[rows], same[others])


def near_groups(
    texts: Rows, words: Sequence[str], first: Rows, seed: int
) -> tuple[NDArray[np.int64], str]:
    """Pairs of the numbers in `texts` whose `words` are nearly the same, and a remark where not
    all were compared; those of the rows `first` always are."""
    known = np.unique(texts[texts >= 0])
    some, remark = known, ""
    if len(known) > MOST_TEXTS:
        before = np.intersect1d(known, texts[first])
        others = generator(seed, "near texts").permutation(np.setdiff1d(known, before))
        some = np.sort(np.concatenate([before, others])[:MOST_TEXTS])
        remark = f" (looked for among {MOST_TEXTS:,} of {len(known):,} texts)"
    return some[near([words[i] for i in some.tolist()], seed=seed)], remark


def _picture_codes(values: NDArray[Any]) -> Rows:
    """A number for each picture, the same for files of the same bytes. Only those that another has
    the size of are read."""
    cells = values.tolist()
    sizes = [size_of(cell) if cell else 0 for cell in cells]
    shared = Counter(sizes)
    return exact(
        [
            f"{size}" if size and shared[size] == 1 else _picture_key(cell)
            for cell, size in zip(cells, sizes, strict=True)
        ]
    )


def _picture_key(cell: str | None) -> str:
    if cell is None or size_of(cell) is None:
        return cell or ""
    try:
        return content_key(cell, offline=True).hex()
    except PictureError:
        return cell


def _cell_codes(values: NDArray[Any]) -> Rows:
    if values.dtype == object:
        return exact([normalise(cell or "") for cell in values.tolist()])
    return np.unique(values, return_inverse=True)[1].reshape(len(values)).astype(np.int64)


def near(texts: Sequence[str], *, threshold: float = 0.8, seed: int = 0) -> NDArray[np.int64]:
    """Pairs of texts that share most of their runs of three words.

    Texts of few words, or of a script without spaces, are compared by runs of five letters;
    those of fewer than four words not at all. Of more than 50,000 texts a sample is searched.
    Of many copies of one text each is paired with some of the others, not with all.

    Args:
        texts: Normalised texts.
        threshold: Least Jaccard similarity of the sets of runs, in (0, 1].
        seed: Seed of the hashes.

    Returns:
        Indices into `texts`, shape (pairs, 2), the smaller first, sorted.

    Source: Broder, "On the resemblance and containment of documents", SEQUENCES 1997; banding:
    Leskovec et al., "Mining of Massive Datasets", chapter 3.4.
    """
    rng = generator(seed, "near duplicates")
    chosen = np.arange(len(texts))
    if len(texts) > MOST_TEXTS:
        chosen = np.sort(rng.choice(len(texts), MOST_TEXTS, replace=False))
    length = max(200, MOST_LETTERS // max(1, len(chosen)))
    cut = [_ends(texts[i], length) for i in chosen.tolist()]
    words = [_WORD.findall(text) for text in cut]
    unspaced = np.array([2 * _unspaced(text) >= len(text) > 0 for text in cut], dtype=bool)
    joined = [" ".join(found) for found in words]
    letters = np.array([len(text) for text in joined], dtype=np.int64)
    count = np.array([len(found) for found in words], dtype=np.int64)
    by_words = np.flatnonzero(~unspaced & (count >= LONG_TEXT))
    short = (unspaced | ((count >= FEWEST_WORDS) & (count < SHORT_TEXT))) & (
        letters >= FEWEST_LETTERS
    )
    by_letters = np.flatnonzero(short)
    tokens = _hashed_words([words[i] for i in by_words], rng)
    runs = _runs(tokens, count[by_words], WORDS_IN_RUN)
    found = [chosen[by_words[_alike(runs, len(by_words), threshold, rng)]]]
    tokens = _hashed_letters("".join(joined[i] for i in by_letters), rng)
    runs = _runs(tokens, letters[by_letters], LETTERS_IN_RUN)
    found.append(chosen[by_letters[_alike(runs, len(by_letters), threshold, rng)]])
    return np.unique(np.concatenate(found).astype(np.int64), axis=0)


def _is_short(text: str) -> bool:
    """Whether it has too few words; two letters count as one where a script has no spaces."""
    return len(text.split()) < FEWEST_WORDS and _unspaced(text) < 2 * FEWEST_WORDS


def _unspaced(text: str) -> int:
    return 0 if text.isascii() else len(_UNSPACED.findall(text))


def _ends(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length // 2]} {text[-length // 2 :]}"


def _hashed_words(texts: Sequence[Sequence[str]], rng: np.random.Generator) -> Hashes:
    """A random number for each different word, the words of all texts in a row."""
    known: dict[str, int] = {}
    ids = [known.setdefault(word, len(known)) for words in texts for word in words]
    return _random(len(known), rng)[np.array(ids, dtype=np.int64)]


def _hashed_letters(text: str, rng: np.random.Generator) -> Hashes:
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return _random(int(letters.max(initial=0)) + 1, rng)[letters]


def _random(count: int, rng: np.random.Generator) -> Hashes:
    return rng.integers(0, 2**64, size=count, dtype=np.uint64)


def _runs(tokens: Hashes, lengths: NDArray[np.int64], size: int) -> Hashes:
    """The set of runs of each text: the text's number over 44 bits of hash, sorted, distinct."""
    last = len(tokens) - size + 1
    if last <= 0:
        return np.empty(0, dtype=np.uint64)
    text = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
    hashed = np.zeros(last, dtype=np.uint64)
    for place in range(size):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + tokens[place : place + last]
    hashed = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    whole = text[:last] == text[size - 1 :]
    keys = (text[:last] << HASH_BITS) | (hashed >> np.uint64(20))
    keys = np.sort(keys[whole])  # np.unique hashes, which is ten times slower here
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def _alike(
    runs: Hashes, texts: int, threshold: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Pairs of texts with similar sets of runs, shape (pairs, 2). Every text has a run."""
    if texts < 2:
        return np.empty((0, 2), dtype=np.int64)
    starts = np.searchsorted(runs, np.arange(texts, dtype=np.uint64) << HASH_BITS)
    hashes = runs & HASH_MASK
    odd = _random(BANDS * BAND_ROWS, rng) | np.uint64(1)
    least = np.stack([np.minimum.reduceat(hashes * factor, starts) for factor in odd])
    pairs = _candidates(least, rng)
    guessed = np.zeros(len(pairs))
    for row in least:
        guessed += row[pairs[:, 0]] == row[pairs[:, 1]]
    guessed /= len(least)
    if (guessed >= threshold - SLACK).sum() > MOST_VERIFIED:
        return pairs[guessed >= threshold]
    pairs = pairs[guessed >= threshold - SLACK]
    sizes = np.diff(np.append(starts, len(runs)))
    return pairs[_jaccard(hashes, starts, sizes, pairs) >= threshold]


def _candidates(least: Hashes, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pairs that share a band of min-hashes and are neighbours in a random order of its texts,
    so that no bucket costs more than its length."""
    texts = least.shape[1]
    found = []
    for band in least.reshape(BANDS, BAND_ROWS, texts):
        key = (band * (_random(BAND_ROWS, rng) | np.uint64(1))[:, None]).sum(axis=0)
        order = rng.permutation(texts)
        order = order[np.argsort(key[order], kind="stable")]
        for lag in LAGS:
            first, second = order[:-lag], order[lag:]
            same = key[first] == key[second]
            low, high = np.minimum(first, second), np.maximum(first, second)
            found.append((low * texts + high)[same])
    both = np.unique(np.concatenate(found))
    return np.stack([both // texts, both % texts], axis=1)


def _jaccard(
    hashes: Hashes, starts: NDArray[np.int64], sizes: NDArray[np.int64], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The true similarity of each pair, in [0, 1]."""
    shared = []
    for first in range(0, len(pairs), 20_000):
        some = pairs[first : first + 20_000]
        sides = [_labelled(hashes, starts[side], sizes[side]) for side in some.T]
        keys = np.sort(np.concatenate(sides))
        twice = keys[1:][keys[1:] == keys[:-1]] >> HASH_BITS
        shared.append(np.bincount(twice.astype(np.int64), minlength=len(some)))
    both = np.concatenate(shared) if shared else np.empty(0)
    return both / (sizes[pairs[:, 0]] + sizes[pairs[:, 1]] - both)


def _labelled(hashes: Hashes, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Hashes:
    """The hashes of some texts, one text after the other, under the numbers 0, 1, …"""
    before = np.cumsum(sizes) - sizes
    places = np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))
    label = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)
    return (label << HASH_BITS) | hashes[places]
