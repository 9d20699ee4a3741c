"""Which language texts are in, so that a checkpoint that reads it can be chosen."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.errors import MissingExtra, need

UNKNOWN = "unknown"
MULTI = "multi"
SURE = 0.5
"""Probability from which one text counts as being in a language."""
SURE_TOGETHER = 0.9
"""The same for many short texts read as one."""
MOST_LETTERS = 300
"""Of one text; more do not change the answer."""
FEWEST_LETTERS = 40
"""Fewer tell no language, even where each was taken for one."""
MAJORITY = 0.7
"""Share of the texts of a known language that the main one has; below, the table is mixed."""
ALONE = 0.97
"""Share of the texts of a known language from which the others are taken for slips of the detector.
"""
SHORT = 20
"""Letters of a text below which one text tells no language."""
FEWEST_KNOWN = 0.3
"""Share of texts whose language must be known one by one; else they are read as one."""
KIN = {
    "pcm": "en",
    "wuu": "zh",
    "yue": "zh",
    "arz": "ar",
    "ary": "ar",
    "nn": "no",
    "nb": "no",
    "gom": "mr",
    "sdh": "ku",
    "zxx": UNKNOWN,
}
"""Varieties told apart by the detector that checkpoints do not tell apart; zxx is no language."""


@dataclass(frozen=True)
class Languages:
    """Shares of the texts by ISO 639-1 code (or "unknown"), largest first; the code of most of
    them, or "unknown" where none is; and why."""

    shares: Mapping[str, float]
    main: str
    reason: str


def detect(texts: Sequence[str], rows: int = 200, seed: int = 0) -> Languages:
    """The languages of a sample of `rows` texts; empty ones do not count. Takes a tenth of a
    second for 200, and most of a second once."""
    whole = [text for text in texts if text.strip()]
    if not whole:
        return Languages({}, UNKNOWN, "there is no text")
    try:
        classify = _classifier()
    except MissingExtra as error:
        return Languages({}, UNKNOWN, str(error))
    chosen = np.random.default_rng(seed).permutation(len(whole))[:rows]
    sample = [whole[number].strip()[:MOST_LETTERS] for number in chosen]
    codes = [classify(text, SURE) for text in sample]
    counts = Counter(codes)
    shares = {code: count / len(codes) for code, count in counts.most_common()}
    if sum(letter.isalpha() for text in sample for letter in text) < _fewest(sample):
        return Languages(shares, UNKNOWN, "there is too little text to tell a language")
    if 1 - shares.get(UNKNOWN, 0.0) < FEWEST_KNOWN:
        return _together(sample, shares, classify)
    return _majority(shares)


def languages_of(texts: Sequence[str], seed: int = 0) -> list[str]:
    """The language of each text, "unknown" where it cannot be told, as of short ones. Where a
    sample of them is in one language, all are taken to be; without the detector none is known.
    Takes half a millisecond for each text of a mixed table."""
    found = detect(texts, seed=seed)
    known = {code: share for code, share in found.shares.items() if code != UNKNOWN}
    if sum(known.values()) < FEWEST_KNOWN or max(known.values()) > ALONE * sum(known.values()):
        return [found.main] * len(texts)
    classify = _classifier()
    return [
        classify(text.strip()[:MOST_LETTERS], SURE) if len(text.strip()) >= SHORT else UNKNOWN
        for text in texts
    ]


def suits_language(languages: Collection[str], main: str) -> bool:
    """Whether a checkpoint of these languages may be given texts whose main language is `main`;
    nothing is held against one where either is unknown."""
    return main == UNKNOWN or bool({MULTI, UNKNOWN, main} & set(languages))


def _majority(shares: Mapping[str, float]) -> Languages:
    known = {code: share for code, share in shares.items() if code != UNKNOWN}
    first = max(known, key=lambda code: known[code])
    told = ", ".join(f"{code} {share:.0%}" for code, share in list(shares.items())[:3])
    if known[first] < MAJORITY * sum(known.values()):
        return Languages(shares, UNKNOWN, f"the texts are in several languages: {told}")
    return Languages(shares, first, f"of the texts: {told}")


def _together(
    sample: Sequence[str], shares: Mapping[str, float], classify: Callable[[str, float], str]
) -> Languages:
    """Texts too short one by one may still tell a language as one text."""
    code = classify(" ".join(sample), SURE_TOGETHER)
    if code == UNKNOWN:
        return Languages(shares, UNKNOWN, "the texts are too short to tell a language")
    return Languages(shares, code, "the texts are too short one by one, and were read as one")


def _fewest(sample: Sequence[str]) -> int:
    """Letters that must be there: fewer where each is a syllable or a word."""
    dense = any("\u3040" <= letter <= "\ud7a3" for text in sample for letter in text)
    return FEWEST_LETTERS // 4 if dense else FEWEST_LETTERS


@functools.cache
def _classifier() -> Callable[[str, float], str]:
    """A function from a text and the probability asked for to a code.

    Source: Lui and Baldwin, "langid.py: An Off-the-shelf Language Identification Tool", ACL 2012.
    """
    langid = need("py3langid.langid", extra="text")
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)

    def classify(text: str, sure: float) -> str:
        odds: dict[str, float] = {}
        for code, probability in identifier.rank(text.encode("utf-8", "replace")):
            kin = KIN.get(code, code)
            odds[kin] = odds.get(kin, 0.0) + float(probability)
        first = max(odds, key=lambda code: odds[code])
        return first if odds[first] >= sure else UNKNOWN

    return classify
