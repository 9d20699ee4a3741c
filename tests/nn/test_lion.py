import numpy as np
import torch

from tunesmith.nn.lion import LionOptimizer

LR, FAST, SLOW, DECAY = 0.01, 0.9, 0.99, 0.1


def test_steps_are_those_of_algorithm_2_by_hand():
    generator = np.random.default_rng(0)
    theta, momentum = generator.normal(size=(3, 4)), np.zeros((3, 4))
    parameter = torch.nn.Parameter(torch.tensor(theta))
    optimizer = LionOptimizer([parameter], LR, (FAST, SLOW), DECAY)
    for _ in range(5):
        gradient = generator.normal(size=(3, 4))
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        update = np.sign(FAST * momentum + (1 - FAST) * gradient)
        theta = theta - LR * (update + DECAY * theta)
        momentum = SLOW * momentum + (1 - SLOW) * gradient
        assert np.allclose(parameter.detach().numpy(), theta, atol=1e-12)
    assert np.allclose(optimizer.state[parameter]["momentum"].numpy(), momentum, atol=1e-12)


def test_a_parameter_without_a_gradient_stays_and_the_others_move():
    moved, left = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = LionOptimizer([moved, left], LR, (FAST, SLOW), DECAY)
    moved.grad = torch.tensor([1.0, -1.0, 0.0])
    optimizer.step()
    assert (left == 1).all()
    shrunk = 1 - LR * DECAY
    assert torch.allclose(moved.detach(), torch.tensor([shrunk - LR, shrunk + LR, shrunk]))


def test_a_restored_optimiser_goes_on_with_its_momentum():
    first = torch.nn.Parameter(torch.ones(4))
    one = LionOptimizer([first], LR, (FAST, SLOW), DECAY)
    first.grad = torch.tensor([1.0, -1.0, 2.0, -2.0])
    one.step()
    second = torch.nn.Parameter(first.detach().clone())
    two = LionOptimizer([second], 1.0, (0.0, 0.0), 0.0)
    two.load_state_dict(one.state_dict())
    for parameter, optimizer in ((first, one), (second, two)):
        parameter.grad = torch.full((4,), 0.01)
        optimizer.step()
    assert (first == second).all()


def test_a_closure_gives_its_loss_back():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = LionOptimizer([parameter], LR, (FAST, SLOW), 0.0)

    def closure():
        parameter.grad = torch.ones(1)
        return 3.5

    assert optimizer.step(closure) == 3.5
    assert parameter.item() < 1
