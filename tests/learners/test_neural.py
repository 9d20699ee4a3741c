"""Fine-tuning: every branch of its config works, what is frozen stays, and time is kept."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError, WeightsError
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.learners._network_model import NeuralModel
from tunesmith.nn.shards import Store, using
from tunesmith.zoo.backbones import backbone, features, release


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
        {"adapter": "LoRA", "adapter.LoRA.allocate": True, "adapter.LoRA.rank": 2},
        {"adapter": "Bottleneck", "depth": 0.5},
        {"pooling": "generalised", "readout": "mix"},
        {"readout": "mix", "depth": 0.5},
        {"neck": "Convolution", "neck.Convolution.width": 8, "readout": "mix"},
        {"neck": "Attention", "pooling": "attention", "depth": 0.0, "head": 128},
        {"adapter": "Scaling", "lr": 3e-3},
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


def test_a_checkpoint_that_is_in_memory_already_changes_nothing(
    example: Problem, checkpoint: str
) -> None:
    pins = {"head_start": "random", "patience": 0}
    release()
    first = tuned(example, checkpoint, pins).predict(example.part("test")).array()
    again = tuned(example, checkpoint, pins).predict(example.part("test")).array()
    assert np.array_equal(first, again)


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


@pytest.mark.parametrize(
    ("limit", "told"), [(4.5, "training and one look"), (40.0, "an epoch takes")]
)
def test_too_little_time_is_said_before_it_is_spent(
    example: Problem, checkpoint: str, limit: float, told: str
) -> None:
    now = [0.0]

    def ticks() -> float:
        now[0] += 1.0
        return now[0]

    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, "batch_size": 2})
    slow = Watch(Clock(limit, ticks), lambda score, progress: True)
    with pytest.raises(BudgetError, match=told):
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
    from tunesmith.learners import _course

    tried: list[int] = []
    real = _course.fit

    def short(*given: Any) -> Any:
        tried.append(given[-1])
        if len(tried) == 1:
            raise torch.OutOfMemoryError("no room")
        return real(*given)

    monkeypatch.setattr(_course, "fit", short)
    assert tuned(example, checkpoint, {})
    assert tried == [16, 4]


def test_training_ends_within_its_schedule_where_that_was_settled(
    example: Problem, checkpoint: str
) -> None:
    course = {"epochs": 4, "stop_after": 1.0, "patience": 0}
    whole = tuned(example, checkpoint, {**course, "stop_after": 0.0})
    part, again = (tuned(example, checkpoint, course) for _ in range(2))
    assert dict(part.settled()) == {**course, "head_start": "probe"}
    test = example.part("test")
    assert np.array_equal(part.predict(test).array(), again.predict(test).array())
    assert not np.array_equal(part.predict(test).array(), whole.predict(test).array())


def test_no_epochs_leave_the_encoder_as_it_came(example: Problem, checkpoint: str) -> None:
    model = tuned(example, checkpoint, {"epochs": 0, "patience": 0})
    assert model.settled()["epochs"] == 0
    assert changed(checkpoint, model) == set()


def test_under_a_deadline_a_head_starts_from_the_features_that_are_stored(
    example: Problem, checkpoint: str
) -> None:
    timed = Watch(Clock(600.0), lambda score, progress: True)
    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, "epochs": 1})
    rows = np.concatenate(list(example.parts.values()))
    whole = replace(example, parts={**example.parts, "train": rows})
    again = replace(config, patience=0, stop_after=1.0)
    with using(Store(None, 2**30)):
        unknown = learners["neural"].fit(example, config, 0, timed)
        assert unknown.settled()["head_start"] == "random"
        base = backbone(checkpoint)
        features(base, [t or "" for t in example.part("train").values("text")], max_length=64)
        found = learners["neural"].fit(example, config, 0, timed)
        assert found.settled()["head_start"] == "probe"
        assert learners["neural"].fit(whole, again, 0, timed).settled()["head_start"] == "probe"
    with using(Store(None, 2**30)), pytest.raises(BudgetError, match="not in memory"):
        learners["neural"].fit(whole, again, 0, timed)


def test_a_description_larger_than_the_weights_takes_no_memory(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    tuned(example, checkpoint, {}).save(tmp_path)
    told = json.loads((tmp_path / "model.json").read_text())
    told["shape"]["hidden"] = 2**40
    (tmp_path / "model.json").write_text(json.dumps(told))
    with pytest.raises(WeightsError, match="do not fit"):
        learners["neural"].load(tmp_path)


def test_half_a_letter_is_read_as_one_that_is_not_known(example: Problem, checkpoint: str) -> None:
    model = tuned(example, checkpoint, {"epochs": 1})
    rows = example.part("test").take(np.arange(3))
    cells = {**rows.cells, "text": np.array(["good \ud83d", "bad", "\ude00"], dtype=object)}
    assert np.isfinite(model.predict(replace(rows, cells=cells)).array()).all()


def test_looking_at_nothing_is_no_reason_to_want_a_start_from_memory(
    example: Problem, checkpoint: str
) -> None:
    pins = {**QUICK, "backbone": checkpoint, "patience": 0}
    timed = Watch(Clock(600.0), lambda score, progress: True)
    model = learners["neural"].fit(example, default(learners["neural"].config, pins), 0, timed)
    assert model.settled()["head_start"] == "random"


def halved(checkpoint: str, place: Path) -> str:
    """A copy of a checkpoint with its weights in fp16."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(checkpoint, place)
    file = place / "model.safetensors"
    save_file({name: value.half() for name, value in load_file(file).items()}, file)
    return str(place)


