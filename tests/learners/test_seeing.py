"""Fine-tuning by views of pictures: fresh ones and stored ones, resumed, mixed, and for testing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
from tunesmith.nn import activations, checkpoint, devices  # noqa: E402
from tunesmith.nn.feed import Fresh  # noqa: E402
from tunesmith.nn.shards import Store, using  # noqa: E402
from tunesmith.nn.tally import FROZEN  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402

GIB = 2**30
QUICK = {
    "epochs": 6,
    "lr": 1e-3,
    "batch_size": 16,
    "depth": 0.5,
    "patience": 0,
    "head_start": "random",
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Forty pictures, light above or light below, with a number beside each."""
    folder, dice = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    cells, labels = [], []
    for number in range(40):
        pixels = dice.integers(0, 120, (40, 40, 3), dtype=np.uint8)
        pixels[slice(0, 20) if number % 2 else slice(20, 40)] += 130
        Image.fromarray(pixels).save(folder / f"{number}.png")
        cells.append(str(folder / f"{number}.png"))
        labels.append("above" if number % 2 else "below")
    return {"image": cells, "height": dice.normal(size=40).tolist(), "label": labels}


@pytest.fixture(scope="module")
def problem(table: dict[str, list[Any]]) -> Problem:
    return frame(read({"image": table["image"], "label": table["label"]}), "label", seed=0)


def fit(
    problem: Problem,
    checkpoint: str,
    *,
    folder: Path | None = None,
    report: Callable[[float, float], bool] = lambda score, progress: True,
    seconds: float = float("inf"),
    **pins: Any,
) -> tuple[Any, dict[str, str]]:
    notes: dict[str, str] = {}
    tell = lambda about, told: notes.update({about: told})  # noqa: E731
    watch = Watch(Clock(seconds), report, tell=tell, checkpoint=folder)
    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, **pins})
    return learners["neural"].fit(problem, config, 3, watch), notes


WAYS: list[dict[str, Any]] = [
    {"augment": "flips-and-crops", "erase": 0.3, "views": 2},
    {"augment": "randaugment", "views": 0},
    {"augment": "trivialaugment", "depth": 1.0},
    {"augment": "augmix", "depth": 0.0, "views": 2},
    {"mix": "mixup"},
    {"augment": "crops", "mix": "cutmix", "depth": 1.0},
    {"progressive": True, "size": 64, "depth": 1.0},
]


