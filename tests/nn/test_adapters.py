from itertools import islice

import numpy as np
import pytest
import torch

from tunesmith.core.errors import ConfigError
from tunesmith.nn.adapters import BitFit, Bottleneck, Full, LoRA, Scaling
from tunesmith.nn.inside import Inside
from tunesmith.nn.loop import logits, train
from tunesmith.nn.optim import AdamW, groups
from tunesmith.nn.ranks import Ranks

ADAPTERS = [Full(), LoRA(dropout=0.0), BitFit(), Bottleneck(width=4), Scaling()]
INSIDE = Inside((), "map.1", "query", "key", "value", "value")
"""Of the tiny blocks; what follows attention there are the values."""


def prepared(network, adapter, blocks):
    network.freeze_below(blocks)
    inside = (
        INSIDE if isinstance(adapter, Bottleneck) else Inside((), "map.1", "query", "key", "value")
    )
    adapter.apply(network.trained(), network.encoder.lora_targets, inside)
    return network


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(module, before):
    after = module.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def trained_steps(network, toy, settings, steps=3):
    optimizer = AdamW().build(groups(network.layers(), 1e-2, 0.9, network.undecayed()), 1e-2)
    list(islice(train(network, optimizer, toy[0], settings(), np.random.default_rng(0)), steps))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("blocks", [0, 1, 2, 3])
def test_frozen_blocks_stay_and_trained_blocks_change(build, toy, settings, adapter, blocks):
    network = prepared(build(), adapter, blocks)
    encoder, head = network.encoder, weights(network.head)
    stem, before = weights(encoder.embedding), [weights(block) for block in encoder.blocks]
    trained_steps(network, toy, settings)
    assert not changed(encoder.embedding, stem)
    moved = [bool(changed(b, old)) for b, old in zip(encoder.blocks, before, strict=True)]
    assert moved == [False] * (3 - blocks) + [True] * blocks
    assert changed(network.head, head) == {"plane.weight", "plane.bias"}


def test_full_changes_every_weight_of_a_trained_block(build, toy, settings):
    network = prepared(build(), Full(), 1)
    block = network.encoder.blocks[-1]
    before = weights(block)
    trained_steps(network, toy, settings)
    assert changed(block, before) | {"key.bias"} == set(before)  # softmax is blind to the key bias


def test_bitfit_changes_biases_alone(build, toy, settings):
    network = prepared(build(), BitFit(), 2)
    before = weights(network.encoder)
    trained_steps(network, toy, settings)
    moved = changed(network.encoder, before)
    assert moved
    assert all(name.endswith("bias") for name in moved)


def test_lora_changes_query_and_value_alone(build, toy, settings):
    network = build()
    before = weights(network.encoder)
    prepared(network, LoRA(dropout=0.0), 2)
    trained_steps(network, toy, settings)
    LoRA().merge(network.trained())
    assert changed(network.encoder, before) == {
        f"blocks.{block}.{name}.weight" for block in (1, 2) for name in ("query", "value")
    }


def test_lora_begins_where_the_network_was(build, toy):
    network = build()
    before = logits(network, toy[0], precision="fp32")
    prepared(network, LoRA(), 3)
    assert torch.equal(logits(network, toy[0], precision="fp32"), before)


def test_a_low_rank_trains_few_numbers(build):
    network = prepared(build(), LoRA(rank=4), 3)
    few = sum(p.numel() for p in network.encoder.parameters() if p.requires_grad)
    assert few == 3 * 2 * 4 * (16 + 16)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_merging_lora_leaves_the_answers_and_a_plain_network(build, toy, settings, dropout):
    adapter = LoRA(rank=4, dropout=dropout)
    plain = build()
    network = prepared(build(), adapter, 2)
    trained_steps(network, toy, settings, steps=8)
    before = logits(network, toy[0], precision="fp32")
    assert not torch.allclose(before, logits(plain, toy[0], precision="fp32"), atol=1e-2)
    adapter.merge(network.trained())
    assert torch.allclose(logits(network, toy[0], precision="fp32"), before, atol=1e-5)
    assert not [m for m in network.modules() if type(m).__module__.startswith("peft")]
    assert list(network.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(network.state_dict())
    assert torch.allclose(logits(plain, toy[0], precision="fp32"), before, atol=1e-5)


@pytest.mark.parametrize("adapter", [Full(), BitFit()], ids=lambda a: type(a).__name__)
def test_merging_nothing_changes_nothing(build, adapter):
    network = prepared(build(), adapter, 2)
    before = weights(network)
    adapter.merge(network.trained())
    assert not changed(network, before)


def test_biases_that_are_not_there_are_told() -> None:
    from tunesmith.core.errors import ConfigError
    from tunesmith.nn.adapters import BitFit

    with pytest.raises(ConfigError, match="no biases"):
        BitFit().apply([torch.nn.Linear(3, 3, bias=False)], ())


@pytest.mark.parametrize(
    "adapter", [Bottleneck(width=4), Scaling()], ids=lambda a: type(a).__name__
)
def test_what_is_added_begins_where_the_network_was_and_trains_alone(build, toy, settings, adapter):
    plain = build()
    network = prepared(build(), adapter, 2)
    begun = logits(network, toy[0], precision="fp32")
    assert torch.allclose(begun, logits(plain, toy[0], precision="fp32"), atol=1e-6)
    named = {n: p for n, p in network.encoder.named_parameters() if p.requires_grad}
    assert named
    assert all(".ia3_l." in n or ".down." in n or ".up." in n for n in named)
    trained_steps(network, toy, settings, steps=8)
    after = logits(network, toy[0], precision="fp32")
    assert not torch.allclose(after, begun, atol=1e-3)
    adapter.merge(network.trained())
    assert torch.allclose(logits(network, toy[0], precision="fp32"), after, atol=1e-5)


def test_merging_scales_leaves_a_plain_network(build, toy, settings):
    plain = build()
    network = prepared(build(), Scaling(), 3)
    trained_steps(network, toy, settings, steps=4)
    Scaling().merge(network.trained())
    assert list(network.state_dict()) == list(plain.state_dict())
    assert not [m for m in network.modules() if type(m).__module__.startswith("peft")]


def test_factors_are_not_pulled_towards_zero(build):
    network = prepared(build(), Scaling(), 3)
    factors = {id(p) for n, p in network.named_parameters() if ".ia3_l." in n}
    assert factors
    assert factors <= network.undecayed()


@pytest.mark.parametrize("adapter", [Bottleneck(), Scaling()], ids=lambda a: type(a).__name__)
def test_blocks_that_are_not_known_from_inside_are_told(build, adapter):
    network = build()
    with pytest.raises(ConfigError, match="not known from inside"):
        adapter.apply([network.head], (), None)


def test_ranks_go_where_the_gradient_is(build, toy, settings):
    """The lowest block is cut off from the answer, so that its directions count nothing."""
    network = prepared(build(), LoRA(rank=4, dropout=0.0, allocate=True), 3)
    blocks = network.trained()
    optimizer = AdamW().build(groups(network.layers(), 1e-2, 0.9, network.undecayed()), 1e-2)
    ranks = Ranks(blocks)
    for step in islice(train(network, optimizer, toy[0], settings(), np.random.default_rng(0)), 12):
        if step.number <= 6:
            for name, one in blocks[0].named_parameters():
                if "lora" in name:
                    one.grad.zero_()
            ranks.look()
        if step.number == 6:
            assert ranks.settle(optimizer) == [0, 6, 6]
    assert ranks.left() == [0, 6, 6]
    again = Ranks(blocks)
    again.take_up()
    assert again.is_settled