def test_what_is_frozen_is_saved_as_the_checkpoint_has_it_where_that_takes_less(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    checkpoint = halved(checkpoint, tmp_path / "half")
    fitted = tuned(example, checkpoint, {"depth": 0.5})
    fitted.save(tmp_path)
    own = (Path(checkpoint) / "model.safetensors").read_bytes()
    assert (tmp_path / "encoder.safetensors").read_bytes() == own
    with safe_open(tmp_path / "network.safetensors", "np") as written:
        names = list(written.keys())
    assert all("layer.1." in name or "head." in name for name in names)
    test, opened = example.part("test"), learners["neural"].load(tmp_path)
    assert np.allclose(opened.predict(test).array(), fitted.predict(test).array(), atol=1e-6)
    again = tmp_path / "again"
    again.mkdir()
    opened.save(again)
    once_more = learners["neural"].load(again)
    assert np.allclose(once_more.predict(test).array(), fitted.predict(test).array(), atol=1e-6)


def test_a_network_that_trained_as_a_whole_is_saved_as_a_whole(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    fitted = tuned(example, checkpoint, {"depth": 1.0})
    fitted.save(tmp_path)
    assert not (tmp_path / "encoder.safetensors").exists()
    test = example.part("test")
    opened = learners["neural"].load(tmp_path)
    assert np.allclose(opened.predict(test).array(), fitted.predict(test).array(), atol=1e-6)


def test_a_checkpoint_that_goes_away_meanwhile_is_saved_from_memory(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    place = Path(halved(checkpoint, tmp_path / "moved"))
    fitted = tuned(example, str(place), {"depth": 0.5})
    (tmp_path / "one").mkdir()
    with (place / "model.safetensors").open("ab") as file:
        file.write(b"another training writes here")
    fitted.save(tmp_path / "one")
    (tmp_path / "two").mkdir()
    shutil.rmtree(place)
    fitted.save(tmp_path / "two")
    release()
    test = example.part("test")
    for folder in (tmp_path / "one", tmp_path / "two"):
        opened = learners["neural"].load(folder)
        assert np.allclose(opened.predict(test).array(), fitted.predict(test).array(), atol=1e-6)


@pytest.mark.parametrize("frozen", [None, "1", -1, 99, 1.0, True])
def test_a_forged_number_of_frozen_blocks_is_refused(
    example: Problem, checkpoint: str, tmp_path: Path, frozen: Any
) -> None:
    tuned(example, checkpoint, {"depth": 0.5}).save(tmp_path)
    told = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**told, "frozen_blocks": frozen}))
    with pytest.raises(WeightsError, match="weights that do not fit"):
        learners["neural"].load(tmp_path)


def test_trained_blocks_are_never_taken_from_the_checkpoint(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    tuned(example, halved(checkpoint, tmp_path / "half"), {"depth": 0.5}).save(tmp_path)
    file = tmp_path / "network.safetensors"
    tensors = load_file(file)
    gone = next(name for name in tensors if name.startswith("encoder."))
    save_file({name: value for name, value in tensors.items() if name != gone}, file)
    with pytest.raises(WeightsError, match=f"{gone} is missing"):
        learners["neural"].load(tmp_path)


def test_the_start_of_the_head_is_no_contender(
    example: Problem, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However well it did on a few valid rows: what comes out has been trained."""
    from tunesmith.learners import _course

    falling = itertools.count()
    monkeypatch.setattr(_course, "selection_score", lambda *_, **__: lambda _: -next(falling))
    fitted = tuned(example, checkpoint, {"depth": 0.5, "epochs": 3, "patience": 2})
    assert fitted.settled()["stop_after"] == 1.0
