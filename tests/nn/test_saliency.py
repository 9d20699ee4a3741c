"""Credit by the inside of networks: complete, pointed at what decides, and leaving no trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

transformers = pytest.importorskip("transformers")
pytest.importorskip("captum")

from tunesmith.core.clock import Clock  # noqa: E402
from tunesmith.core.errors import BudgetError  # noqa: E402
from tunesmith.nn import features, saliency  # noqa: E402
from tunesmith.nn.encoder import Encoder  # noqa: E402
from tunesmith.nn.network import Network  # noqa: E402
from tunesmith.nn.picture_encoder import PictureEncoder  # noqa: E402
from tunesmith.nn.redraw import redrawn  # noqa: E402
from tunesmith.nn.rollout import Watching, attended, rolled_out  # noqa: E402
from tunesmith.zoo import encoders  # noqa: E402

BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 50,
    "max_position_embeddings": 40,
}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "vocab_size": 50, "n_positions": 40}
TEXTS: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "deberta-v2": {**BERT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "gpt2": GPT2,
    "qwen2": {**BERT, "num_key_value_heads": 2},
}
TOKENS = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "patch_size": 8}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2}
PICTURES: dict[str, dict[str, Any]] = {
    "ViT": {**TOKENS, "image_size": 32, "intermediate_size": 48},
    "Dinov2WithRegisters": {**TOKENS, "image_size": 32, "num_register_tokens": 2},
    "ConvNext": STAGES,
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2]},
    "Swin": {"image_size": 32, "patch_size": 4, "embed_dim": 12, "depths": [1, 1], "window_size": 2}
    | {"num_heads": [2, 2]},
}


def spread(module: torch.nn.Module, std: float = 0.2) -> Any:
    """What starts at 0 or 1 would hide mistakes."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return module.eval()


def reader(name: str) -> Encoder:
    return spread(encoders.from_config({"model_type": name, **TEXTS[name]}))


def looker(name: str) -> PictureEncoder:
    config = getattr(transformers, f"{name}Config")(**PICTURES[name])
    model = spread(getattr(transformers, f"{name}Model")(config))
    return PictureEncoder(model, size=32, mean=[0.4] * 3, std=[0.3] * 3, shape={}).eval()


def tuned(encoder: Any, pool: str = "mean", dense: int = 2, neck: str = "none") -> Network:
    torch.manual_seed(1)
    shape: Any = {"outputs": 3, "hidden": 8, "dropout": 0.1, "neck": neck, "neck_width": 8}
    network = Network(encoder, pool=pool, dense=dense, **shape)
    return spread(network, 0.4)


def passage_of(
    network: Network, ids: Any, blank: Any, dense: Any = (0.5, -1.0)
) -> saliency.Passage:
    def answer(seen: Any, numbers: torch.Tensor) -> torch.Tensor:
        return network.head(torch.cat([*seen, numbers], dim=1)).softmax(dim=1)

    numbers = np.asarray(dense, np.float32)
    return saliency.Passage((saliency.Seen.tuned(network, ids, blank),), numbers, answer)


IDS = np.array([2, 7, 8, 9, 10, 3])
BLANK = np.array([2, 0, 0, 0, 0, 3])


def picture() -> Any:
    return np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("readout", features.READOUTS)
