"""Layers between a backbone and its pool: they begin as the identity, and see what they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.nn.loop import logits
from tunesmith.nn.necks import Attention, Convolution, neck

KINDS = ("convolution", "attention")


def spread(module: Any, seed: int = 0) -> Any:
    """What starts at 0 would hide mistakes."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_begins_as_without_its_neck(build: Any, toy: Any, kind: str) -> None:
    plain, necked = build(), build(neck=kind)
    missing, extra = necked.load_state_dict(plain.state_dict(), strict=False)
    assert missing
    assert not extra
    wanted = logits(plain, toy[0], precision="fp32")
    assert torch.equal(logits(necked, toy[0], precision="fp32"), wanted)
    spread(necked.neck)
    assert not torch.allclose(logits(necked, toy[0], precision="fp32"), wanted, atol=1e-3)


@pytest.mark.parametrize("pool", ["mean", "final", "max"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_neighbours_do_not_change_an_answer(
    build: Any, toy: Any, kind: str, pool: str
) -> None:
    network = build(neck=kind, pool=pool)
    spread(network.neck)
    together = logits(network, toy[0], precision="fp32")
    alone = logits(network, toy[0], batch_size=1, precision="fp32")
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_behind_the_end_of_a_row_is_not_seen(kind: str) -> None:
    made = spread(neck(kind, 8, 4, 1))
    row = torch.randn(1, 5, 8)
    alone = made(row)
    for behind in (torch.zeros(1, 2, 8), 9 * torch.randn(1, 2, 8)):
        mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0]])
        found = made(torch.cat([row, behind], dim=1), mask)
        assert torch.allclose(found[:, :5], alone, atol=1e-5)


def reached(made: Any, hidden: torch.Tensor, place: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Which places of a row the answer at one place hangs on."""
    hidden = hidden.requires_grad_()
    made(hidden)[(0, *place)].sum().backward()
    return [tuple(at) for at in hidden.grad[0].abs().sum(dim=-1).nonzero().tolist()]  # type: ignore[index]


def test_a_convolution_sees_neighbours_and_attention_all() -> None:
    line, grid = torch.randn(1, 6, 8), torch.randn(1, 4, 5, 8)
    convolution = spread(Convolution(8, 4, 1))
    assert reached(convolution, line, (3,)) == [(2,), (3,), (4,)]
    assert reached(convolution, line.detach(), (0,)) == [(0,), (1,)]
    around = [(y, x) for y in (0, 1) for x in (2, 3, 4)]
    assert reached(spread(Convolution(8, 4, 2)), grid, (0, 3)) == around
    for hidden in (line.detach(), grid.detach()):
        place = (1,) * (hidden.ndim - 2)
        assert len(reached(spread(Attention(8, 4)), hidden, place)) == hidden[0, ..., 0].numel()


def test_attention_over_a_map_is_that_over_its_places_in_a_line() -> None:
    made, grid = spread(Attention(8, 4)), torch.randn(2, 3, 3, 8)
    assert torch.allclose(made(grid).flatten(1, 2), made(grid.flatten(1, 2)), atol=1e-6)


@pytest.mark.parametrize(("inner", "heads"), [(1, 1), (32, 1), (64, 2), (96, 3), (100, 1)])
def test_attention_has_as_many_heads_as_fit(inner: int, heads: int) -> None:
    made = spread(Attention(8, inner))
    assert made.heads == heads
    assert made(torch.randn(1, 4, 8)).shape == (1, 4, 8)


def test_there_are_no_other_kinds() -> None:
    with pytest.raises(ValueError, match="no neck 'bottle'"):
        neck("bottle", 8, 4, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_neck_learns_as_the_head_does_where_all_blocks_are_frozen(
    build: Any, toy: Any, settings: Any, kind: str
) -> None:
    from tunesmith.nn import loop
    from tunesmith.nn.feed import AsTheyAre

    network = build(neck=kind)
    network.freeze_below(0)
    assert {id(p) for p in network.neck.parameters()} <= {id(p) for p in network.layers()[0]}
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    rate = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.01)
    dice = np.random.default_rng(0)
    for step in loop.train(network, rate, AsTheyAre(toy[0]), settings(), dice):
        if step.number == 8:
            break
    moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert {name.partition(".")[0] for name in moved} == {"neck", "head"}
    assert "neck.up.weight" in moved
    assert any(name.startswith("neck.down") or "query" in name for name in moved)
