import pytest
import torch

from tunesmith.nn.optim import SGD, AdamW, Lion, factor, groups


def rates(found):
    """The learning rate of each parameter, by id."""
    return {id(p): group["lr"] for group in found for p in group["params"]}


def test_each_layer_learns_at_a_power_of_the_decay(build):
    network = build(pool="attention", hidden=8)
    network.freeze_below(3)
    network.encoder.requires_grad_(True)
    found = rates(groups(network.layers(), 1e-3, 0.5, network.undecayed()))
    encoder = network.encoder
    parts = [network.head, *reversed(encoder.blocks), encoder.embedding]
    for depth, part in enumerate(parts):
        assert {found[id(p)] for p in part.parameters()} == {1e-3 * 0.5**depth}
    assert {found[id(p)] for p in network.pool.parameters()} == {1e-3}


@pytest.mark.parametrize("trained", [0, 1, 2, 3])
def test_every_parameter_that_may_change_is_in_one_group_and_no_other(build, trained):
    network = build()
    network.freeze_below(trained)
    network.encoder.blocks[3 - trained :].requires_grad_(True)
    found = groups(network.layers(), 1e-3, 0.9, network.undecayed())
    ids = [id(p) for group in found for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("optimizer", [AdamW(), SGD(), Lion()])
def test_matrices_decay_and_biases_and_norms_do_not(build, optimizer):
    network = build()
    network.freeze_below(3)
    network.encoder.requires_grad_(True)
    built = optimizer.build(groups(network.layers(), 1e-3, 1.0, network.undecayed()), 1e-3)
    for group in built.param_groups:
        for parameter in group["params"]:
            expected = optimizer.weight_decay if parameter.ndim > 1 else 0.0
            assert group["weight_decay"] == expected


def test_sgd_and_lion_scale_the_learning_rate_of_every_layer():
    for optimizer, times in ((AdamW(), 1.0), (SGD(boost=100.0), 100.0), (Lion(damp=0.1), 0.1)):
        layers = [[torch.nn.Parameter(torch.zeros(2, 2))] for _ in range(3)]
        built = optimizer.build(groups(layers, 1e-3, 0.5, set()), 1e-3)
        seen = [group["lr"] for group in built.param_groups]
        assert seen == pytest.approx([1e-3 * times * 0.5**depth for depth in range(3)])


def test_weight_decay_alone_pulls_matrices_to_zero():
    for optimizer in (AdamW(weight_decay=0.1), SGD(weight_decay=1e-2), Lion(weight_decay=0.1)):
        matrix = torch.nn.Parameter(torch.ones(2, 2))
        bias = torch.nn.Parameter(torch.ones(2))
        built = optimizer.build(groups([[matrix, bias]], 1e-2, 1.0, {id(bias)}), 1e-2)
        matrix.grad, bias.grad = torch.zeros(2, 2), torch.zeros(2)
        built.step()
        assert (matrix < 1).all()
        assert (bias == 1).all()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_schedule_rises_to_one_and_falls_to_zero(schedule):
    steps = [factor(schedule, i / 100, 0.1) for i in range(101)]
    assert steps[10] == 1.0
    assert steps[:11] == sorted(steps[:11])
    assert steps[10:] == sorted(steps[10:], reverse=True)
    assert steps[-1] == pytest.approx(0.0, abs=1e-12)
    assert steps[0] > 0
    assert steps[55] == pytest.approx(0.5)


def test_a_constant_schedule_stays_after_its_warm_up():
    assert factor("constant", 0.05, 0.1) == 0.5
    assert [factor("constant", i / 10, 0.1) for i in range(1, 11)] == [1.0] * 10


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_no_warm_up_begins_at_the_peak_and_work_beyond_the_plan_does_not_rise_again(schedule):
    assert factor(schedule, 0.0, 0.0) == 1.0
    assert factor(schedule, 1.5, 0.1) == pytest.approx(factor(schedule, 1.0, 0.1))
