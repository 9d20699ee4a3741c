import pytest
import torch

from tunesmith.nn import devices


def product(precision):
    a = torch.ones(4, 4, device=devices.device())
    with devices.autocast(precision):
        return (a @ a).dtype


def test_a_product_has_the_precision_wanted():
    assert product("fp32") == torch.float32
    if devices.device().type in ("cpu", "cuda"):
        assert product("bf16") == torch.bfloat16


def test_by_default_a_product_has_this_machines_precision():
    assert product(None) == {"bf16": torch.bfloat16, "fp32": torch.float32}[devices.precision()]
    assert (devices.precision() == "bf16") == devices.is_bf16_good()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_sums_and_weights_stay_in_fp32(precision):
    layer = torch.nn.Linear(4, 4).to(devices.device())
    with devices.autocast(precision):
        out = layer(torch.ones(2, 4, device=devices.device())).float().sum()
    out.backward()
    assert layer.weight.dtype == layer.weight.grad.dtype == torch.float32


def test_a_tensor_can_live_on_the_device_found():
    here = devices.device()
    assert torch.ones(2, device=here).sum().item() == 2
    assert here.type == "cuda" or not torch.cuda.is_available()


def test_memory_can_be_given_back_on_any_device():
    kept = torch.ones(8, device=devices.device())
    devices.forget_memory()
    assert kept.sum().item() == 8
