import pytest
import torch
from torch import nn

from tunesmith.nn.tables import Tables


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4, padding_idx=0)
        self.map = nn.Linear(4, 1)

    def forward(self, ids):
        return self.map(self.table(ids).tanh()).sum()


def grown(least, batches):
    """Gradients of the table after each step, and the network after all."""
    torch.manual_seed(0)
    network = Words()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)
    found = []
    with Tables(network, least) as tables:
        for pieces in batches:
            tables.clear(optimizer)
            for ids in pieces:
                network(torch.tensor(ids)).backward()
            found.append(network.table.weight.grad.clone())
            optimizer.step()
    return found, network


BATCHES = [[[1, 2, 2, 0]], [[3, 1]], [[5, 5, 0], [5, 6]]]


def test_gradients_and_steps_are_the_very_numbers_of_whole_tables():
    (rows, quick), (whole, plain) = (grown(least, BATCHES) for least in (1, 10**9))
    assert all(torch.equal(a, b) for a, b in zip(rows, whole, strict=True))
    assert torch.equal(quick.table.weight, plain.table.weight)
    assert whole[0][1].norm() > 0
    assert whole[1][2].norm() == 0  # what a step before saw is forgotten


def test_the_buffer_stays_and_the_table_is_as_before_in_the_end():
    network = Words()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with Tables(network, 1) as tables:
        tables.clear(optimizer)
        first = network.table.weight.grad
        assert network.table.sparse
        network(torch.tensor([1, 2])).backward()
        assert network.table.weight.grad is first
        assert not first.is_sparse
        tables.clear(optimizer)
        assert network.table.weight.grad is first
        assert first.count_nonzero() == 0
    assert not network.table.sparse


@pytest.mark.parametrize("least", [1, 41])
def test_tables_that_do_not_train_or_are_small_are_left_alone(least):
    network = Words()
    network.table.requires_grad_(least == 41)
    with Tables(network, least) as tables:
        tables.clear(torch.optim.SGD(network.parameters(), lr=0.1))
        assert network.table.weight.grad is None
        assert not network.table.sparse
