"""transformers' networks of pictures: block by block they are their own forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")
pytest.importorskip("timm")

from tunesmith.nn.picture_encoder import PictureEncoder  # noqa: E402
from tunesmith.nn.picture_towers import TOWERS  # noqa: E402

TOKENS: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "image_size": 32,
    "patch_size": 8,
}
WIDE = {**TOKENS, "intermediate_size": 48}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 12, 16], "depths": [1, 2, 1], "num_stages": 3}
SMALL: dict[str, dict[str, Any]] = {
    "ViT": WIDE,
    "DeiT": WIDE,
    "Dinov2": TOKENS,
    "Dinov2WithRegisters": {**TOKENS, "num_register_tokens": 2},
    "CLIPVision": WIDE,
    "SiglipVision": WIDE,
    "ConvNext": STAGES,
    "ConvNextV2": STAGES,
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2]},
    "Swin": {
        "image_size": 36,
        "patch_size": 4,
        "embed_dim": 12,
        "depths": [2, 2, 1],
        "num_heads": [2, 2, 2],
        "window_size": 2,
        "drop_path_rate": 0.0,
    },
}
OWN = {"ViT": 1, "DeiT": 2, "Dinov2": 1, "Dinov2WithRegisters": 3, "CLIPVision": 1}


def encoder(name: str) -> PictureEncoder:
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SMALL[name])
    model = getattr(transformers, f"{name}Model")(config).eval()
    for parameter in model.parameters():  # norms and positions that start at 0 or 1 hide mistakes
        torch.nn.init.normal_(parameter, std=0.2)
    size = SMALL[name].get("image_size", 32)
    return PictureEncoder(model, size=size, mean=[0.4] * 3, std=[0.3] * 3, shape={}).eval()


def pixels(size: int) -> torch.Tensor:
    dice = np.random.default_rng(0)
    return torch.from_numpy(dice.integers(0, 256, (2, size, size, 3), dtype=np.uint8))


def whole(made: PictureEncoder, given: torch.Tensor, **options: Any) -> Any:
    scaled = (given.permute(0, 3, 1, 2).float() / 255 - made.mean) / made.std
    return made.model(scaled, **options)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_blocks_one_by_one_are_the_whole_forward_pass(name: str) -> None:
    made = encoder(name)
    given = pixels(made.size)
    answered = whole(made, given)
    wanted = answered.last_hidden_state
    if name == "CLIPVision":  # every token passes the norm of the pooled one
        wanted = made.model.post_layernorm(wanted)
        assert torch.allclose(made.pool(made(given), "first"), answered.pooler_output, atol=1e-5)
    hidden = made.stem(given)
    for number in range(len(made.blocks)):
        assert tuple(hidden.shape[1:]) == made.shape_at(number, made.size)
        hidden = made.run(hidden, None, number, number + 1)
    assert torch.allclose(hidden.reshape(wanted.shape), wanted, atol=1e-5)
    assert torch.allclose(made(given).reshape(wanted.shape), wanted, atol=1e-5)
    for kind in ("mean", "max", "first"):
        assert made.pool(hidden, kind).shape == (2, made.width)


def test_every_family_is_tried() -> None:
    assert {type(encoder(name).model).__name__ for name in SMALL} == set(TOWERS)


@torch.no_grad()
@pytest.mark.parametrize("name", OWN)
def test_tokens_of_the_whole_are_apart_from_the_places(name: str) -> None:
    made = encoder(name)
    hidden = made(pixels(made.size))
    assert hidden.shape[1] == OWN[name] + 16
    assert torch.equal(made.pool(hidden, "first"), hidden[:, 0])
    assert torch.allclose(made.pool(hidden, "mean"), hidden[:, OWN[name] :].mean(dim=1))


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in SMALL if name != "Swin"])
def test_pictures_of_another_size_are_read_as_transformers_does(name: str) -> None:
    made, given = encoder(name), pixels(48)
    stretches = name in ("ViT", "DeiT", "CLIPVision", "SiglipVision")
    options = {"interpolate_pos_encoding": True} if stretches else {}
    wanted = whole(made, given, **options).last_hidden_state
    if name == "CLIPVision":
        wanted = made.model.post_layernorm(wanted)
    assert torch.allclose(made(given), wanted, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_blocks_train(name: str) -> None:
    made = encoder(name).requires_grad_(False).train()
    top = made.blocks[-1].requires_grad_(True)
    made.pool(made(pixels(made.size)), "mean").square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in top.parameters())
    names = {path.rpartition(".")[2] for path, _ in top.named_modules()}
    assert set(made.lora_targets) <= names


@pytest.mark.parametrize(("name", "multiple"), [("ViT", 8), ("ConvNext", 32), ("Swin", 32)])
def test_sides_are_of_whole_patches(name: str, multiple: int) -> None:
    assert encoder(name).side_multiple == multiple
