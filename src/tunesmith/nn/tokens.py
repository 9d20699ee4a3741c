"""Tokenised once: token ids of every text seen in this process, cut to length when used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]
Tokeniser = Callable[[list[str]], list[list[int]]]

MOST_BYTES = 2 * 1024**3


class TokenMemo:
    """Ids by (tokeniser, text). Emptied when it would grow over its byte limit."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._known: dict[tuple[str, str], Tokens] = {}
        self._bytes = 0
        self._most_bytes = most_bytes

    def ids(self, key: str, tokenise: Tokeniser, texts: Sequence[str]) -> list[Tokens]:
        """The ids of each text at full length, special tokens included."""
        fresh = list(dict.fromkeys(text for text in texts if (key, text) not in self._known))
        found = dict(zip(fresh, tokenise(fresh), strict=True)) if fresh else {}
        arrays = {text: np.asarray(ids, dtype=np.int32) for text, ids in found.items()}
        answer = [arrays[t] if t in arrays else self._known[key, t] for t in texts]
        self._keep(key, arrays)
        return answer

    def _keep(self, key: str, arrays: dict[str, Tokens]) -> None:
        self._bytes += sum(ids.nbytes + len(text) + 200 for text, ids in arrays.items())
        if self._bytes > self._most_bytes:
            self._known.clear()
            self._bytes = 0
            return
        self._known.update({(key, text): ids for text, ids in arrays.items()})


def cut(ids: Tokens, most: int) -> Tokens:
    """At most so many tokens; the closing special token stays."""
    if len(ids) <= most:
        return ids
    return np.concatenate([ids[: most - 1], ids[-1:]])


TOKENS = TokenMemo()
