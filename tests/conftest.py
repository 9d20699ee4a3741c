"""What contract tests share: a tiny checkpoint in a folder, and a problem of each task."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith import zoo
from tunesmith.api import fit
from tunesmith.core.errors import WeightsError
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.pipeline.frame import frame
from tunesmith.tasks import tasks
from tunesmith.tasks.classification import BAD, GOOD, PLAIN

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are shared with the workers beside it
    os.environ.setdefault("OMP_NUM_THREADS", "1")

MIXED_ROWS = 160
MIXED: dict[str, Any] = {
    "front": "image",
    "back": "image",
    "said": "text",
    "title": "text",
    "age": "number",
    "shop": "category",
    "day": "date",
}


@pytest.fixture(scope="session", autouse=True)
def _store_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests leave the user's activation store and resized pictures alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_PICTURES", str(tmp_path_factory.mktemp("pictures")))
        patch.setenv("TUNESMITH_STORE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _weights(request: pytest.FixtureRequest) -> None:
    """The usual built-in weights are here before the first test, whichever that is in a worker."""
    if any(item.get_closest_marker("weights") for item in request.session.items):
        with contextlib.suppress(WeightsError):  # who wants them says so
            zoo.fetch("all-MiniLM-L6-v2")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of two blocks with random weights."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    from tunesmith.zoo import encoders, weights

    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *PLAIN]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": len(words),
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    encoder = encoders.from_config(config)
    (folder / "config.json").write_text(json.dumps(encoder.model.config.to_dict()))
    save_file(weights.tensors(encoder), folder / "model.safetensors")
    return str(folder)


@pytest.fixture(scope="session")
def picture_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ResNet of four small blocks with random weights, for pictures of 32 pixels."""
    pytest.importorskip("timm")
    import torch
    from safetensors.torch import save_file

    from tunesmith.zoo import pictures

    folder = tmp_path_factory.mktemp("small")
    told = {
        "architecture": "resnet10t",
        "pretrained_cfg": {"input_size": [3, 32, 32]},
        "model_args": {"channels": [8, 8, 16, 16]},
    }
    torch.manual_seed(0)
    save_file(pictures._made(told, folder).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(told))
    return str(folder)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of sixty pictures that are light above or light below."""
    image = pytest.importorskip("PIL.Image")
    folder, dice = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(60):
        pixels = dice.integers(0, 120, (40, 40, 3), dtype=np.uint8)
        label = ("above", "below")[number % 2]
        pixels[slice(0, 20) if label == "above" else slice(20, 40)] += 130
        (folder / label).mkdir(exist_ok=True)
        image.fromarray(pixels).save(folder / label / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="session")
def picture_run(
    photos: Path, picture_checkpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run folder of a probe that has learned from `photos`."""
    folder = tmp_path_factory.mktemp("fitted") / "run"
    pins = {"probe": {"backbone": picture_checkpoint}}
    fit(photos, "label", trials=1, learners=["probe"], space=pins, folder=folder)
    return folder


@pytest.fixture
def tower(tmp_path: Path) -> Callable[..., Path]:
    """A folder as transformers writes it: of a class, its config and settings; more is said of how
    pictures are read."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("timm")
    import torch

    def made(name: str, config: str, settings: dict[str, Any], **processor: Any) -> Path:
        torch.manual_seed(0)
        folder = tmp_path / name
        model = getattr(transformers, name)(getattr(transformers, config)(**settings))
        for tensor in model.parameters():  # what starts at 0 or 1 would hide mistakes
            torch.nn.init.normal_(tensor, std=0.1)
        model.save_pretrained(folder)
        told = {
            "image_processor_type": "ViTImageProcessor",
            "image_mean": [0.4, 0.5, 0.6],
            "image_std": [0.2, 0.3, 0.4],
            "size": {"height": 32, "width": 32},
            **processor,
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(told))
        return folder

    return made


@pytest.fixture(scope="session", params=["classification", "regression"])
def example(request: pytest.FixtureRequest) -> Problem:
    """A small problem of each task."""
    data, target = tasks[request.param].example(np.random.default_rng(0))
    names = [name for name in data.names if name != ("stars" if target == "label" else "label")]
    return frame(data.with_columns(names), target, seed=0)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """Two columns of pictures, two of texts, a number, a category and a date, with gaps. What
    `front` shows (red, not blue), what `said` says (good words) and `age` (above 0) vote on the
    label; the other columns tell nothing."""
    images = pytest.importorskip("PIL.Image")
    folder, rows = tmp_path_factory.mktemp("mixed"), MIXED_ROWS
    dice = np.random.default_rng(0)
    votes = dice.random((rows, 3)) < 0.5
    cells: dict[str, Any] = {name: np.full(rows, None, dtype=object) for name in MIXED}
    for row in range(rows):
        for name, is_red in (("front", votes[row, 0]), ("back", dice.random() < 0.5)):
            pixels = dice.integers(0, 120, (40, 40, 3), dtype=np.uint8)
            pixels[:, :, 0 if is_red else 2] += 130
            file = folder / f"{name}-{row}.png"
            images.fromarray(pixels).save(file)
            cells[name][row] = str(file)
        words = dice.choice(GOOD if votes[row, 1] else BAD, 3)
        cells["said"][row] = f"{dice.choice(PLAIN)} {' '.join(words)}"
        cells["title"][row] = " ".join(dice.choice(PLAIN, 3))
        cells["shop"][row] = str(dice.choice(["north", "south"]))
    cells["age"] = np.where(votes[:, 2], 1.0, -1.0) + dice.normal(0, 0.3, rows)
    cells["day"] = np.datetime64("2026-01-01", "s") + dice.integers(0, 90, rows) * 86_400
    cells["front"][3::23] = None
    cells["said"][5::29] = None
    cells["age"][7::31] = np.nan
    cells["day"][11::37] = np.datetime64("NaT")
    cells["label"] = np.where(votes.sum(axis=1) > 1, "yes", "no").astype(object)
    kinds = {**MIXED, "label": "category"}
    columns = tuple(Column(name, kind, "made up") for name, kind in kinds.items())
    return frame(Dataset("made up", columns, cells, np.arange(rows)), "label", seed=0, folds=0)
