"""A linear model before one row: what each of its features adds to the answer, put back into the
words and cells that it is made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.explaining import Heat, Heats
from tunesmith.core.records import Dataset
from tunesmith.learners._answers import answer, softmax

if TYPE_CHECKING:
    from tunesmith.learners.linear import LinearConfig, LinearModel

Floats = NDArray[np.float64]

WORD = r"(?u)\b\w+\b"
"""What counts as a word."""
SHORTEST_RUN, LONGEST_RUN = 2, 5
"""Characters of the runs within what stands between spaces, a space at both ends of it counted."""
POINTS, BENT = 32, 16.0
"""Points of a piece of the way from nothing to the row, and by how much logits may move against one
another on it. Gauss-Legendre is then exact to 1e-10: in the complex plane, softmax and sigmoid have
no pole before logits have moved apart by pi."""
MOST_PIECES = 64


def heats_of(model: LinearModel, data: Dataset, output: int) -> Heats | None:
    """Integrated gradients of one number of the answer to the one row of some data, by column.
    Nothing is a row without a word, with every number at its mean, every date at its mean day of no
    season or weekday, and no level of a category. A term is shared evenly among the places where it
    stands, and there among its words; what stands in no cell, as the names of columns do, gets
    nothing, and what it adds is missed by the sum.

    Source: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    """
    plane, inputs = model.plane, model.inputs
    counted = model.terms.transform(inputs.texts(data)[:1])
    weights = plane.weights[counted.indices].astype(np.float64)
    said = weights * counted.data.astype(np.float64)[:, None]
    dense = inputs.dense(data)[0].astype(np.float64)
    beside = plane.weights[counted.shape[1] :].astype(np.float64) * dense[:, None]
    ends = np.stack([plane.bias, plane.bias + said.sum(axis=0) + beside.sum(axis=0)])
    slopes = _slopes(ends, output, is_of_classes=bool(model.classes), several=model.several)
    terms = (model.terms.vocabulary[place] for place in counted.indices)
    found = _of_texts(model, data, dict(zip(terms, (said @ slopes).tolist(), strict=True)))
    credits = beside @ slopes
    for name, place in inputs.slices().items():
        found[name] = Heat(np.asarray(credits[place].sum()))
    told = answer(ends, model.classes, several=model.several).array().reshape(2, -1)[:, output]
    return Heats(found, float(told[1] - told[0])) if found else None


def _slopes(ends: Floats, output: int, *, is_of_classes: bool, several: bool) -> Floats:
    """How much one number of the answer follows each logit, in the mean over the straight way
    between two rows of logits, shape (outputs,)."""
    from scipy.special import expit

    own = np.eye(ends.shape[1])[output]
    if not is_of_classes:
        return np.asarray(own)
    move = ends[1] - ends[0]
    apart = abs(move[output]) if several else np.ptp(move)
    count = min(MOST_PIECES, max(1, int(np.ceil(apart / BENT))))
    at, shares = np.polynomial.legendre.leggauss(POINTS)
    along = ((np.arange(count)[:, None] + (at + 1) / 2) / count).ravel()
    weights = np.tile(shares / (2 * count), count)
    logits = ends[0] + along[:, None] * move
    if several:
        there = expit(logits[:, output])
        return np.asarray(own * (weights @ (there * (1 - there))))
    chances = softmax(logits)
    return np.asarray(weights @ (chances[:, output, None] * (own - chances)))


def _of_texts(model: LinearModel, data: Dataset, credits: Mapping[str, float]) -> dict[str, Heat]:
    """The credit of the terms of a row at the words of each of its texts, by column; a word that is
    part of no term has none."""
    config, inputs = model.terms.config, model.inputs
    words, spans = _words(inputs.texts(data)[0], r"\S+" if config.characters else WORD)
    places = inputs.places(data)
    inside = {
        name: (spans[:, 0] >= start) & (spans[:, 1] <= start + len(data.values(name)[0]))
        for name, start in places.items()
    }
    is_in_cell = np.logical_or.reduce([np.zeros(len(words), dtype=bool), *inside.values()])
    shared = _shared(credits, words, is_in_cell.tolist(), config)
    return {
        name: Heat(shared[mine], spans[mine] - places[name])
        for name, mine in inside.items()
        if mine.any()
    }


def _words(text: str, pattern: str) -> tuple[list[str], NDArray[np.int64]]:
    """The words of a text as terms are made of them, in small letters, and their spans of
    characters in the text itself, shape (words, 2): a few letters are two where they are small."""
    small = text.lower()
    own = np.arange(len(text))
    if len(small) != len(text):
        own = np.repeat(own, [len(letter.lower()) for letter in text])
    matches = list(re.finditer(pattern, small))
    spans = [(own[match.start()], own[match.end() - 1] + 1) for match in matches]
    return [match.group() for match in matches], np.array(spans, np.int64).reshape(-1, 2)


def _shared(
    credits: Mapping[str, float],
    words: Sequence[str],
    is_in_cell: Sequence[bool],
    config: LinearConfig,
) -> Floats:
    """The credit of each word, shape (words,), by the terms that it is part of: only words that
    stand in a cell (`is_in_cell`) have any, and what a term has where none does is left out."""
    times = Counter(term for term, _ in _terms(words, config) if term in credits)
    shares = {term: credits[term] / count for term, count in times.items()}
    found = [0.0] * len(words)
    for term, place in _terms(words, config):
        if term in shares:
            own = [at for at in place if is_in_cell[at]]
            for at in own:
                found[at] += shares[term] / len(own)
    return np.array(found)


def _terms(words: Sequence[str], config: LinearConfig) -> Iterator[tuple[str, range]]:
    """All that may be a term among some words, each time that it stands there, and the places of
    the words that it is of. As scikit-learn's `char_wb` and its runs of words."""
    if not config.characters:
        for length in range(1, config.words + 1):
            for first in range(len(words) - length + 1):
                yield " ".join(words[first : first + length]), range(first, first + length)
        return
    for place, word in enumerate(words):
        padded = f" {word} "
        for length in range(SHORTEST_RUN, min(LONGEST_RUN, len(padded)) + 1):
            for first in range(len(padded) - length + 1):
                yield padded[first : first + length], range(place, place + 1)
