"""Learning from pictures: by frozen features and by fine-tuning, through the activation store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("timm")
Image = pytest.importorskip("PIL.Image")

from tunesmith.core.clock import Clock  # noqa: E402
from tunesmith.core.contracts import Watch  # noqa: E402
from tunesmith.core.errors import ConfigError  # noqa: E402
from tunesmith.core.records import Problem  # noqa: E402
from tunesmith.core.space import default  # noqa: E402
from tunesmith.data.read import read  # noqa: E402
from tunesmith.learners import learners  # noqa: E402
from tunesmith.nn.neck_kinds import NoNeck  # noqa: E402
from tunesmith.nn.shards import Store, using  # noqa: E402
from tunesmith.nn.tally import FROZEN  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402
from tunesmith.pipeline.plan import plan  # noqa: E402

GIB = 2**30
PINS: dict[str, dict[str, Any]] = {
    "probe": {},
    "neural": {"epochs": 2, "lr": 1e-3, "batch_size": 16, "depth": 0.5, "patience": 0},
}


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """Sixty pictures, light above or light below; one is missing."""
    folder, dice = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    cells: list[str | None] = []
    labels = []
    for number in range(60):
        pixels = dice.integers(0, 120, (40, 40, 3), dtype=np.uint8)
        above = number % 2 == 0
        pixels[slice(0, 20) if above else slice(20, 40)] += 130
        file = folder / f"{number}.png"
        Image.fromarray(pixels).save(file)
        cells.append(str(file))
        labels.append("above" if above else "below")
    cells[7] = None
    return frame(read({"image": cells, "label": labels}), "label", seed=0)


def fitted(
    problem: Problem, name: str, checkpoint: str, pins: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, str]]:
    notes: dict[str, str] = {}
    watch = Watch(Clock(), lambda score, progress: True, tell=lambda a, t: notes.update({a: t}))
    chosen = {**PINS[name], "backbone": checkpoint, **(pins or {})}
    config = default(learners[name].config, chosen)
    assert not learners[name].suits(problem)
    return learners[name].fit(problem, config, 0, watch), notes


@pytest.mark.parametrize("name", PINS)
def test_what_is_saved_answers_the_same_alone(
    name: str, problem: Problem, picture_checkpoint: str, tmp_path: Path
) -> None:
    model, _ = fitted(problem, name, picture_checkpoint)
    every = problem.data
    answers = model.predict(every)
    assert answers.array().shape == (60, 2)
    model.save(tmp_path)
    again = learners[name].load(tmp_path).predict(every)
    assert np.allclose(again.array(), answers.array(), atol=1e-4)
    assert not [file for file in tmp_path.iterdir() if file.suffix in (".pt", ".pth", ".pkl")]


def test_batch_normalisation_counts_anew_in_what_trains_and_only_there(
    problem: Problem, picture_checkpoint: str
) -> None:
    from tunesmith.zoo.backbones import backbone

    before = dict(backbone(picture_checkpoint).encoder.named_buffers())
    model, _ = fitted(problem, "neural", picture_checkpoint)
    after = dict(model.network.encoder.named_buffers())
    moved = [name for name in before if not before[name].equal(after[name])]
    assert any(name.startswith("model.layer4") for name in moved)
    assert not any(name.startswith(("model.layer1", "model.bn1")) for name in moved)


def test_light_above_is_told_from_light_below(problem: Problem, picture_checkpoint: str) -> None:
    model, _ = fitted(problem, "probe", picture_checkpoint, {"readout": "last"})
    right = model.predict(problem.part("valid")).codes() == problem.truth("valid")
    assert right.mean() >= 0.75


@pytest.mark.parametrize("depth", [0.0, 0.5])
def test_training_from_the_store_equals_training_with_the_frozen_part_run_again(
    depth: float, problem: Problem, picture_checkpoint: str, tmp_path: Path
) -> None:
    found = []
    for store in (Store(tmp_path / "store", GIB), None):
        with using(store):
            pins = {"depth": depth, "head_start": "random"}
            model, notes = fitted(problem, "neural", picture_checkpoint, pins)
            found.append(model.predict(problem.part("test")).array())
            assert ("no store" in notes["store"]) == (store is None)
    assert np.allclose(*found, atol=2e-3)


@pytest.mark.parametrize("name", PINS)
def test_a_second_fit_runs_no_frozen_part(
    name: str, problem: Problem, picture_checkpoint: str, tmp_path: Path
) -> None:
    with using(Store(tmp_path / "store", GIB)):
        fitted(problem, name, picture_checkpoint)
        before = FROZEN.rows
        fitted(problem, name, picture_checkpoint)
        assert FROZEN.rows == before


def test_a_size_is_a_matter_of_the_config(problem: Problem, picture_checkpoint: str) -> None:
    model, _ = fitted(problem, "probe", picture_checkpoint, {"size": 96})
    assert model.length == 96
    assert fitted(problem, "probe", picture_checkpoint)[0].length == 32


def test_numbers_beside_pictures_tell_as_well(
    problem: Problem, picture_checkpoint: str, tmp_path: Path
) -> None:
    pictures = problem.data.values("image").tolist()
    dice = np.random.default_rng(1)
    height = dice.normal(size=60)
    labels = np.where(height > 0, "tall", "small").tolist()  # which no picture tells
    table = read({"image": pictures, "height": height.tolist(), "label": labels})
    beside = frame(table, "label", seed=0)
    model, _ = fitted(beside, "probe", picture_checkpoint)
    right = model.predict(beside.part("test")).codes() == beside.truth("test")
    assert right.mean() > 0.7
    model.save(tmp_path)
    again = learners["probe"].load(tmp_path).predict(beside.data)
    assert np.allclose(again.array(), model.predict(beside.data).array(), atol=1e-4)


def test_learners_of_columns_say_that_there_are_only_pictures(problem: Problem) -> None:
    assert "only pictures" in learners["linear"].suits(problem)


@pytest.mark.parametrize("reads", ["text", "image"])
@pytest.mark.parametrize("name", PINS)
def test_what_a_network_does_not_read_stands_beside_it_as_numbers(
    name: str,
    reads: str,
    mixed: Problem,
    checkpoint: str,
    picture_checkpoint: str,
    tmp_path: Path,
) -> None:
    others = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint}
    backbone = checkpoint if reads == "text" else picture_checkpoint
    model, _ = fitted(mixed, name, backbone, others)
    told = {one.column for one in model.embeddings}
    assert told == ({"front", "back"} if reads == "text" else {"texts", "back"})
    assert model.model.reader.kind == reads
    answers = model.predict(mixed.data)
    model.save(tmp_path)
    again = learners[name].load(tmp_path).predict(mixed.data)
    assert np.abs(again.array() - answers.array()).mean() < 1e-3


@pytest.mark.parametrize(("blocks", "left"), [(0.5, 2), (0.75, 3), (0.25, 1)])
def test_upper_blocks_of_a_network_of_pictures_are_cut_off(
    problem: Problem, picture_checkpoint: str, tmp_path: Path, blocks: float, left: int
) -> None:
    whole, _ = fitted(problem, "neural", picture_checkpoint)
    model, _ = fitted(problem, "neural", picture_checkpoint, {"blocks": blocks})
    encoder = model.network.encoder
    assert len(encoder.blocks) == left
    count = sum(one.numel() for one in encoder.parameters())
    assert count < sum(one.numel() for one in whole.network.encoder.parameters())
    assert model.network.head.plane.in_features == encoder.width
    model.save(tmp_path)
    opened = learners["neural"].load(tmp_path)
    expected = model.predict(problem.data).array()
    assert np.allclose(opened.predict(problem.data).array(), expected, atol=1e-4)
    assert sum(one.numel() for one in opened.network.encoder.parameters()) == count


@pytest.mark.parametrize("adapter", ["LoRA", "Scaling", "Bottleneck"])
def test_an_adapter_that_has_nowhere_to_go_is_left_out_and_refused_where_it_is_pinned(
    problem: Problem, picture_checkpoint: str, adapter: str
) -> None:
    model, notes = fitted(problem, "neural", picture_checkpoint, {"adapter": adapter})
    assert notes["adapter"].startswith(f"{adapter} is left out, every weight may change: ")
    form = model.architecture()
    assert [(one.trains, one.adapter, one.rank) for one in form.blocks[-2:]] == [(True, "", 0)] * 2
    plain, _ = fitted(problem, "neural", picture_checkpoint)
    answers = plain.predict(problem.data).array()
    assert np.allclose(model.predict(problem.data).array(), answers, atol=1e-4)
    asked = {"neural": {"backbone": picture_checkpoint, "adapter": adapter}}
    with pytest.raises(ConfigError, match=f"ResNet cannot have the adapter {adapter}"):
        plan(problem, wanted=("neural",), pins=asked, clock=Clock(), offline=True)
    head = {**asked["neural"], "depth": 0.0}  # nothing trains there that it would go to
    assert plan(problem, wanted=("neural",), pins={"neural": head}, clock=Clock(), offline=True)


@pytest.mark.parametrize(
    "pins",
    [
        {"pooling": "attention"},
        {"neck": "Convolution", "depth": 0.0},
        {"neck": "Attention", "neck.Attention.width": 8, "pooling": "attention"},
    ],
    ids=str,
)
def test_what_stands_above_a_network_of_pictures_learns_and_opens_again(
    problem: Problem, picture_checkpoint: str, tmp_path: Path, pins: dict[str, Any]
) -> None:
    begun, notes = fitted(problem, "neural", picture_checkpoint, {**pins, "epochs": 0})
    depth = {"depth": pins.get("depth", 0.5)}
    plain, _ = fitted(problem, "neural", picture_checkpoint, {**depth, "epochs": 0})
    answers = plain.predict(problem.data).array()
    assert np.allclose(begun.predict(problem.data).array(), answers, atol=1e-4)
    assert not {"pooling", "neck"} & set(notes)
    model, _ = fitted(problem, "neural", picture_checkpoint, pins)
    model.save(tmp_path)
    opened = learners["neural"].load(tmp_path)
    told = model.predict(problem.data).array()
    assert np.allclose(opened.predict(problem.data).array(), told, atol=1e-4)
    form = opened.architecture()
    handed = learners["neural"].shaped(form)
    assert {name: handed.get(name) for name in pins} == pins
    assert bool(form.neck) == ("neck" in pins)


def test_a_convolution_below_the_first_token_is_left_out_and_refused_where_it_is_pinned() -> None:
    from tunesmith.learners._possible import possible, why_impossible
    from tunesmith.zoo import pictures

    told = {
        "architecture": "vit_tiny_patch16_224",
        "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3},
        "model_args": {"embed_dim": 24, "depth": 1, "img_size": 32},
    }
    encoder, notes = pictures._encoder(told, Path("here")), dict[str, str]()
    watch = Watch(Clock(), lambda score, progress: True, tell=notes.__setitem__)
    pins: dict[str, Any] = {"neck": "Convolution", "pooling": "first"}
    config = default(learners["neural"].config, pins)
    assert "the first token is none of them" in why_impossible(config, "VisionTransformer")
    assert possible(config, encoder, watch).neck == NoNeck()
    assert notes["neck"].startswith("none in place of a convolution: ")
    for other in ({**pins, "neck": "Attention"}, {**pins, "pooling": "mean"}):
        config = default(learners["neural"].config, other)
        assert not why_impossible(config, "VisionTransformer")
        assert possible(config, encoder, watch) == config


@pytest.mark.parametrize("pooling", ["final", "first"])
def test_pictures_that_cannot_be_pooled_so_are_pooled_by_their_mean_and_that_is_told(
    problem: Problem, picture_checkpoint: str, pooling: str
) -> None:
    model, notes = fitted(problem, "neural", picture_checkpoint, {"pooling": pooling})
    assert notes["pooling"].startswith(f"the mean in place of {pooling!r}: ")
    plain, none = fitted(problem, "neural", picture_checkpoint)
    assert "pooling" not in none
    assert model.architecture() == plain.architecture()
    answers = plain.predict(problem.data).array()
    assert np.allclose(model.predict(problem.data).array(), answers, atol=1e-4)
    asked = {"neural": {"backbone": picture_checkpoint, "pooling": pooling}}
    with pytest.raises(ConfigError, match=f"ResNet cannot pool as {pooling!r}"):
        plan(problem, wanted=("neural",), pins=asked, clock=Clock(), offline=True)


def test_a_block_that_changes_the_size_of_pictures_is_not_skipped(
    problem: Problem, picture_checkpoint: str
) -> None:
    model, notes = fitted(problem, "neural", picture_checkpoint, {"skip": 3})
    assert "in place of 3" in notes["skip"]
    assert len(model.network.encoder.blocks) > 1
    with pytest.raises(ConfigError, match="changes the size"):
        fitted(problem, "neural", picture_checkpoint, {"skipped": "2"})


def test_efficientnets_lose_their_end_with_the_blocks_that_it_read() -> None:
    import torch

    from tunesmith.nn.shapes import with_blocks
    from tunesmith.zoo import pictures

    told = {
        "architecture": "mobilenetv2_050",
        "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3},
        "model_args": {},
    }
    encoder = pictures._encoder(told, Path("here")).eval()
    pixels = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    for count in (1, 6, 11, len(encoder.blocks)):
        small = with_blocks(encoder, range(count)).eval()
        expected = encoder.run(encoder.stem(pixels), None, 0, count)
        assert torch.equal(small(pixels), expected)
        assert small.widths[-1] == small.width == expected.shape[1]
