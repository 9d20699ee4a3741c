from itertools import islice

import numpy as np
import pytest
import torch

from tunesmith.nn.adapters import BitFit, Full, LoRA
from tunesmith.nn.loop import logits, train
from tunesmith.nn.optim import AdamW, groups

ADAPTERS = [Full(), LoRA(dropout=0.0), BitFit()]


def prepared(network, adapter, blocks):
    network.freeze_below(blocks)
    adapter.apply(network.trained(), network.encoder.lora_targets)
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
