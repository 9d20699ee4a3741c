from itertools import islice

import numpy as np
import pytest
import torch

from tunesmith.nn.batches import Rows
from tunesmith.nn.loop import logits, train
from tunesmith.nn.optim import SGD, AdamW, Lion, groups


def begin(network, toy, settings, optimizer=None, lr=3e-3, seed=0):
    """A loop over the toy problem with every weight trained; gives the optimiser too."""
    optimizer = optimizer or AdamW()
    network.freeze_below(len(network.encoder.blocks))
    network.encoder.requires_grad_(True)
    built = optimizer.build(groups(network.layers(), lr, 0.9, network.undecayed()), lr)
    return train(network, built, toy[0], settings, np.random.default_rng(seed)), built


def state(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize(
    ("optimizer", "lr"),
    [(AdamW(), 3e-3), (SGD(), 2e-4), (Lion(), 1e-2)],
    ids=["AdamW", "SGD", "Lion"],
)
def test_the_loss_goes_down(build, toy, settings, optimizer, lr):
    steps, _ = begin(build(), toy, settings(clip=1.0), optimizer, lr)
    losses = [step.loss for step in islice(steps, 60)]
    assert np.mean(losses[-8:]) < 0.5 * np.mean(losses[:4])


def test_what_was_learned_shows_in_the_answers(build, toy, settings):
    network = build()
    steps, _ = begin(network, toy, settings())
    list(islice(steps, 60))
    answers = logits(network, toy[0], precision="fp32").argmax(dim=1).numpy()
    assert (answers == toy[1]).mean() > 0.95


def test_a_number_is_learned_too(build, toy, settings):
    rows, _ = toy
    truth = rows.dense @ np.array([1.0, -2.0])
    steps, _ = begin(build(outputs=1), toy, settings(truth=truth, classes=0), lr=1e-2)
    losses = [step.loss for step in islice(steps, 60)]
    assert np.mean(losses[-4:]) < 0.2 * np.mean(losses[:4])


def test_steps_count_epochs_and_say_where_one_ends(build, toy, settings):
    steps, _ = begin(build(), toy, settings(batch_size=24))
    seen = list(islice(steps, 6))
    assert [step.number for step in seen] == [1, 2, 3, 4, 5, 6]
    assert [step.epoch for step in seen] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
    assert [step.ends_epoch for step in seen] == [False, False, True] * 2
    assert sum(step.rows for step in seen[:3]) == sum(step.rows for step in seen[3:]) == 64


@pytest.mark.parametrize("weights", [None, np.array([0.2, 3.0], dtype=np.float32)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("micro", [1, 5, 8])
def test_small_pieces_take_the_step_of_the_whole_batch(
    build, toy, settings, micro, smoothing, weights
):
    found = []
    for size in (16, micro):
        network = build()
        chosen = settings(micro_batch=size, smoothing=smoothing, class_weights=weights)
        steps, _ = begin(network, toy, chosen, SGD(), 1e-4)
        step = next(steps)
        gradient = torch.cat([p.grad.flatten() for p in network.parameters()])
        found.append((gradient, state(network), step.loss))
    (whole_gradient, whole, loss), (gradient, pieces, same_loss) = found
    assert whole_gradient.norm() > 1e-3
    assert torch.allclose(gradient, whole_gradient, atol=1e-5)
    assert torch.allclose(pieces, whole, atol=1e-5)
    assert same_loss == pytest.approx(loss, abs=1e-5)


def test_one_seed_gives_one_set_of_weights(build, toy, settings):
    ends = []
    for seed in (0, 0, 1):
        network = build(dropout=0.1)
        torch.manual_seed(seed)
        list(islice(begin(network, toy, settings(), seed=seed)[0], 6))
        ends.append(state(network))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_the_rate_follows_the_progress_from_each_layers_own_peak(build, toy, settings):
    chosen = settings(rate=lambda progress: 1 - progress, progress=lambda number: number / 4)
    steps, optimizer = begin(build(), toy, chosen, lr=1e-3)
    peaks = [group["lr"] for group in optimizer.param_groups]
    for share in (1.0, 0.75, 0.5, 0.25, 0.0):
        next(steps)
        seen = [group["lr"] for group in optimizer.param_groups]
        assert seen == pytest.approx([peak * share for peak in peaks])


def test_a_rate_of_zero_leaves_every_weight(build, toy, settings):
    network = build()
    steps, _ = begin(network, toy, settings(rate=lambda progress: 0.0))
    before = state(network)
    list(islice(steps, 3))
    assert torch.equal(state(network), before)


def test_a_clipped_gradient_has_the_norm_allowed(build, toy, settings):
    norms = []
    for clip in (0.0, 0.01):
        network = build()
        next(begin(network, toy, settings(clip=clip))[0])
        norms.append(torch.cat([p.grad.flatten() for p in network.parameters()]).norm().item())
    assert norms[0] > 0.02
    assert norms[1] == pytest.approx(0.01, rel=1e-3)


def test_answers_stand_in_the_order_of_the_rows_and_each_batch_is_told(build, toy):
    rows, _ = toy
    network, told = build(), []
    found = logits(network, rows, batch_size=10, precision="fp32", after=told.append)
    assert sorted(np.concatenate([batch.rows for batch in told]).tolist()) == list(range(64))
    order = np.random.default_rng(0).permutation(64)
    mixed = Rows([rows.ids[i] for i in order], rows.dense[order], rows.pad_id)
    again = logits(network, mixed, batch_size=10, precision="fp32")
    assert torch.allclose(again, found[torch.from_numpy(order)], atol=1e-5)
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_a_look_at_the_answers_can_be_ended_from_outside(build, toy):
    def stop(batch):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        logits(build(), toy[0], batch_size=10, after=stop)


def test_no_rows_have_no_answers(build):
    rows = Rows([], np.zeros((0, 2), np.float32), 0)
    assert logits(build(outputs=3), rows).shape == (0, 3)
