import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tunesmith.nn import attention, devices

ROWS, HEADS, TOKENS, WIDTH = 3, 2, 7, 8


def inputs(kind=torch.bfloat16):
    source = torch.Generator().manual_seed(0)
    return [
        torch.randn(ROWS, HEADS, TOKENS, WIDTH, generator=source).to(kind).requires_grad_()
        for _ in range(3)
    ]


def masks():
    lengths = torch.tensor([7, 4, 1])
    keys = (torch.arange(TOKENS) < lengths[:, None])[:, None, None, :]
    return {
        "none": {},
        "keys": {"attn_mask": keys},
        "pairs": {"attn_mask": keys.expand(ROWS, 1, TOKENS, TOKENS)},
        "bias": {"attn_mask": torch.linspace(-2, 2, TOKENS * TOKENS).view(TOKENS, TOKENS)},
        "causal": {"is_causal": True},
        "scale": {"scale": 0.7},
    }


@pytest.mark.parametrize("name", masks())
def test_answer_and_gradients_are_those_of_torch_within_rounding(name):
    ours, exact = inputs(), [x.detach().float().requires_grad_() for x in inputs()]
    answer = attention.attend(*ours, **masks()[name])
    wanted = scaled_dot_product_attention(*exact, **masks()[name])
    slope = torch.linspace(-1, 1, wanted.numel()).view(wanted.shape)
    (answer.float() * slope).sum().backward()
    (wanted * slope).sum().backward()
    assert answer.dtype == torch.bfloat16
    pairs = [(answer, wanted), *((a.grad, b.grad) for a, b in zip(ours, exact, strict=True))]
    for found, right in pairs:
        assert (found.float() - right).norm() < 0.02 * right.norm()


def test_a_token_that_sees_nothing_is_no_nan():
    query, key, value = inputs()
    nothing = torch.zeros(ROWS, 1, TOKENS, TOKENS, dtype=torch.bool)
    answer = attention.attend(query, key, value, nothing)
    answer.float().sum().backward()
    assert all(torch.isfinite(x).all() for x in (answer, query.grad, key.grad, value.grad))


def test_what_it_does_not_do_is_left_to_torch():
    query, key, value = inputs()
    bias = torch.zeros(TOKENS, TOKENS, requires_grad=True)
    assert attention.attend(query, key, value, dropout_p=0.5) is None
    assert attention.attend(query, key, value, bias) is None
    assert attention.attend(query, key[:, :1], value[:, :1], enable_gqa=True) is None
    assert attention.attend(*(x.detach() for x in inputs())) is None
    with torch.no_grad():
        assert attention.attend(query, key, value) is None


def test_very_long_rows_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(attention, "MOST_SCORES", ROWS * HEADS * TOKENS * TOKENS - 1)
    assert attention.attend(*inputs()) is None


@pytest.mark.skipif(devices.device().type != "cpu", reason="only a processor needs it")
def test_whichever_model_asks_gets_it_in_bf16_and_only_there():
    names = {}
    for precision in ("bf16", "fp32"):
        with devices.autocast(precision):
            answer = scaled_dot_product_attention(*inputs(torch.float32))
        names[precision] = type(answer.grad_fn).__name__
        assert answer.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
    assert names["bf16"] == "_AttentionBackward"
    assert names["fp32"] != "_AttentionBackward"
    outside = scaled_dot_product_attention(*inputs())
    assert type(outside.grad_fn).__name__ != "_AttentionBackward"
