"""Tabular foundation models: why they are left out, and, with tiny random weights, that they
answer, are saved without code, and open again wherever the weights are by then. Whether real
weights answer well is not tested: no package carries them."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError, WeightsError
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.learners._in_context import Foundation, InContextModel, check_plain, sha256_of
from tunesmith.learners.tabicl import TABICL
from tunesmith.learners.tabpfn import TABPFN
from tunesmith.pipeline.frame import frame

MODELS = {"tabicl": TABICL, "tabpfn": TABPFN}


@pytest.fixture(params=["label", "size"])
def problem(request: pytest.FixtureRequest) -> Problem:
    dice = np.random.default_rng(0)
    number = dice.normal(size=120)
    data = pd.DataFrame({"number": number, "shop": dice.choice(["north", "south"], 120)})
    data.loc[::10, "number"] = np.nan
    target = np.where(number > 0, "yes", "no") if request.param == "label" else number * 30 + 1e6
    return frame(read(data.assign(**{request.param: target})), request.param, seed=0)


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nothing"))
    for model in MODELS.values():
        monkeypatch.delenv(model.variable, raising=False)


def watch(clock: Clock | None = None) -> Watch:
    return Watch(clock or Clock(), lambda score, progress: True)


def tiny(name: str, folder: Path, classes: bool) -> Path:
    """A checkpoint of random weights, as the package itself writes one."""
    pytest.importorskip(name)
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / MODELS[name].newest[0 if classes else 1]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, config = (_tabicl if name == "tabicl" else _tabpfn)(classes)
        state = network.state_dict()
        for tensor in state.values():
            if tensor.is_floating_point():
                torch.nn.init.normal_(tensor, std=0.3)
        if name == "tabpfn" and not classes:
            state["criterion.borders"] = torch.linspace(-4, 4, 21)
            state["criterion.losses_per_bucket"] = torch.zeros(20)
    torch.save({"config": config, "state_dict": state}, file)
    return file


def _tabicl(classes: bool) -> tuple[Any, dict[str, Any]]:
    from tabicl._model.tabicl import TabICL

    config = {"max_classes": 10 if classes else 0, "num_quantiles": 9, "embed_dim": 16}
    config |= {"col_num_blocks": 1, "col_nhead": 2, "col_num_inds": 4, "row_num_blocks": 1}
    config |= {"row_nhead": 2, "row_num_cls": 2, "icl_num_blocks": 1, "icl_nhead": 2}
    return TabICL(**config), config


def _tabpfn(classes: bool) -> tuple[Any, dict[str, Any]]:
    from tabpfn.architectures import tabpfn_v2

    config = {"max_num_classes": 10 if classes else 0, "num_buckets": 20}
    config |= {"emsize": 12, "nlayers": 1, "nhead": 2}
    return tabpfn_v2.get_architecture(tabpfn_v2.parse_config(config)[0]), config


@pytest.mark.parametrize("name", MODELS)
def test_tiny_weights_answer_and_open_again_where_they_were_moved(
    name: str, problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tiny(name, tmp_path / "first", bool(problem.classes))
    monkeypatch.setenv(MODELS[name].variable, str(file.parent))
    assert learners[name].suits(problem) == ""
    config = default(learners[name].config, {"views": 1})
    model = learners[name].fit(problem, config, 0, watch())
    rows = problem.part("test")
    answers = model.predict(rows).array()
    assert np.isfinite(answers).all()
    saved = tmp_path / "model"
    saved.mkdir()
    model.save(saved)
    assert {one.suffix for one in saved.iterdir()} == {".json", ".safetensors"}
    moved = tmp_path / "second" / "renamed.ckpt"
    moved.parent.mkdir()
    file.rename(moved)
    monkeypatch.setenv(MODELS[name].variable, str(moved.parent))
    again = learners[name].load(saved).predict(rows).array()
    assert np.allclose(again, answers, rtol=1e-4, atol=1e-5)
    moved.write_bytes(moved.read_bytes() + b"0")
    os.utime(moved, ns=(1, 1))
    with pytest.raises(WeightsError, match="sha256"):
        learners[name].load(saved)


@pytest.mark.parametrize("name", MODELS)
def test_more_than_the_time_left_is_refused(name: str, problem: Problem, tmp_path: Path) -> None:
    file = tiny(name, tmp_path, bool(problem.classes))
    ticks = itertools.count()
    clock = Clock(3.0, now=lambda: float(next(ticks)))
    config = default(learners[name].config, {"weights": str(file)})
    with pytest.raises(BudgetError, match="left"):
        learners[name].fit(problem, config, 0, watch(clock))


@pytest.mark.parametrize("name", MODELS)
def test_it_says_what_is_missing(name: str, problem: Problem, no_weights: None) -> None:
    reason = learners[name].suits(problem)
    if importlib.util.find_spec(name) is None:
        assert f'pip install "tunesmith[{name}]"' in reason
    else:
        assert MODELS[name].variable in reason
        assert MODELS[name].newest[0 if problem.classes else 1] in reason
    with pytest.raises(WeightsError, match=MODELS[name].variable):
        learners[name].fit(problem, default(learners[name].config), 0, watch())


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_what_the_card_does_not_allow_is_refused(model: Foundation, problem: Problem) -> None:
    short = replace(model, most_rows=10)
    assert "at most 10 training rows" in short.why_not(problem)
    narrow = replace(model, most_columns=1)
    assert "at most 1 columns" in narrow.why_not(problem)
    if problem.classes:
        assert "at most 1 classes" in replace(model, most_classes=1).why_not(problem)


def test_weights_are_found_by_file_folder_and_in_the_cache_of_the_hub(
    no_weights: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tabicl-regressor-a.ckpt", "tabicl-classifier-a.ckpt", "tabicl-classifier-b.ckpt"):
        (tmp_path / name).write_bytes(b"")
    assert TABICL.weights(str(tmp_path), True).name == "tabicl-classifier-b.ckpt"
    assert TABICL.weights(str(tmp_path), False).name == "tabicl-regressor-a.ckpt"
    wanted = tmp_path / TABICL.newest[0]
    wanted.write_bytes(b"")
    assert TABICL.weights(str(tmp_path), True) == wanted
    other = tmp_path / "tabicl-classifier-a.ckpt"
    assert TABICL.weights(str(other), True) == other
    snapshot = tmp_path / "hub" / "models--jingang--TabICL" / "snapshots" / "00000000"
    snapshot.mkdir(parents=True)
    (snapshot / TABICL.newest[1]).write_bytes(b"")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert TABICL.weights("", False).parent == snapshot


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import torch

    class Bad:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    file = tmp_path / "bad.ckpt"
    torch.save({"config": Bad(), "state_dict": {}}, file)
    with pytest.raises(WeightsError, match="plain weights"):
        check_plain(file)
    file.write_bytes(pickle.dumps(Bad()))
    with pytest.raises(WeightsError, match="plain weights"):
        check_plain(file)
    assert not (tmp_path / "made").exists()


def test_a_hash_is_that_of_the_bytes_as_they_are_now(tmp_path: Path) -> None:
    file = tmp_path / "weights.ckpt"
    file.write_bytes(b"one")
    first = sha256_of(file)
    file.write_bytes(b"another")
    assert sha256_of(file) != first


def test_a_class_that_no_training_row_has_gets_nothing(tmp_path: Path) -> None:
    file = tiny("tabicl", tmp_path, True)
    dice = np.random.default_rng(0)
    data = pd.DataFrame({"number": dice.normal(size=90), "label": np.resize(["a", "b", "c"], 90)})
    given = frame(read(data), "label", seed=0)
    kept = given.parts["train"][given.truth("train") != 1]
    given = replace(given, parts={**given.parts, "train": kept})
    config = default(learners["tabicl"].config, {"weights": str(file), "views": 1})
    model = learners["tabicl"].fit(given, config, 0, watch())
    assert isinstance(model, InContextModel)
    answers = model.predict(given.part("test")).array()
    assert np.allclose(answers.sum(axis=1), 1)
    assert (answers[:, 1] == 0).all()
