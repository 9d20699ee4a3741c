"""The losses against their formulas."""

from __future__ import annotations

import pytest
import torch

from tunesmith.nn.heads import loss

DICE = torch.Generator().manual_seed(0)
LOGITS = torch.randn(16, 3, generator=DICE)
TRUTH = torch.randint(0, 3, (16,), generator=DICE)
CLASSES = torch.tensor([0.5, 1.0, 4.0])
ROWS = torch.rand(16, generator=DICE) + 0.5


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("weights", [None, CLASSES])
def test_focal_loss_is_the_formula(gamma: float, weights: torch.Tensor | None) -> None:
    shares = LOGITS.softmax(dim=1)[torch.arange(16), TRUTH]
    alpha = torch.ones(16) if weights is None else weights[TRUTH]
    wanted = (-alpha * (1 - shares) ** gamma * shares.log()).sum() / alpha.sum()
    found = loss(LOGITS, TRUTH, classes=3, smoothing=0.0, weights=weights, focal=gamma)
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, CLASSES])
def test_rows_that_count_one_change_nothing(smoothing: float, weights: torch.Tensor | None) -> None:
    plain = loss(LOGITS, TRUTH, classes=3, smoothing=smoothing, weights=weights)
    ones = torch.ones(16)
    found = loss(LOGITS, TRUTH, classes=3, smoothing=smoothing, weights=weights, row_weights=ones)
    assert found == pytest.approx(plain)
    numbers = torch.randn(16, generator=DICE)
    plain = loss(LOGITS[:, :1], numbers, classes=0, smoothing=0.0, weights=None)
    found = loss(LOGITS[:, :1], numbers, classes=0, smoothing=0.0, weights=None, row_weights=ones)
    assert found == pytest.approx(plain)


def test_rows_count_by_their_weight() -> None:
    each = torch.stack(
        [
            loss(LOGITS[i : i + 1], TRUTH[i : i + 1], classes=3, smoothing=0.0, weights=None)
            for i in range(16)
        ]
    )
    found = loss(LOGITS, TRUTH, classes=3, smoothing=0.0, weights=None, row_weights=ROWS)
    assert found == pytest.approx((each * ROWS).mean())


def test_an_answer_that_is_sure_and_right_leaves_the_gradient_finite() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss(logits, torch.tensor([0]), classes=2, smoothing=0.0, weights=None, focal=0.5).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