@pytest.mark.parametrize("pins", WAYS)
def test_what_was_killed_goes_on_to_the_very_answers_of_what_was_not(
    problem: Problem,
    picture_checkpoint: str,
    tmp_path: Path,
    pins: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "MOST_SHARE", 1e9)  # after every epoch

    class Killed(Exception):
        pass

    scores: list[float] = []

    def until_fourth(score: float, progress: float) -> bool:
        scores.append(score)
        if len(scores) == 4:
            raise Killed
        return True

    pins, store = {**pins, "patience": 9}, Store(tmp_path / "store", GIB)
    with using(store):
        whole, _ = fit(problem, picture_checkpoint, **pins)
        with pytest.raises(Killed):
            fit(problem, picture_checkpoint, folder=tmp_path / "kept", report=until_fourth, **pins)
        again, notes = fit(problem, picture_checkpoint, folder=tmp_path / "kept", **pins)
        assert notes["resumed"] == "after 3 epochs, from a checkpoint"
        found = [one.predict(problem.data).array() for one in (whole, again)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("pins", [{"augment": "flips-and-crops"}, {"erase": 0.5}])
@pytest.mark.parametrize("depth", [0.0, 0.5])
def test_training_by_stored_views_equals_training_by_the_same_views_made_again(
    problem: Problem,
    picture_checkpoint: str,
    tmp_path: Path,
    depth: float,
    pins: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tunesmith.nn import feed

    monkeypatch.setattr(devices, "is_bf16_good", lambda: False)
    monkeypatch.setattr(devices, "precision", lambda: "fp32")
    monkeypatch.setattr(activations, "precision", lambda: "fp32")
    monkeypatch.setattr(activations, "as_stored", lambda numbers: numbers)
    pins = {**pins, "depth": depth, "views": 2, "lr": 1e-2}
    with using(Store(tmp_path, GIB)):
        stored, notes = fit(problem, picture_checkpoint, **pins)
    assert "views (2 of each training row)" in notes["store"]
    own = feed.Fresh.epoch
    monkeypatch.setattr(Fresh, "epoch", lambda self, number, *given: own(self, number % 2, *given))
    with using(None):
        fresh, notes = fit(problem, picture_checkpoint, **pins)
    assert notes["store"] == "no store is in use: fresh views in every epoch"
    test = problem.part("test")
    answers = [one.predict(test).array() for one in (stored, fresh)]
    assert np.abs(answers[0] - answers[1]).max() < 1e-3
    plain, _ = fit(problem, picture_checkpoint, depth=depth, lr=1e-2)
    assert np.abs(plain.predict(test).array() - answers[0]).max() > 2e-3


def test_a_second_fit_by_stored_views_runs_no_frozen_block(
    problem: Problem, picture_checkpoint: str, tmp_path: Path
) -> None:
    pins = {"augment": "crops", "views": 3}
    with using(Store(tmp_path, GIB)):
        fit(problem, picture_checkpoint, **pins)
        before = FROZEN.rows
        _, notes = fit(problem, picture_checkpoint, **pins, lr=5e-4)
        assert FROZEN.rows == before
        rows = 3 * len(problem.parts["train"])
        assert notes["store"] == f"all {rows} views (3 of each training row) are stored"


@pytest.mark.parametrize(
    ("pins", "reason"),
    [
        ({"mix": "cutmix"}, "cutmix joins other pictures in every step"),
        ({"augment": "crops", "views": 0}, "fresh views are asked for"),
        ({"augment": "crops", "views": 6}, "6 epochs would read none of 6 views of a picture"),
        ({"progressive": True}, "small pictures come first"),
        ({"augment": "crops", "depth": 1.0}, "every block trains"),
    ],
)
def test_where_views_are_fresh_the_record_says_why(
    problem: Problem, picture_checkpoint: str, tmp_path: Path, pins: dict[str, Any], reason: str
) -> None:
    with using(Store(tmp_path, GIB)):
        _, notes = fit(problem, picture_checkpoint, **pins)
    assert reason in notes["store"]
    assert "fresh" in notes["store"]


def test_views_are_fresh_where_storing_them_would_take_the_time(
    problem: Problem,
    picture_checkpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tunesmith.learners import _seeing

    monkeypatch.setattr(_seeing, "forward_seconds", lambda *given: 0.5)
    with using(Store(tmp_path, GIB)):
        _, notes = fit(problem, picture_checkpoint, seconds=50.0, augment="crops", views=4)
    assert notes["store"].startswith("to run 96 views once takes about 24 of the ")
    assert notes["store"].endswith(": fresh ones in every epoch")


@pytest.mark.parametrize("tta", [3, 4])
def test_several_views_are_left_out_where_they_answer_the_valid_rows_no_better(
    problem: Problem, picture_checkpoint: str, tta: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.learners import _course

    valid, seen = len(problem.parts["valid"]), list[float]()

    def rate(prediction: Any) -> float:  # the second of the two is that of several views
        seen.append(float(prediction.array()[0, 0]))
        return len(seen) * (1.0 if tta == 3 else -1.0)

    kinds = {True: rate, False: lambda prediction: 0.0}  # what it is kept by, what is told
    monkeypatch.setattr(_course, "selection_score", lambda *_, **told: kinds[bool(told)])
    model, notes = fit(problem, picture_checkpoint, tta=tta, patience=1, epochs=1)
    assert model.predict(problem.part("valid")).array().shape[0] == valid
    if tta == 3:  # the one view is rated after the several, and better
        assert model.tta == 1
        assert notes["tta"] == "left out: means over 3 views answer the valid rows no better"
    else:
        assert model.tta == 4
    again = model.settled()
    refitted, notes = fit(problem, picture_checkpoint, **{**again, "epochs": 1})
    assert refitted.tta == model.tta
    assert ("tta" in notes) == (model.tta > 1)


@pytest.mark.parametrize("augment", ["none", "flips-and-crops"])
def test_an_answer_is_the_mean_over_views_also_when_saved_and_alone(
    problem: Problem, picture_checkpoint: str, tmp_path: Path, augment: str
) -> None:
    model, notes = fit(problem, picture_checkpoint, augment=augment, tta=4, depth=1.0)
    assert notes["tta"] == "answers are means over 4 views: a prediction costs 4 times as much"
    answers = model.predict(problem.data).array()
    single = replace(model, tta=1).predict(problem.data).array()
    assert np.abs(answers - single).max() > 1e-4
    model.save(tmp_path)
    opened = learners["neural"].load(tmp_path)
    np.testing.assert_allclose(opened.predict(problem.data).array(), answers, atol=1e-4)
    mirrored = {"none": "steady", "flips-and-crops": "steady-mirrored"}
    assert (opened.tta, opened.tested.policy) == (4, mirrored[augment])
    one = opened.predict(problem.data.take(np.array([5]))).array()
    np.testing.assert_allclose(one, answers[5:6], atol=1e-4)


def test_numbers_beside_pictures_are_mixed_and_repeated_with_them(
    table: dict[str, list[Any]], picture_checkpoint: str, tmp_path: Path
) -> None:
    beside = frame(read(table), "label", seed=0)
    with using(Store(tmp_path, GIB)):
        for pins in ({"mix": "mixup"}, {"augment": "crops", "views": 2}, {"tta": 3}):
            model, _ = fit(beside, picture_checkpoint, **pins)
            assert np.isfinite(model.predict(beside.data).array()).all()


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_a_number_is_learned_by_mixed_pictures_too(
    table: dict[str, list[Any]], picture_checkpoint: str, mix: str
) -> None:
    heights = frame(read({"image": table["image"], "height": table["height"]}), "height", seed=0)
    model, _ = fit(heights, picture_checkpoint, mix=mix)
    assert np.isfinite(model.predict(heights.data).array()).all()


def test_a_mixed_row_counts_as_much_as_its_classes_weigh(
    problem: Problem, picture_checkpoint: str
) -> None:
    """Pieces of a batch add up to the whole, whatever their rows were mixed with."""
    import torch

    from tunesmith.nn.batches import Rows
    from tunesmith.nn.feed import Given
    from tunesmith.nn.loop import Settings, _backward
    from tunesmith.nn.network import Network
    from tunesmith.zoo.backbones import backbone

    dice = np.random.default_rng(0)
    shape = {"pool": "mean", "dense": 0, "outputs": 3, "hidden": 0, "dropout": 0.0}
    network = Network(backbone(picture_checkpoint).encoder, **shape)  # type: ignore[arg-type]
    network.freeze_below(0)
    network.eval()
    pixels = [dice.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(8)]
    rows = Rows(pixels, np.empty((8, 0), np.float32), 0)
    given = Given(rows, np.arange(8), dice.permutation(8), 0.7)
    truth = torch.from_numpy(dice.integers(0, 3, 8))
    weights = torch.tensor([0.5, 1.0, 3.0])
    found = []
    for micro_batch in (8, 3):
        settings = Settings(
            truth.numpy(), 3, 8, 0.1, weights.numpy(), 1.0, float, float, micro_batch, "fp32"
        )
        network.zero_grad()
        loss = _backward(network, given, np.arange(8), truth, weights, settings)
        found.append((loss, network.head.plane.weight.grad.clone()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)


def test_a_probe_learns_from_further_views_and_answers_by_several(
    problem: Problem, picture_checkpoint: str, tmp_path: Path
) -> None:
    learner, notes = learners["probe"], dict[str, str]()
    watch = Watch(Clock(), lambda *_: True, tell=lambda about, told: notes.update({about: told}))
    found = {}
    with using(Store(tmp_path / "store", GIB)):
        for augment, tta in (("none", 1), ("crops", 1), ("crops", 3)):
            pins = {"augment": augment, "views": 2, "tta": tta, "backbone": picture_checkpoint}
            pins |= {"strength": 0.01}  # settled, as the number of views then is
            model = learner.fit(problem, default(learner.config, pins), 0, watch)
            found[augment, tta] = model.predict(problem.data).array()
    assert notes["views"] == "2 of each training row beside the row itself"
    assert notes["tta"] == "answers are means over 3 views: a prediction costs 3 times as much"
    for one, other in (("none", 1), ("crops", 1)), (("crops", 1), ("crops", 3)):
        assert np.abs(found[one] - found[other]).max() > 1e-4
    model.save(tmp_path)
    opened = learner.load(tmp_path).predict(problem.data).array()
    np.testing.assert_allclose(opened, found["crops", 3], atol=1e-3)


def test_a_probe_without_time_learns_from_fewer_views(
    problem: Problem, picture_checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.learners import probe

    moments = iter([*np.zeros(3), *np.full(100, 9.0)])
    monkeypatch.setattr(probe, "VIEW_ROWS", 10)
    notes: dict[str, str] = {}
    watch = Watch(
        Clock(10.0, lambda: next(moments)),
        lambda *_: True,
        tell=lambda about, told: notes.update({about: told}),
    )
    base = probe.backbone(picture_checkpoint)
    ids = [np.zeros((32, 32, 3), np.uint8)] * 24
    config = default(probe.ProbeConfig, {"augment": "crops"})
    with using(Store(tmp_path, GIB)):
        assert probe._views_within(base, ids, probe.Recipe("crops"), config, watch) == []
    assert notes["views"] == "0 of 4: there was no time for more"


@pytest.mark.parametrize("name", ["neural", "probe"])
def test_texts_are_read_as_they_are(name: str, example: Problem, checkpoint: str) -> None:
    learner = learners[name]
    pins = {"backbone": checkpoint, "augment": "crops", "tta": 3}
    pins |= {"epochs": 1, "mix": "mixup", "progressive": True} if name == "neural" else {}
    watch = Watch(Clock(), lambda *_: True)
    model: Any = learner.fit(example, default(learner.config, pins), 0, watch)
    assert model.tta == 1
    assert np.isfinite(model.predict(example.part("test")).array()).all()


def test_a_way_of_seeing_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"augment cannot be 'rotate'.*'crops'"):
        default(learners["neural"].config, {"augment": "rotate"})
