import numpy as np
import pytest
import torch

from tunesmith.nn.batches import Rows, collate
from tunesmith.nn.loop import logits
from tunesmith.nn.network import POOLS, Head, Pool

HIDDEN = torch.tensor(
    [[[1.0, 4.0], [3.0, 0.0], [99.0, 99.0]], [[2.0, 2.0], [0.0, 1.0], [1.0, 0.0]]]
)
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("mean", [[2.0, 2.0], [1.0, 1.0]]),
        ("max", [[3.0, 4.0], [2.0, 2.0]]),
        ("first", [[1.0, 4.0], [2.0, 2.0]]),
        ("attention", [[2.0, 2.0], [1.0, 1.0]]),
    ],
)
def test_a_pool_sees_the_tokens_inside_the_mask(kind, expected):
    assert torch.allclose(Pool(kind, 2)(HIDDEN, MASK), torch.tensor(expected))


def test_an_attention_pool_leans_to_the_tokens_its_query_scores_high():
    pool = Pool("attention", 2)
    with torch.no_grad():
        pool.query.weight.copy_(torch.tensor([[50.0, 0.0]]))
    assert torch.allclose(pool(HIDDEN, MASK), torch.tensor([[3.0, 0.0], [2.0, 2.0]]))


@pytest.mark.parametrize(("sharpness", "kind"), [(-9.0, "mean"), (60.0, "max")])
def test_a_generalised_mean_lies_between_the_mean_and_the_largest(sharpness, kind):
    pool = Pool("generalised", 2)
    expected = Pool(kind, 2)(HIDDEN, MASK)
    begun = pool(HIDDEN, MASK)
    assert (begun > Pool("mean", 2)(HIDDEN, MASK) - 1e-5).all()
    assert (begun < Pool("max", 2)(HIDDEN, MASK)).all()
    with torch.no_grad():
        pool.sharpness.fill_(sharpness)
    assert torch.allclose(pool(HIDDEN, MASK), expected, atol=0.05)


def test_a_mix_of_layers_begins_with_nearly_the_last_and_ends_where_its_weights_say(build, toy):
    plain = build()
    mixed = build(mixed=3)
    mixed.load_state_dict(plain.state_dict(), strict=False)
    mixed.freeze_below(2)
    assert mixed.mix.shares()[-1] > 0.95
    with torch.no_grad():
        mixed.mix.weights.copy_(torch.tensor([-99.0, 99.0, -99.0]))
    below = build(blocks=2)
    own = below.state_dict()
    below.load_state_dict({n: v for n, v in plain.state_dict().items() if n in own})
    found = logits(mixed, toy[0], precision="fp32")
    assert torch.allclose(found, logits(below, toy[0], precision="fp32"), atol=1e-5)
    assert any(p is mixed.mix.weights for p in mixed.layers()[0])


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("hidden", [0, 8])
def test_padding_and_neighbours_do_not_change_an_answer(build, toy, pool, hidden):
    rows, _ = toy
    network = build(pool=pool, hidden=hidden, outputs=3)
    together = logits(network, rows, precision="fp32")
    alone = logits(network, rows, batch_size=1, precision="fp32")
    assert together.shape == (64, 3)
    assert torch.allclose(together, alone, atol=1e-5)


def test_dense_inputs_reach_the_head(build, toy):
    rows, _ = toy
    network = build()
    before = logits(network, rows, precision="fp32")
    other = Rows(rows.ids, rows.dense + 1.0, rows.pad_id)
    step = network.head.plane.weight.detach()[:, -2:].sum(dim=1)
    assert torch.allclose(logits(network, other, precision="fp32"), before + step, atol=1e-5)


def test_a_text_without_dense_inputs_is_enough(build, toy):
    rows = Rows(toy[0].ids, np.zeros((64, 0), np.float32), 0)
    assert logits(build(dense=0), rows, precision="fp32").shape == (64, 2)


@pytest.mark.parametrize("trained", [0, 1, 2, 3])
def test_a_gradient_reaches_the_trained_part_alone(build, toy, trained):
    network = build()
    network.freeze_below(trained)
    network.encoder.requires_grad_(True)
    network(collate(toy[0], np.arange(4), "cpu")).square().sum().backward()
    reached = [any(p.grad is not None for p in b.parameters()) for b in network.encoder.blocks]
    assert reached == [False] * (3 - trained) + [True] * trained
    assert (network.encoder.embedding.weight.grad is not None) == (trained == 3)
    assert network.head.plane.weight.grad is not None
    assert network.trained() == list(network.encoder.blocks)[3 - trained :]


@pytest.mark.parametrize("trained", [0, 1, 3])
def test_freezing_leaves_only_the_head_and_the_pool_until_an_adapter_says_more(build, trained):
    network = build(pool="attention")
    network.encoder.requires_grad_(True)
    network.freeze_below(trained)
    free = {name.partition(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert free == {"head", "pool"}


def test_a_new_head_begins_near_an_even_answer():
    torch.manual_seed(0)
    head = Head(16, 4, hidden=0, dropout=0.0)
    shares = head(torch.randn(100, 16)).softmax(dim=1)
    assert shares.min() > 0.15
    assert shares.max() < 0.40


def test_dropout_acts_in_training_and_not_in_prediction(build, toy):
    network, batch = build(dropout=0.5), collate(toy[0], np.arange(8), "cpu")
    network.train()
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))
