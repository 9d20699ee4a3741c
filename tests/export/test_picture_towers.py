"""Networks of pictures of transformers as code: what the script makes of pictures is the same."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("timm")
Image = pytest.importorskip("PIL.Image")

import tunesmith as ts  # noqa: E402
from tunesmith.core.records import Problem  # noqa: E402
from tunesmith.core.space import default, to_dict  # noqa: E402
from tunesmith.data.read import read  # noqa: E402
from tunesmith.export import exporters  # noqa: E402
from tunesmith.export._ensembles import Part  # noqa: E402
from tunesmith.learners import learners  # noqa: E402
from tunesmith.nn.features import embed  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402
from tunesmith.zoo import backbones  # noqa: E402

TUNING: dict[str, Any] = {"epochs": 3, "lr": 1e-3, "batch_size": 16, "depth": 0.5}
TOKENS: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "image_size": 32,
    "patch_size": 8,
}
WIDE = {**TOKENS, "intermediate_size": 48}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 12], "depths": [2, 2], "num_stages": 2}
SWIN: dict[str, Any] = {
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "window_size": 4,
    "image_size": 32,
}
TOWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ViTForImageClassification": ("ViTConfig", WIDE),
    "DeiTModel": ("DeiTConfig", WIDE),
    "Dinov2Model": ("Dinov2Config", TOKENS),
    "Dinov2WithRegistersModel": ("Dinov2WithRegistersConfig", TOKENS),
    "CLIPModel": ("CLIPConfig", {"vision_config": WIDE, "text_config": {"num_hidden_layers": 1}}),
    "SiglipVisionModel": ("SiglipVisionConfig", WIDE),
    "ConvNextModel": ("ConvNextConfig", STAGES),
    "ConvNextV2Model": ("ConvNextV2Config", STAGES),
    "ResNetModel": ("ResNetConfig", {"hidden_sizes": [8, 12], "depths": [2, 2]}),
    "SwinModel": ("SwinConfig", SWIN),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures of two classes by where they are light."""
    root, dice = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(120):
        pixels = dice.integers(0, 120, (40, 50, 3), dtype=np.uint8)
        above = number % 2 == 0
        pixels[slice(0, 20) if above else slice(20, 40)] += 60 + 70 * (number % 5 > 0)
        place = root / ("above" if above else "below")
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:03d}.{'png' if number % 3 else 'jpg'}")
    return root


def part_of(problem: Problem, trial: int, backbone: str, **config: Any) -> Part:
    plain = to_dict(default(learners["probe"].config, {"backbone": backbone, **config}))
    return Part(exporters["probe"].recipe(problem, {**plain, "strength": 1.0}), trial)


@pytest.mark.parametrize("name", TOWERS)
def test_networks_of_transformers_see_the_same(
    name: str,
    folder: Path,
    tower: Callable[..., Path],
    written: Callable[..., ModuleType],
    tmp_path: Path,
) -> None:
    place = str(tower(name, *TOWERS[name]))
    problem = frame(read(str(folder), target="label"), "label", seed=0)
    part = part_of(problem, 1, place, readout="deep")
    script = written(problem, tmp_path, part, source=folder)
    probe = script.Probe(**script.PROBE)
    probe.network = probe.make(script.place_of(probe.checkpoint))
    paths = [str(file) for file in sorted(folder.rglob("*.jpg"))]
    base = backbones.backbone(place)
    pixels = base.ids(paths, probe.size)
    ours = embed(base.encoder, pixels, "deep", precision="fp32")
    assert np.allclose(probe.read(paths), ours, atol=1e-5)


def test_unlike_networks_of_a_blend_keep_their_own_code(
    folder: Path,
    picture_checkpoint: str,
    tower: Callable[..., Path],
    written: Callable[..., ModuleType],
    tmp_path: Path,
) -> None:
    places = [picture_checkpoint, *(str(tower(n, *TOWERS[n])) for n in ("SwinModel", "DeiTModel"))]
    problem = frame(read(str(folder), target="label"), "label", seed=0)
    parts = [part_of(problem, number, place) for number, place in enumerate(places, start=1)]
    script = written(problem, tmp_path, *parts, source=folder)
    tree = ast.parse((tmp_path / "train.py").read_text())
    names = [one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
    assert len(set(names)) == len(names)
    table = script.prepare(script.read(script.DATA))
    answers = script.build().fit(table, script.truth_of(script.read(script.DATA))).scores(table)
    assert answers.shape == (len(table), 2)


def test_a_network_of_transformers_is_tuned_again(
    folder: Path, tower: Callable[..., Path], tmp_path: Path
) -> None:
    place = str(tower("ViTForImageClassification", *TOWERS["ViTForImageClassification"]))
    run = ts.fit(
        folder,
        "label",
        trials=1,
        learners=["neural"],
        space={"neural": {**TUNING, "backbone": place}},
        metric="log_loss",
        folder=tmp_path / "run",
    )
    facts = run.export_code(tmp_path / "code", check=True)
    assert facts["agrees"], facts["script"]
    listed = (tmp_path / "code" / "requirements.txt").read_text()
    assert "transformers~=" in listed
    assert "timm" not in listed
    assert "whl/cpu" in listed
