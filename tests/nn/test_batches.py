import numpy as np
import pytest

from tunesmith.nn.batches import PAD_MULTIPLE, PADDING_TOKENS, Rows, by_length, collate, shuffled


@pytest.fixture
def lengths():
    """Most texts are short and a few long."""
    return np.random.default_rng(0).lognormal(3.0, 0.8, 1003).astype(np.int64) + 1


def padding(lengths, batches):
    return sum(int((lengths[b].max() - lengths[b]).sum()) for b in batches)


def test_every_row_stands_in_one_batch(lengths):
    for batches in (list(by_length(lengths, 16)), shuffled(lengths, 16, np.random.default_rng(0))):
        assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
        assert max(map(len, batches)) == 16
        assert len(batches) >= 63


def test_batches_of_like_length_pad_far_less_than_random_ones(lengths):
    generator = np.random.default_rng(0)
    order = generator.permutation(len(lengths))
    random = [order[i : i + 16] for i in range(0, len(order), 16)]
    assert padding(lengths, shuffled(lengths, 16, generator)) < padding(lengths, random) / 5


def test_the_longest_come_first_so_that_memory_fails_at_once(lengths):
    batches = list(by_length(lengths, 16))
    longest = [lengths[b].max() for b in batches]
    assert longest == sorted(longest, reverse=True)
    assert longest[0] == lengths.max()


def test_one_long_text_is_not_what_all_others_are_padded_to():
    batches = list(by_length(np.array([12] * 40 + [300]), 64))
    assert [b.tolist() for b in batches] == [[40], list(range(40))]


def test_a_little_padding_costs_less_than_a_further_batch():
    lengths = np.array([12, 13, 14, 12])
    assert [b.tolist() for b in by_length(lengths, 64)] == [[2, 1, 0, 3]]
    assert list(by_length(np.array([], dtype=np.int64), 64)) == []


def test_padding_of_a_batch_is_bounded(lengths):
    batches = list(by_length(lengths, 64))
    assert max(padding(lengths, [b]) for b in batches) <= PADDING_TOKENS
    assert len(batches) < 3 * len(lengths) / 64


def test_the_order_is_random_but_the_same_for_one_seed(lengths):
    one, same, other = (shuffled(lengths, 16, np.random.default_rng(s)) for s in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True) if len(a) == len(b))
    first = [lengths[b].max() for b in one]
    assert first != sorted(first)


def test_rows_of_one_length_are_mixed_anew_each_epoch():
    generator = np.random.default_rng(0)
    lengths = np.full(64, 5)
    one, two = ({frozenset(b.tolist()) for b in shuffled(lengths, 8, generator)} for _ in range(2))
    assert one != two


def test_a_batch_holds_the_rows_chosen_and_marks_the_padding(toy):
    rows, _ = toy
    chosen = np.array([5, 0, 63])
    batch = collate(rows, chosen, "cpu")
    longest = max(len(rows.ids[i]) for i in chosen)
    assert batch.ids.shape == batch.mask.shape
    assert batch.ids.shape[1] - longest in range(PAD_MULTIPLE)
    assert batch.ids.shape[1] % PAD_MULTIPLE == 0
    for place, row in enumerate(chosen):
        inside = batch.mask[place].bool()
        assert batch.ids[place][inside].tolist() == rows.ids[row].tolist()
        assert (batch.ids[place][~inside] == rows.pad_id).all()
    assert (batch.dense.numpy() == rows.dense[chosen]).all()
    assert batch.rows.tolist() == chosen.tolist()


def test_a_batch_without_padding_has_no_mask():
    rows = Rows([np.arange(8, dtype=np.int32)] * 2, np.zeros((2, 0), np.float32), pad_id=0)
    assert collate(rows, np.array([0, 1]), "cpu").mask is None
