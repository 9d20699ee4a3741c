"""Cells, the network of all of them, and the search in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tunesmith.nn import darts, supernet
from tunesmith.nn.cells import ACTIVATIONS, NORMS, Cell, CellShape
from tunesmith.nn.tabular import Table


def numbers(rows: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32))


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_cell_begins_as_the_plane_that_it_is_given(depth: int, mixed: bool) -> None:
    cell = Cell(CellShape((4, 4), 2, 3, mixed=mixed, depth=depth, width=8, residual=True)).eval()
    dice = np.random.default_rng(1)
    weights = dice.normal(size=(cell.shape.inside, 3)).astype(np.float32)
    bias = dice.normal(size=3)
    cell.begin(weights, bias)
    rows = numbers(5, 10)
    read = cell.reading(rows[:, :8])
    wanted = torch.cat([read, rows[:, 8:]], dim=1) @ torch.from_numpy(weights)
    assert torch.allclose(cell(rows, rows[:, :0])[:, 0], wanted + torch.tensor(bias).float())


def test_mixed_vectors_are_summed_by_shares_that_come_to_one() -> None:
    cell = Cell(CellShape((3, 3, 3), 0, 2, mixed=True))
    assert cell.reading.weights().sum() == pytest.approx(1)
    same = numbers(4, 3).repeat(1, 3)
    assert torch.allclose(cell.reading(same), same[:, :3])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_every_activation_and_norm_learns(activation: str, norm: str) -> None:
    cell = Cell(CellShape((6,), 0, 2, depth=2, width=8, activation=activation, norm=norm))
    rows, truth = numbers(32, 6), torch.arange(32) % 2
    for _ in range(2):
        torch.nn.functional.cross_entropy(cell(rows, rows[:, :0])[:, 0], truth).backward()
        torch.optim.SGD(cell.parameters(), lr=0.1).step()
    assert all(one.grad is not None and bool(one.grad.abs().sum()) for one in cell.parameters())


def test_the_options_of_a_choice_count_to_one_and_one_that_is_gone_counts_nothing() -> None:
    network = supernet.Supernet(supernet.Reads(("a", "b"), (4, 4), 1, 3), 0.0)
    assert all(sum(one.values()) == pytest.approx(1) for one in network.weights().values())
    network.drop_option(supernet.ACTIVATION, "relu")
    assert "relu" not in network.weights()[supernet.ACTIVATION]
    rows = numbers(6, 9)
    assert network(rows, rows[:, :0]).shape == (6, 1, 3)


def test_vectors_of_unlike_widths_are_not_mixed() -> None:
    assert supernet.JOINED not in supernet.options(supernet.Reads(("a", "b"), (4, 5), 0, 2))


def searched(truth: torch.Tensor, rows: torch.Tensor, names: tuple[str, ...]) -> supernet.Supernet:
    torch.manual_seed(0)
    widths = tuple(rows.shape[1] // len(names) for _ in names)
    network = supernet.Supernet(supernet.Reads(names, widths, 0, 2), 0.0)
    lesson = darts.Lesson(Table(rows, rows[:, :0].long()), truth, 2)
    places = np.arange(len(rows))
    pacing = darts.Pacing(32, 3e-3, 0.01, lambda number: number / 150)
    notes = list(
        darts.search(network, lesson, places[::2], places[1::2], pacing, np.random.default_rng(0))
    )
    assert [note.progress for note in notes] == sorted(note.progress for note in notes)
    assert all(len(left) == 1 for left in network.left.values())
    return network


def test_a_search_reads_what_tells_and_leaves_out_what_does_not() -> None:
    rows = numbers(600, 24)
    truth = (rows[:, 0] + rows[:, 1] > 0).long()  # the first of three vectors
    chosen = searched(truth, rows, ("tells", "noise", "more")).chosen()
    assert chosen["read tells"] == supernet.IN
    assert supernet.OUT in (chosen["read noise"], chosen["read more"])


def test_a_search_finds_layers_where_no_plane_is_enough() -> None:
    rows = numbers(600, 4)
    truth = (rows[:, 0] * rows[:, 1] > 0).long()
    chosen = searched(truth, rows, ("one",)).chosen()
    assert chosen[supernet.layer_of(1)] == supernet.LINEAR


def test_shrinking_drops_the_least_option_of_every_choice_with_more_than_two() -> None:
    network = supernet.Supernet(supernet.Reads(("a",), (4,), 0, 2), 0.0)
    with torch.no_grad():
        network.alpha(supernet.ACTIVATION)[2] = -1.0
    darts.shrink(network)
    assert "silu" not in network.left[supernet.ACTIVATION]
    assert len(network.left[supernet.WIDTH]) == 2
    assert len(network.left[supernet.RESIDUAL]) == 2


def test_layers_skip_from_the_second_on_whatever_they_are_given() -> None:
    cell = Cell(CellShape((64,), 0, 2, depth=3, width=64, residual=True))
    assert [layer.skips for layer in cell.layers] == [False, True, True]