def test_a_readout_with_the_way_back_open_is_that_which_was_learned_from(
    name: str, readout: str
) -> None:
    encoder = reader(name)
    wanted = features.embed(encoder, [IDS], readout, precision="fp32")
    seen = saliency.Seen.frozen(encoder, IDS, BLANK, readout)
    assert np.allclose(seen.features(seen.start(IDS)).detach().numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("readout", ["several", "ends"])
def test_so_is_that_of_a_picture_from_any_block_below(name: str, readout: str) -> None:
    encoder, pixels = looker(name), picture()
    wanted = features.embed(encoder, [pixels], readout, precision="fp32")
    seen = saliency.Seen.frozen(encoder, pixels, pixels, readout)
    for start in {0, seen.lowest}:
        hidden = seen.hidden(seen.start(pixels), start)
        assert np.allclose(seen.read(hidden, start).detach().numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "pool", ["mean", "first", "final", "attention", "mean convolution", "mean attention"]
)
def test_integrated_gradients_sum_to_what_the_answer_differs(name: str, pool: str) -> None:
    pool, _, neck = pool.partition(" ")
    network = tuned(reader(name), pool, neck=neck or "none")
    passage = passage_of(network, IDS, BLANK)
    found = saliency.integrated_gradients(passage, 1, Clock())
    with torch.no_grad():
        answers = []
        for ids, dense in ((IDS, passage.dense), (BLANK, 0 * passage.dense)):
            seen = passage.contents[0]
            given = torch.from_numpy(dense)[None]
            answers.append(float(passage.answer([seen.features(seen.start(ids))], given)[0, 1]))
    total = found.contents[0].sum() + found.dense.sum()
    sees = not (network.encoder.is_causal and pool == "first")  # nothing but itself
    assert not sees or abs(answers[0] - answers[1]) > 1e-3
    assert np.isclose(total, answers[0] - answers[1], rtol=0.05, atol=1e-4)
    assert found.change == pytest.approx(answers[0] - answers[1], abs=1e-6)
    assert not found.contents[0][[0, -1]].any()


@pytest.mark.parametrize("neck", ["none", "convolution"])
@pytest.mark.parametrize("name", PICTURES)
def test_so_do_those_of_pixels(name: str, neck: str) -> None:
    network, pixels = tuned(looker(name), neck=neck), picture()
    blank = np.full_like(pixels, 128)
    passage = passage_of(network, pixels, blank, (0.0, 0.0))
    found = saliency.integrated_gradients(passage, 0, Clock())
    seen, none = passage.contents[0], torch.zeros(1, 2)
    with torch.no_grad():
        whole, empty = (
            float(passage.answer([seen.features(seen.start(one))], none)[0, 0])
            for one in (pixels, blank)
        )
    assert found.contents[0].shape == (32, 32)
    assert np.isclose(found.contents[0].sum(), whole - empty, rtol=0.05, atol=1e-3)


def test_without_time_there_is_no_credit() -> None:
    passage = passage_of(tuned(reader("bert")), IDS, BLANK)
    with pytest.raises(BudgetError, match="time"):
        saliency.integrated_gradients(passage, 0, Clock(0.0))


def test_a_map_counted_by_its_mean_gradient_is_the_credit_of_a_linear_head() -> None:
    """Behind a mean over places, Grad-CAM is what each place adds to the answer."""
    encoder, pixels = looker("ResNet"), picture()
    plane = torch.randn(encoder.width, 2, generator=torch.Generator().manual_seed(0))
    seen = saliency.Seen.frozen(encoder, pixels, pixels, "last")
    passage = saliency.Passage((seen,), np.empty(0, np.float32), lambda f, d: f[0] @ plane)
    (found,) = saliency.grad_cam(passage, 1).contents
    hidden = encoder(seen.start(pixels)).detach()
    wanted = torch.einsum("bchw,c->hw", hidden, plane[:, 1]) / hidden[0, 0].numel()
    assert np.allclose(found, wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize(("name", "side"), [("ViT", 4), ("Dinov2WithRegisters", 4), ("Swin", 4)])
@pytest.mark.parametrize("pool", ["mean", "first"])
def test_patches_have_maps_too(name: str, side: int, pool: str) -> None:
    pixels = picture()
    passage = passage_of(tuned(looker(name), pool), pixels, pixels)
    (found,) = saliency.grad_cam(passage, 0).contents
    assert found.shape == (side, side)
    assert np.ptp(found) > 0


@pytest.mark.parametrize("masked", ["none", "bool", "float", "causal"])
def test_attention_that_shows_its_weights_answers_the_same(masked: str) -> None:
    query, key, value = torch.randn(3, 1, 4, 6, 8, generator=torch.Generator().manual_seed(0))
    seen = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(1)) > 0.3
    seen |= torch.eye(6, dtype=torch.bool)
    told: dict[str, Any] = {"none": {}, "causal": {"is_causal": True}, "bool": {"attn_mask": seen}}
    told["float"] = {"attn_mask": torch.zeros(1, 1, 6, 6).masked_fill(~seen, -1e9)}
    answer, weights = attended(query, key, value, **told[masked])
    wanted = scaled_dot_product_attention(query, key, value, **told[masked])
    assert torch.allclose(answer, wanted, atol=1e-6)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(1, 4, 6))
    few = torch.randn(2, 1, 2, 6, 8)
    grouped, _ = attended(query, *few, enable_gqa=True)
    assert torch.allclose(
        grouped, scaled_dot_product_attention(query, *few, enable_gqa=True), atol=1e-6
    )


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", ["sdpa", "eager"])
def test_every_block_is_watched_by_whichever_kernel_and_set_nothing(name: str, kind: str) -> None:
    encoder = reader(name)
    if name == "deberta-v2" and kind == "sdpa":
        pytest.skip("it knows no other kernel")
    encoder.model.config._attn_implementation = kind
    before = features.embed(encoder, [IDS], "last", precision="fp32")
    passage = passage_of(tuned(encoder), IDS, BLANK)
    encoder.eval()
    wanted = features.embed(encoder, [IDS], "last", precision="fp32")
    (found,) = saliency.attention_rollout(passage).contents
    with Watching() as watching:
        saliency.Seen.frozen(encoder, IDS, BLANK, "last").hidden(passage.contents[0].start(IDS), 3)
    assert len(watching.seen) == 3
    assert np.isclose(found.sum(), 1)
    assert (found >= 0).all()
    assert encoder.model.config._attn_implementation == kind
    assert np.array_equal(features.embed(encoder, [IDS], "last", precision="fp32"), wanted)
    assert before.shape == wanted.shape


