"""Training above the cut: what the store spares, when it is left out, and that nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.nn import devices
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN

GIB = 2**30
QUICK = {"epochs": 2, "lr": 1e-3, "batch_size": 16, "head_start": "random", "depth": 0.5}


def fit(
    example: Problem, checkpoint: str, pins: Mapping[str, Any], told: dict[str, str] | None = None
) -> Any:
    notes: dict[str, str] = {} if told is None else told
    watch = Watch(Clock(), lambda score, progress: True, tell=lambda a, t: notes.update({a: t}))
    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, **pins})
    return learners["neural"].fit(example, config, 0, watch)


def frozen_rows(work: Any) -> int:
    before = FROZEN.rows
    work()
    return FROZEN.rows - before


@pytest.mark.parametrize(
    "pins",
    [
        {},
        {"pooling": "attention"},
        {"adapter": "LoRA"},
        {"depth": 0.0},
        {"depth": 0.0, "head": 128, "pooling": "max"},
        {"depth": 0.0, "pooling": "attention"},
        {"depth": 0.0, "pooling": "final"},
        {"depth": 0.0, "neck": "Convolution"},
        {"neck": "Attention"},
    ],
)
def test_training_from_the_store_equals_training_with_the_frozen_part_run_again(
    example: Problem,
    checkpoint: str,
    tmp_path: Path,
    pins: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To the bit of fp32 where that is stored; what is stored by default is rounded to fp16, which
    an adaptive optimiser may turn into another step, so that answers agree less closely then."""
    from tunesmith.nn import activations

    monkeypatch.setattr(devices, "is_bf16_good", lambda: False)
    pins = {**pins, "patience": 0}
    test = example.part("test")
    plain = fit(example, checkpoint, pins).predict(test).array()
    with using(Store(tmp_path, GIB)):
        rounded = fit(example, checkpoint, pins).predict(test).array()
    monkeypatch.setattr(activations, "as_stored", lambda numbers: numbers)
    with using(Store(None, GIB)):
        exact = fit(example, checkpoint, pins).predict(test).array()
    scale = max(1.0, np.abs(plain).max())
    assert np.abs(exact - plain).max() < 1e-4 * scale
    assert np.abs(rounded - plain).mean() < 0.02 * scale


@pytest.mark.parametrize(
    "pins", [{"depth": 0.0}, {"depth": 0.5}, {"depth": 0.0, "neck": "Attention"}]
)
def test_a_second_fit_runs_no_frozen_block(
    example: Problem, checkpoint: str, tmp_path: Path, pins: dict[str, Any]
) -> None:
    with using(Store(tmp_path, GIB)):
        assert frozen_rows(lambda: fit(example, checkpoint, pins)) > 0
    with using(Store(tmp_path, GIB)):
        assert frozen_rows(lambda: fit(example, checkpoint, pins)) == 0


def test_a_probe_leaves_what_the_top_blocks_need(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    watch = Watch(Clock(), lambda score, progress: True, depths=(0.5, 1.0))
    probe = learners["probe"]
    with using(Store(tmp_path, GIB)):
        probe.fit(example, default(probe.config, {"backbone": checkpoint}), 0, watch)
        pins = {"head_start": "probe", "max_length": 128}
        assert frozen_rows(lambda: fit(example, checkpoint, pins)) == 0


def test_a_model_opened_by_its_fit_reads_the_store_and_by_others_computes(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    test, store = example.part("test"), Store(tmp_path / "store", GIB)
    with using(store):
        model = fit(example, checkpoint, {})
        wanted = model.predict(test).array()
        (tmp_path / "model").mkdir()
        model.save(tmp_path / "model")
        opened = learners["neural"].load(tmp_path / "model")
        assert frozen_rows(lambda: opened.predict(test)) == 0
        assert np.abs(opened.predict(test).array() - wanted).max() < 1e-6
    assert frozen_rows(lambda: opened.predict(test)) == len(test)
    scale = max(1.0, np.abs(wanted).max())
    assert np.abs(opened.predict(test).array() - wanted).max() < 0.02 * scale


@pytest.mark.parametrize(
    ("pins", "most_bytes", "reason"),
    [
        ({"depth": 1.0}, GIB, "nothing below is frozen"),
        ({"epochs": 1}, GIB, "one epoch only"),
        ({}, 1000, "there is room for"),
    ],
)
def test_where_storing_would_lose_it_is_left_out_with_the_reason(
    example: Problem,
    checkpoint: str,
    tmp_path: Path,
    pins: dict[str, Any],
    most_bytes: int,
    reason: str,
) -> None:
    told: dict[str, str] = {}
    with using(Store(tmp_path, most_bytes)):
        model = fit(example, checkpoint, pins, told)
    assert reason in told["store"]
    assert model.below is None
    assert not list(tmp_path.rglob("*.shard"))


def test_a_disk_that_fills_up_ends_nothing(
    example: Problem, checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.nn import shards

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards, "write_shard", full)
    told: dict[str, str] = {}
    store = Store(tmp_path, GIB)
    with using(store):
        model = fit(example, checkpoint, {}, told)
        assert np.isfinite(model.predict(example.part("test")).array()).all()
    assert "No space left" in told["store"]
    assert "No space left" in store.trouble


def test_the_frozen_weights_are_shared_and_the_trained_ones_are_not(
    example: Problem, checkpoint: str
) -> None:
    from tunesmith.zoo.backbones import backbone

    base = backbone(checkpoint).encoder
    model = fit(example, checkpoint, {})
    own = dict(model.network.encoder.named_parameters())
    shared = {name for name, p in base.named_parameters() if own[name] is p}
    assert shared
    assert not any("layer.1." in name for name in shared)
    assert all("layer.1." in name for name in set(own) - shared)


def test_rows_are_known_by_what_is_read_of_them(example: Problem, checkpoint: str) -> None:
    """The same text cut to the same tokens is the same row, whatever length was asked for."""
    with using(Store(None, GIB)):
        fit(example, checkpoint, {"max_length": 64})
        assert frozen_rows(lambda: fit(example, checkpoint, {"max_length": 128})) == 0
