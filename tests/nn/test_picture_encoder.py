"""Networks that read pictures: block by block they answer as timm's own forward pass does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

timm = pytest.importorskip("timm")

from tunesmith.nn.kinds import change  # noqa: E402
from tunesmith.nn.network import Network  # noqa: E402
from tunesmith.nn.picture_encoder import PictureEncoder  # noqa: E402
from tunesmith.nn.picture_families import FAMILIES  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {
    "resnet10t": {"channels": (8, 8, 16, 16)},
    "vgg11": {},
    "tf_efficientnet_lite0": {},
    "mobilenetv2_100": {},
    "mobilenetv3_small_050": {},
    "mobilenetv4_conv_small_035": {},
    "convnext_atto": {"depths": (1, 1, 2, 1), "dims": (8, 8, 16, 16)},
    "vit_tiny_patch16_224": {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 64},
    "deit_tiny_distilled_patch16_224": {"embed_dim": 24, "depth": 2, "img_size": 64},
    "vit_small_patch14_dinov2": {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 56},
    "vit_base_patch16_clip_224": {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 64},
    "swin_tiny_patch4_window7_224": {
        "embed_dim": 12,
        "depths": (1, 1),
        "num_heads": (2, 2),
        "img_size": 56,
    },
    "eva02_tiny_patch14_224": {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 56},
}


def encoder(name: str) -> PictureEncoder:
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=0, **SMALL[name]).eval()
    size = SMALL[name].get("img_size", 64)
    mean, std = model.default_cfg["mean"], model.default_cfg["std"]
    return PictureEncoder(model, size=size, mean=mean, std=std, shape={}).eval()


def pixels(size: int, count: int = 2) -> torch.Tensor:
    dice = np.random.default_rng(0)
    return torch.from_numpy(dice.integers(0, 256, (count, size, size, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_blocks_one_by_one_are_the_whole_forward_pass(name: str) -> None:
    made = encoder(name)
    given = pixels(made.size)
    scaled = (given.permute(0, 3, 1, 2).float() / 255 - made.mean) / made.std
    wanted = made.model.forward_features(scaled)
    hidden = made.stem(given)
    for number in range(len(made.blocks)):
        assert tuple(hidden.shape[1:]) == made.shape_at(number, made.size)
        hidden = made.run(hidden, made.context(hidden), number, number + 1)
    assert torch.allclose(hidden, wanted, atol=1e-5)
    assert torch.allclose(made(given), wanted, atol=1e-5)
    for kind in ("mean", "max", "first"):
        assert made.pool(hidden, kind).shape == (2, made.width)
    inside = {id(module) for module in made.model.modules()}
    assert all(id(block) in inside for block in made.blocks)


@pytest.mark.parametrize("name", ["mobilenetv2_100", "resnet10t", "convnext_atto"])
@torch.no_grad()
def test_what_comes_from_the_store_is_laid_out_as_the_stem_leaves_it(name: str) -> None:
    made = encoder(name)
    cut = len(made.blocks) - 2
    hidden = made.run(made.stem(pixels(made.size)), None, 0, cut)
    stored = torch.from_numpy(hidden.contiguous().numpy())
    assert not stored.is_contiguous(memory_format=torch.channels_last)
    seen: list[torch.Tensor] = []
    made.blocks[cut].register_forward_pre_hook(lambda block, given: seen.append(given[0]))
    ended = [made.run(one, None, cut) for one in (stored, hidden)]
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in (*seen, *ended))
    assert torch.equal(*ended)


def test_every_family_is_tried() -> None:
    assert {type(encoder(name).model).__name__ for name in SMALL} == set(FAMILIES)


@torch.no_grad()
def test_the_first_token_is_apart_from_the_places() -> None:
    made = encoder("vit_tiny_patch16_224")
    assert "first" in made.pools
    assert "first" not in encoder("swin_tiny_patch4_window7_224").pools
    hidden = made(pixels(made.size))
    assert torch.equal(made.pool(hidden, "first"), hidden[:, 0])
    assert torch.allclose(made.pool(hidden, "mean"), hidden[:, 1:].mean(dim=1))
    plain = encoder("resnet10t")
    maps = plain(pixels(64))
    assert torch.equal(plain.pool(maps, "first"), plain.pool(maps, "mean"))


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet10t", "tf_efficientnet_lite0"])
def test_pictures_of_another_size_are_read(name: str) -> None:
    made = encoder(name)
    assert made.pool(made(pixels(96)), "mean").shape == (2, made.width)


def test_sides_that_are_read_are_of_whole_patches() -> None:
    sides = (64, 96, 160, 224, 384)
    assert [encoder("resnet10t").readable(side) for side in sides] == list(sides)
    assert {encoder("eva02_tiny_patch14_224").readable(side) for side in sides} == {56}
    of_patches = encoder("vit_small_patch14_dinov2")
    assert [of_patches.readable(side) for side in sides] == [70, 98, 154, 224, 378]
    assert [of_patches.readable(side) for side in (1, of_patches.size)] == [14, 56]


def test_quarters_are_the_means_over_the_four_parts_of_a_map(picture_checkpoint: str) -> None:
    from tunesmith.nn.features import embed
    from tunesmith.zoo.backbones import backbone

    encoder = backbone(picture_checkpoint).encoder
    hidden = torch.randn(2, 5, 6, 6)
    quarters = encoder.quarters(hidden).reshape(2, 5, 4)
    assert torch.allclose(quarters[:, :, 0], hidden[:, :, :3, :3].mean(dim=(2, 3)), atol=1e-6)
    assert torch.allclose(quarters.mean(dim=2), encoder.pool(hidden, "mean"), atol=1e-6)
    pixels = [np.random.default_rng(n).integers(0, 255, (32, 32, 3), np.uint8) for n in range(3)]
    both = embed(encoder, pixels, "mean:-2+quarters:-2", precision="fp32")
    mean, parts = both[:, : encoder.widths[-2]], both[:, encoder.widths[-2] :]
    assert np.allclose(parts.reshape(3, -1, 4).mean(axis=2), mean, atol=1e-5)


HEAD: Any = {"dense": 0, "outputs": 3, "hidden": 0, "dropout": 0.0}


@pytest.mark.parametrize(
    "name", ["resnet10t", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]
)
@pytest.mark.parametrize("kind", ["convolution", "attention"])
@torch.no_grad()
def test_a_neck_goes_over_pictures_of_every_layout(kind: str, name: str) -> None:
    made = encoder(name)
    hidden = made(pixels(made.size))
    grid = made.grid(hidden)
    assert torch.equal(made.with_grid(hidden, grid), hidden)
    assert torch.equal(grid.flatten(1, 2), made.places(hidden))
    necked = Network(made, pool="mean", neck=kind, neck_width=4, **HEAD).eval()
    wanted = Network(made, pool="mean", **HEAD).eval().pooled_places(hidden)
    assert torch.allclose(necked.pooled_places(hidden), wanted, atol=1e-6)
    for parameter in necked.neck.parameters():  # type: ignore[union-attr]
        parameter.normal_(std=0.3)
    found = made.grid(necked._through(necked.neck, hidden))  # type: ignore[arg-type]
    if kind == "convolution" or made.family.layout != "tokens":
        assert torch.allclose(found, necked.neck(grid), atol=1e-5)  # type: ignore[misc]
    else:  # it sees the token of the whole, and that sees it
        assert not torch.allclose(found, necked.neck(grid), atol=1e-3)  # type: ignore[misc]
    assert found.shape == grid.shape


@torch.no_grad()
def test_attention_pools_pictures_from_their_mean_on() -> None:
    made = encoder("resnet10t")
    hidden = made(pixels(made.size))
    network = Network(made, pool="attention", **HEAD).eval()
    assert torch.allclose(network.pooled_places(hidden), made.pool(hidden, "mean"), atol=1e-5)
    network.pool.query.weight.normal_(std=30.0)  # type: ignore[union-attr]
    places = made.places(hidden)
    wanted = places[torch.arange(2), (places @ network.pool.query.weight[0]).argmax(dim=1)]  # type: ignore[union-attr]
    assert torch.allclose(network.pooled_places(hidden), wanted, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_upper_blocks_bend_and_are_normed_otherwise_with_the_same_weights(name: str) -> None:
    made, plain = encoder(name), encoder(name)
    change(made, 1, "relu", "rms")
    given = pixels(made.size)
    below = plain.run(plain.stem(given), None, 0, 1)
    assert torch.equal(made.run(made.stem(given), None, 0, 1), below)
    assert not torch.allclose(made(given), plain(given))
    assert made(given).isfinite().all()
    assert made.state_dict().keys() == plain.state_dict().keys()