def test_a_rollout_goes_on_through_an_attention_above_and_stops_at_a_convolution() -> None:
    encoder = reader("bert")

    def rolled(network: Network) -> Any:
        return saliency.attention_rollout(passage_of(network, IDS, BLANK)).contents[0]

    plain = rolled(tuned(encoder))
    network = tuned(encoder, neck="attention")
    network.neck.query.weight.data.mul_(20)
    assert np.isclose(rolled(network).sum(), 1)
    assert not np.allclose(rolled(network), plain, atol=1e-4)
    for parameter in network.neck.query.parameters():
        parameter.data.zero_()  # it looks at all places alike, as the mean behind it does
    assert np.allclose(rolled(network), plain, atol=1e-6)
    assert rolled(tuned(encoder, neck="convolution")) is None


def test_a_rollout_follows_the_weights_of_all_blocks() -> None:
    """Two blocks in which every place looks at the one before it, half of each going past."""
    looks = torch.eye(4).roll(1, dims=0)

    def run() -> None:
        for _ in range(2):
            torch.softmax(torch.log(looks).clamp(min=-1e4)[None, None], dim=-1)

    once = 0.5 * looks.double() + 0.5 * torch.eye(4, dtype=torch.float64)
    assert torch.allclose(rolled_out(run, pool="first"), (once @ once)[0])
    assert torch.allclose(rolled_out(run, pool="final"), (once @ once)[-1])
    assert torch.allclose(rolled_out(run, pool="mean"), (once @ once).mean(dim=0))
    assert torch.allclose(rolled_out(run, pool="mean", own=1), (once @ once)[1:].mean(dim=0))


def test_patches_are_rolled_out_and_maps_are_not() -> None:
    pixels = picture()
    (found,) = saliency.attention_rollout(passage_of(tuned(looker("ViT")), pixels, pixels)).contents
    assert found.shape == (4, 4)
    for name in ("ResNet", "Swin"):
        passage = passage_of(tuned(looker(name)), pixels, pixels)
        assert saliency.attention_rollout(passage).contents == (None,)
        assert "attention-rollout" not in saliency.methods(passage.contents[0].encoder)


def test_what_is_redrawn_is_a_copy_and_the_rest_is_shared() -> None:
    network = tuned(reader("bert"))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    other = redrawn(network, [network.head, network.encoder.blocks[-1]], seed=3)
    assert all(torch.equal(before[n], tensor) for n, tensor in network.state_dict().items())
    own = dict(network.named_parameters())
    for name, tensor in other.named_parameters():
        is_drawn = name.startswith(("head.", "encoder.model.encoder.layer.2."))
        assert (tensor is own[name]) != is_drawn
        assert torch.equal(tensor, own[name]) != is_drawn
    again = redrawn(network, [network.head, network.encoder.blocks[-1]], seed=3)
    pairs = zip(other.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
