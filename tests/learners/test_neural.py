"""Fine-tuning: every branch of its config works, what is frozen stays, and time is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.learners._backbone import backbone
from tunesmith.learners.neural import NeuralModel


def watch() -> Watch:
    return Watch(Clock(), lambda score, progress: True)


QUICK = {"epochs": 2, "lr": 1e-3, "batch_size": 16}


def tuned(example: Problem, checkpoint: str, pins: Mapping[str, Any]) -> NeuralModel:
    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, **pins})
    model = learners["neural"].fit(example, config, 0, watch())
    assert isinstance(model, NeuralModel)
    return model


@pytest.mark.parametrize(
    "pins",
    [
        {"adapter": "LoRA"},
        {"adapter": "BitFit", "depth": 0.5},
        {"optimizer": "SGD", "schedule": "cosine"},
        {"optimizer": "Lion", "schedule": "constant"},
        {"pooling": "first", "head": 128},
        {"pooling": "max", "class_weights": True},
        {"pooling": "attention", "label_smoothing": 0.1, "inner_dropout": True},
        {"head_start": "random", "depth": 0.5, "layer_decay": 0.7},
    ],
)
def test_every_branch_of_the_config_trains(
    example: Problem, checkpoint: str, pins: dict[str, Any]
) -> None:
    model = tuned(example, checkpoint, pins)
    answers = model.predict(example.part("test")).array()
    assert np.isfinite(answers).all()
    assert not any("lora" in name for name, _ in model.network.named_parameters())


def changed(checkpoint: str, model: NeuralModel) -> set[str]:
    before = backbone(checkpoint).encoder.model.state_dict()
    after = model.network.encoder.model.state_dict()
    return {name for name in before if not torch.equal(before[name].cpu(), after[name].cpu())}


def test_half_the_depth_leaves_the_lower_blocks_and_the_stem(
    example: Problem, checkpoint: str
) -> None:
    names = changed(checkpoint, tuned(example, checkpoint, {"depth": 0.5, "patience": 0}))
    assert names
    assert all(name.startswith("encoder.layer.1.") for name in names)


def test_all_of_the_depth_changes_the_embeddings_too(example: Problem, checkpoint: str) -> None:
    names = changed(checkpoint, tuned(example, checkpoint, {"depth": 1.0, "patience": 0}))
    assert any(name.startswith("embeddings.") for name in names)


def test_bitfit_changes_biases_alone(example: Problem, checkpoint: str) -> None:
    names = changed(checkpoint, tuned(example, checkpoint, {"adapter": "BitFit", "patience": 0}))
    assert names
    assert all(name.endswith("bias") for name in names)


def test_the_shared_checkpoint_is_never_trained(example: Problem, checkpoint: str) -> None:
    before = {k: v.clone() for k, v in backbone(checkpoint).encoder.model.state_dict().items()}
    tuned(example, checkpoint, {})
    after = backbone(checkpoint).encoder.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_report_that_says_stop_ends_it(example: Problem, checkpoint: str) -> None:
    seen: list[float] = []

    def report(score: float, progress: float) -> bool:
        seen.append(progress)
        return False

    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, "epochs": 9})
    learners["neural"].fit(example, config, 0, Watch(Clock(), report))
    assert len(seen) == 1


def test_too_little_time_is_said_before_it_is_spent(example: Problem, checkpoint: str) -> None:
    now = [0.0]

    def ticks() -> float:
        now[0] += 1.0
        return now[0]

    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, "batch_size": 8})
    slow = Watch(Clock(12.0, ticks), lambda score, progress: True)
    with pytest.raises(BudgetError, match="an epoch takes about"):
        learners["neural"].fit(example, config, 0, slow)


def test_progress_follows_the_time_where_that_runs_out_first(
    example: Problem, checkpoint: str
) -> None:
    now = [0.0]

    def ticks() -> float:
        now[0] += 0.05
        return now[0]

    pins = {**QUICK, "backbone": checkpoint, "epochs": 12, "batch_size": 8}
    config = default(learners["neural"].config, pins)
    clock = Clock(30.0, ticks)
    learners["neural"].fit(example, config, 0, Watch(clock, lambda score, progress: True))
    assert now[0] < 31.0


def test_running_out_of_memory_is_tried_again_in_smaller_pieces(
    example: Problem, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.learners import neural

    tried: list[int] = []
    real = neural._fit

    def short(*given: Any) -> Any:
        tried.append(given[-1])
        if len(tried) == 1:
            raise torch.OutOfMemoryError("no room")
        return real(*given)

    monkeypatch.setattr(neural, "_fit", short)
    assert tuned(example, checkpoint, {})
    assert tried == [16, 4]
