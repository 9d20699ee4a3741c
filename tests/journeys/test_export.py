"""`train.py` gives the winner's score in an environment that holds its stated packages alone."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

import tunesmith as ts

pytestmark = pytest.mark.slow


def fresh(folder: Path, requirements: Path) -> Path:
    """The interpreter of a new environment with the packages of a file; skips where they cannot be
    had."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    ran = subprocess.run(
        [python, "-m", "pip", "install", "-q", "-r", requirements], capture_output=True, text=True
    )
    if ran.returncode:
        pytest.skip(f"the packages cannot be fetched: {ran.stderr.strip()[-300:]}")
    return python


def scored_alone(run: ts.Predictor, folder: Path) -> tuple[dict[str, Any], float]:
    facts = run.export_code(folder / "code", check=False)
    python = fresh(folder / "venv", folder / "code" / "requirements.txt")
    missing = subprocess.run([python, "-I", "-c", "import tunesmith"], capture_output=True)
    assert missing.returncode != 0
    out = folder / "model"
    command = [python, "-I", folder / "code" / "train.py", "--out", out]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return facts, json.loads((out / "score.json").read_text())["score"]


def within(facts: dict[str, Any], value: float) -> bool:
    print(json.dumps({"run": facts["winner"], "train.py": value}), file=sys.stderr)
    return bool(facts["winner"]["low"] <= value <= facts["winner"]["high"])


OPTIONS: dict[str, dict[str, Any]] = {
    "found": {},
    "forest, neighbours, network": {"learners": ["forest", "neighbours", "tabular"]},
    "stack, costs": {
        "learners": ["linear", "lightgbm"],
        "auto_stack": 2,
        "costs": {0: {1: 5}, 1: {0: 1}},
    },
}


@pytest.mark.parametrize("how", list(OPTIONS))
def test_of_a_table(how: str, tmp_path: Path) -> None:
    data = load_breast_cancer(as_frame=True).frame
    data.to_csv(tmp_path / "data.csv", index=False)
    run = ts.fit(tmp_path / "data.csv", "target", trials=3, folder=tmp_path / "run", **OPTIONS[how])
    assert within(*scored_alone(run, tmp_path))


@pytest.mark.parametrize("learner", ["linear", "neural"])
def test_of_a_text_set(learner: str, tables: Path, weights: str, tmp_path: Path) -> None:
    space = {"neural": {"backbone": weights, "epochs": 2}}
    run = ts.fit(
        tables / "train.csv",
        "recommended",
        trials=2 if learner == "linear" else 1,
        learners=[learner],
        space=space if learner == "neural" else None,
        folder=tmp_path / "run",
    )
    assert within(*scored_alone(run, tmp_path))


def digits(folder: Path) -> Path:
    """1,797 pictures of 32 pixels in ten class folders."""
    image = pytest.importorskip("PIL.Image")
    found = load_digits()
    for number, (pixels, label) in enumerate(zip(found.images, found.target, strict=True)):
        place = folder / f"d{label}"
        place.mkdir(parents=True, exist_ok=True)
        large = np.kron(pixels * 15.9, np.ones((4, 4))).astype(np.uint8)
        image.fromarray(large).save(place / f"{number}.png")
    return folder


PICTURES: dict[str, dict[str, Any]] = {
    "probe": {"size": 64},
    "neural": {"size": 64, "epochs": 2, "depth": 0.34},
}


@pytest.mark.parametrize("learner", PICTURES)
def test_of_a_set_of_pictures(learner: str, tmp_path: Path) -> None:
    run = ts.fit(
        digits(tmp_path / "digits"),
        "label",
        trials=1,
        learners=[learner],
        space={learner: {"backbone": "mobilenet-v2", **PICTURES[learner]}},
        folder=tmp_path / "run",
    )
    assert within(*scored_alone(run, tmp_path))


def test_of_a_set_of_pictures_by_a_network_of_transformers(
    tower: Callable[..., Path], tmp_path: Path
) -> None:
    shape = {
        "hidden_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "intermediate_size": 96,
        "image_size": 32,
        "patch_size": 8,
    }
    run = ts.fit(
        digits(tmp_path / "digits"),
        "label",
        trials=1,
        learners=["probe"],
        space={"probe": {"backbone": str(tower("ViTModel", "ViTConfig", shape))}},
        folder=tmp_path / "run",
    )
    assert within(*scored_alone(run, tmp_path))
