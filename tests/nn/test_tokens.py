import numpy as np

from tunesmith.nn.tokens import TokenMemo, cut

START, END = 1, 2


class Letters:
    """A tokeniser of letters that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str]) -> list[list[int]]:
        self.asked += texts
        return [[START, *map(ord, text), END] for text in texts]


def as_lists(arrays):
    return [ids.tolist() for ids in arrays]


def test_every_text_is_tokenised_once_and_comes_back_in_its_place():
    memo, letters = TokenMemo(), Letters()
    first = memo.ids("k", letters, ["ab", "c", "ab", ""])
    assert as_lists(first) == [[1, 97, 98, 2], [1, 99, 2], [1, 97, 98, 2], [1, 2]]
    second = memo.ids("k", letters, ["d", "ab"])
    assert as_lists(second) == [[1, 100, 2], [1, 97, 98, 2]]
    assert letters.asked == ["ab", "c", "", "d"]


def test_two_tokenisers_do_not_share_their_ids():
    memo = TokenMemo()
    memo.ids("letters", Letters(), ["ab"])
    assert as_lists(memo.ids("other", lambda texts: [[7] for _ in texts], ["ab"])) == [[7]]
    assert as_lists(memo.ids("letters", Letters(), ["ab"])) == [[1, 97, 98, 2]]


def test_a_full_memo_is_emptied_and_still_answers_right():
    memo, letters = TokenMemo(most_bytes=500), Letters()
    texts = ["a", "b", "c"]
    for _ in range(3):
        for text in texts:
            assert as_lists(memo.ids("k", letters, [text])) == [[1, ord(text), 2]]
    assert len(letters.asked) > 3
    assert as_lists(memo.ids("k", letters, ["a", "b", "c", "d", "e"])) == [
        [1, ord(text), 2] for text in "abcde"
    ]


def test_a_cut_text_keeps_its_beginning_and_its_closing_token():
    ids = np.array([START, 5, 6, 7, END], dtype=np.int32)
    assert cut(ids, 3).tolist() == [START, 5, END]
    assert cut(ids, 5).tolist() == ids.tolist()
    assert cut(ids, 99).tolist() == ids.tolist()
    assert cut(ids, 3).dtype == np.int32
