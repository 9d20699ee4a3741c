import pytest
import torch
from torch.nn.functional import conv2d

from tunesmith.nn import quick
from tunesmith.nn.depthwise import Wide, convolve, weight_gradient
from tunesmith.nn.quick import low

CHANNELS = 12


def given(kernel, groups=CHANNELS):
    torch.manual_seed(0)
    pixels = torch.randn(3, CHANNELS, 11, 11).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(CHANNELS, CHANNELS // groups, kernel, kernel) / kernel
    return pixels.requires_grad_(), weight.requires_grad_(), torch.randn(CHANNELS).requires_grad_()


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(3, 2, 1), (5, 1, 2), (5, 1, (2, 1)), (5, 1, [2]), (5, 1, "same"), (5, (2, 2), 2), (1, 2, 0)],
)
def test_answers_and_gradients_are_those_of_fp32(kernel, stride, padding):
    inputs = given(kernel)
    with low():
        found = conv2d(*inputs, stride=stride, padding=padding, groups=CHANNELS)
    wanted = conv2d(*inputs, stride=stride, padding=padding, groups=CHANNELS)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, rtol=1e-2, atol=1e-2)
    upon = torch.randn_like(found)
    ours = torch.autograd.grad(found, inputs, upon)
    for one, other in zip(ours, torch.autograd.grad(wanted, inputs, upon.float()), strict=True):
        torch.testing.assert_close(one, other)


def test_only_those_that_are_slow_in_bf16_are_ours():
    pixels, weight, bias = given(3)
    assert convolve(pixels, weight, bias, 2, 1, 1, CHANNELS) is not None
    assert convolve(pixels, weight, bias, 1, 1, 1, CHANNELS) is None, "3 x 3 without a stride"
    with torch.no_grad():
        assert convolve(pixels, weight, bias, 2, 1, 1, CHANNELS) is None, "nothing goes back"
    assert convolve(*given(5, groups=3), 1, 2, 1, 3) is None, "channels go together"
    assert convolve(*given(5, groups=1), 1, 2, 1, 1) is None


@pytest.mark.parametrize(
    ("side", "kernel", "padding"),
    [
        ((11, 9), (5, 5), (2, 2)),
        ((3, 3), (5, 5), (2, 2)),
        ((2, 7), (5, 5), (2, 2)),
        ((6, 1), (5, 5), (2, 2)),
        ((8, 8), (7, 7), (3, 3)),
        ((7, 9), (3, 4), (0, 1)),
        ((9, 9), (5, 6), (0, 0)),
        ((5, 4), (1, 5), (0, 6)),
    ],
)
def test_wide_kernels_go_back_part_by_part_to_what_torch_has(side, kernel, padding):
    torch.manual_seed(0)
    pixels = torch.randn(3, CHANNELS, *side).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(CHANNELS, 1, *kernel), torch.randn(CHANNELS)
    inputs = [one.requires_grad_() for one in (pixels, weight, bias)]
    wanted = conv2d(*inputs, padding=padding, groups=CHANNELS)
    found = Wide.apply(*inputs, padding)
    assert torch.equal(found, wanted)
    upon = torch.randn_like(found)
    theirs = torch.autograd.grad(wanted, inputs, upon)
    for one, other in zip(torch.autograd.grad(found, inputs, upon), theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert weight_gradient(upon, pixels, weight, padding).shape == weight.shape


def test_what_needs_no_gradient_gets_none():
    pixels, weight, bias = given(5)
    for wanted in ((pixels,), (weight,), (pixels, weight), (bias,)):
        for one in (pixels, weight, bias):
            one.requires_grad_(any(one is other for other in wanted)).grad = None
        Wide.apply(pixels, weight, bias, (2, 2)).sum().backward()
        assert [one.grad is not None for one in (pixels, weight, bias)] == [
            any(one is other for other in wanted) for one in (pixels, weight, bias)
        ]


def test_a_network_in_bf16_takes_them_and_one_in_fp32_does_not(monkeypatch):
    seen = []
    monkeypatch.setitem(
        quick.OURS,
        conv2d,
        (lambda *args, **kwargs: seen.append(args[1].shape) or convolve(*args, **kwargs), "input"),
    )
    network = torch.nn.Conv2d(CHANNELS, CHANNELS, 5, groups=CHANNELS)
    network(given(3)[0])
    assert not seen
    with low():
        network(given(3)[0]).float().sum().backward()
    assert seen == [network.weight.shape]


def test_tensors_may_be_named_in_any_order():
    pixels, weight, _ = given(5)
    with low():
        found = conv2d(groups=CHANNELS, weight=weight, input=pixels, padding=2)
    torch.testing.assert_close(
        found.float(), conv2d(pixels, weight, padding=2, groups=CHANNELS), rtol=1e-2, atol=1e-2
    )
