"""Checkpoints of pictures in transformers' format: what a folder says, and what is made of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

transformers = pytest.importorskip("transformers")
pytest.importorskip("timm")
Image = pytest.importorskip("PIL.Image")

import torch  # noqa: E402

import tunesmith as ts  # noqa: E402
from tunesmith import zoo  # noqa: E402
from tunesmith.core.errors import WeightsError  # noqa: E402
from tunesmith.zoo import backbones, picture_towers, pictures, weights  # noqa: E402

VIT: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
"""As `tower` writes them."""
WORDS = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 60_000,
}
Make = Callable[..., Path]


def changed(folder: Path, file: str = "config.json", **changes: Any) -> Path:
    told = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**told, **changes}))
    return folder


def picture(side: int = 32) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "config", "settings"),
    [
        ("ViTForImageClassification", "ViTConfig", VIT),
        ("DeiTForImageClassificationWithTeacher", "DeiTConfig", VIT),
        ("Dinov2Model", "Dinov2Config", {k: VIT[k] for k in VIT if k != "intermediate_size"}),
        ("SwinForImageClassification", "SwinConfig", {"embed_dim": 12, "depths": [1, 1]}),
        (
            "ResNetForImageClassification",
            "ResNetConfig",
            {"hidden_sizes": [8, 8], "depths": [1] * 2},
        ),
        (
            "ConvNextForImageClassification",
            "ConvNextConfig",
            {"hidden_sizes": [8] * 2, "depths": [1] * 2},
        ),
    ],
)
@torch.no_grad()
def test_a_folder_answers_as_transformers_does_and_opens_again(
    name: str, config: str, settings: dict[str, Any], tower: Make, tmp_path: Path
) -> None:
    if name.startswith("Swin"):
        settings = {**settings, "num_heads": [2, 2], "window_size": 4, "image_size": 32}
    if name.startswith("ConvNext"):
        settings = {**settings, "num_stages": 2}
    folder = tower(name, config, settings)
    encoder = pictures.load(folder).eval()
    read = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    pixels = read(Image.fromarray(picture()), return_tensors="pt")["pixel_values"]
    model = transformers.AutoModel.from_pretrained(folder).eval()
    wanted = model(pixels).last_hidden_state
    answered = encoder(torch.from_numpy(picture())[None])
    assert torch.allclose(answered.reshape(wanted.shape), wanted, atol=1e-5)
    assert encoder.size == 32
    pictures.save_shape(encoder, tmp_path)
    weights.write(encoder, tmp_path, weights.only_file(folder))
    again = pictures.restore(tmp_path)
    assert torch.equal(again(torch.from_numpy(picture())[None]).cpu(), answered)
    card = zoo.card_for(str(folder))
    assert (card.modality, card.blocks) == ("image", len(encoder.blocks))
    assert card.width == encoder.width


@pytest.mark.parametrize("name", ["CLIP", "Siglip"])
@torch.no_grad()
def test_of_a_network_of_pictures_and_texts_the_part_for_pictures_is_taken(
    name: str, tower: Make, tmp_path: Path
) -> None:
    parts = {"vision_config": VIT, "text_config": WORDS}
    folder = tower(f"{name}Model", f"{name}Config", parts)
    base = backbones.backbone(str(folder))
    theirs = getattr(transformers, f"{name}Model").from_pretrained(folder).eval().vision_model
    given = torch.from_numpy(picture())[None]
    scaled = (given.permute(0, 3, 1, 2) / 255 - base.encoder.mean.cpu()) / base.encoder.std.cpu()
    answered = base.encoder(given.to(base.encoder.mean.device)).cpu()
    if name == "CLIP":
        assert torch.allclose(answered[:, 0], theirs(scaled).pooler_output, atol=1e-5)
    else:
        assert torch.allclose(answered, theirs(scaled).last_hidden_state, atol=1e-5)
    base.reader.save(base.encoder, tmp_path)
    weights.write(base.encoder, tmp_path, base.source)
    kept = (tmp_path / weights.OWN_FILE).stat().st_size
    assert kept < (folder / "model.safetensors").stat().st_size / 10  # no words are saved with it
    assert torch.equal(pictures.restore(tmp_path)(given).cpu(), answered)


def test_how_pictures_are_read_is_as_the_processor_says(tower: Make) -> None:
    folder = tower("ViTModel", "ViTConfig", VIT, do_center_crop=True, crop_size=48)
    one = pictures.load(folder)
    assert one.size == 48
    assert one.mean.flatten().tolist() == pytest.approx(MEAN)
    before = weights.fingerprint(folder)
    changed(folder, "preprocessor_config.json", rescale_factor=2 / 255)
    assert weights.fingerprint(folder) != before
    twice = pictures.load(folder)
    pixel = torch.full((1, 3, 1, 1), 100.0)
    wanted = (pixel * 2 / 255 - torch.tensor(MEAN).reshape(1, 3, 1, 1)) / (
        torch.tensor(STD).reshape(1, 3, 1, 1)
    )
    assert torch.allclose((pixel / 255 - twice.mean) / twice.std, wanted, atol=1e-5)
    changed(folder, "preprocessor_config.json", do_normalize=False, rescale_factor=1 / 255)
    assert pictures.load(folder).std.flatten().tolist() == [1.0] * 3
    told = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": told}))
    assert pictures.load(folder).size == 48


@pytest.mark.parametrize(
    ("file", "changes", "told"),
    [
        ("config.json", {"model_type": "vitt"}, "names no architecture"),
        ("config.json", {"hidden_size": 10**9}, "out of range"),
        ("config.json", {"hidden_size": [8] * 100}, "out of range"),
        ("config.json", {"hidden_size": 4800, "num_hidden_layers": 48}, "asks for a network of"),
        ("config.json", {"hidden_size": 25}, "describes no network|another shape"),
        ("config.json", {"num_hidden_layers": 3}, "is missing"),
        ("config.json", {"intermediate_size": 40}, "another shape"),
        ("config.json", {"hidden_act": "../../x"}, "describes no network"),
        ("preprocessor_config.json", {"image_std": [0, 0, 0]}, "out of range"),
        ("preprocessor_config.json", {"image_mean": "none"}, "config.json"),
        ("preprocessor_config.json", {"image_mean": None}, "config.json"),
        ("preprocessor_config.json", {"size": 10**6}, "out of range"),
    ],
)
def test_a_folder_that_cannot_be_is_one_clear_error(
    file: str, changes: dict[str, Any], told: str, tower: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = changed(tower("ViTModel", "ViTConfig", VIT), file, **changes)
    capfd.readouterr()
    with pytest.raises(WeightsError, match=told):
        pictures.load(folder)
    assert capfd.readouterr().err == ""


def test_a_folder_that_does_not_say_how_pictures_are_read_is_refused(tower: Make) -> None:
    folder = tower("ViTModel", "ViTConfig", VIT)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(WeightsError, match="how its pictures are normalised"):
        zoo.card_for(str(folder))


def test_code_and_kernels_that_a_config_names_are_not_looked_at(tower: Make) -> None:
    folder = tower("ViTModel", "ViTConfig", VIT)
    named = {"auto_map": {"AutoModel": "evil.Model"}, "_attn_implementation": "someone/kernel"}
    (folder / "evil.py").write_text("raise SystemExit(3)")
    assert len(pictures.load(changed(folder, **named)).blocks) == 2


def test_a_network_whose_parts_have_other_names_is_refused() -> None:
    model = transformers.ViTModel(transformers.ViTConfig(**VIT))
    picture_towers.refuse_other_layout(model)
    del model.layers  # as before they were renamed
    with pytest.raises(WeightsError, match=r"pip install .transformers>="):
        picture_towers.refuse_other_layout(model)


@pytest.fixture(scope="module")
def folder_of_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 pictures, of two classes by where they are light."""
    root, dice = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(80):
        pixels = dice.integers(0, 120, (40, 40, 3), dtype=np.uint8)
        above = number % 2 == 0
        pixels[slice(0, 20) if above else slice(20, 40)] += 120
        place = root / ("above" if above else "below")
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("learner", "adapter"), [("probe", ""), ("neural", "Full"), ("neural", "LoRA")]
)
def test_it_is_fitted_saved_and_opened(
    learner: str, adapter: str, folder_of_pictures: Path, tower: Make, tmp_path: Path
) -> None:
    folder = tower("ViTModel", "ViTConfig", VIT)
    settings: dict[str, Any] = {"backbone": str(folder)}
    if adapter:
        settings |= {"epochs": 2, "depth": 0.5, "adapter": adapter}
    run = ts.fit(
        folder_of_pictures,
        "label",
        trials=1,
        learners=[learner],
        space={learner: settings},
        folder=tmp_path / "run",
    )
    files = sorted(folder_of_pictures.rglob("*.png"))[:10]
    answers = run.predict_proba([str(file) for file in files])
    shutil.rmtree(folder)  # a model needs nothing of the checkpoint's folder
    again = ts.load(tmp_path / "run").predict_proba([str(file) for file in files])
    assert np.allclose(np.asarray(answers), np.asarray(again), atol=1e-5)
