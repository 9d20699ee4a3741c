"""The scout on networks of pictures: ranked by what they read, at one size, through the store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("timm")
Image = pytest.importorskip("PIL.Image")

import tunesmith as ts  # noqa: E402
from tunesmith import zoo  # noqa: E402
from tunesmith.core.clock import Clock  # noqa: E402
from tunesmith.core.errors import ConfigError  # noqa: E402
from tunesmith.core.events import Journal, read_journal  # noqa: E402
from tunesmith.core.records import Candidate  # noqa: E402
from tunesmith.core.runfolder import RunFolder  # noqa: E402
from tunesmith.core.space import default, to_dict  # noqa: E402
from tunesmith.data.read import read  # noqa: E402
from tunesmith.learners import learners  # noqa: E402
from tunesmith.nn.shards import Store, using  # noqa: E402
from tunesmith.nn.tally import FROZEN  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402
from tunesmith.pipeline.run import Run  # noqa: E402
from tunesmith.pipeline.tune import tune  # noqa: E402
from tunesmith.scouting.scout import scout  # noqa: E402
from tunesmith.zoo.backbones import backbone  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 pictures of two colours, which hardly differ in brightness."""
    root, dice = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(240):
        pixels = dice.integers(60, 160, (40, 40, 3), dtype=np.uint8)
        pixels[:, :, number % 2] += 12
        place = root / ("red" if number % 2 == 0 else "green")
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def blind_checkpoint(picture_checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same network, but that its stem sees nothing."""
    from safetensors.torch import load_file, save_file

    place, came = tmp_path_factory.mktemp("blind"), Path(picture_checkpoint)
    tensors = load_file(came / "model.safetensors")
    first = min(name for name in tensors if name.startswith("conv1") and "weight" in name)
    tensors[first] = tensors[first] * 0
    save_file(tensors, place / "model.safetensors")
    (place / "config.json").write_text((came / "config.json").read_text())
    return str(place)


def test_what_sees_more_stands_first_and_its_costs_are_told(
    folder: Path, picture_checkpoint: str, blind_checkpoint: str
) -> None:
    found = ts.scout(
        folder, "label", backbones=[blind_checkpoint, picture_checkpoint], size=48, cache=False
    )
    best, other = found.table
    assert best["backbone"] == zoo.card_for(picture_checkpoint).name
    assert best["score"] > other["score"] + 0.2
    assert other["dropped"] or not other["tied"]
    depths = best["depths"]
    assert 0 < depths["0.34"]["seconds"] < depths["1"]["seconds"]
    assert depths["1"]["memory_bytes"] > depths["0.34"]["memory_bytes"] > 0
    assert depths["1"]["disk_bytes"] == 0 < depths["0.34"]["disk_bytes"]
    assert found.facts["language"] == ""
    json.dumps(found.facts)


def test_a_probe_computes_nothing_that_the_scout_has_read(
    folder: Path, picture_checkpoint: str, blind_checkpoint: str, tmp_path: Path
) -> None:
    from tunesmith.nn import activations

    cards = [zoo.card_for(name) for name in (picture_checkpoint, blind_checkpoint)]
    cells = [str(file) for file in sorted(folder.rglob("*.png"))]
    truth = np.array([int("red" in cell) for cell in cells])
    with using(Store(tmp_path, 2**30)):
        scout(cells, truth, cards, clock=Clock(), seed=0, size=48)
        base, before = backbone(picture_checkpoint), FROZEN.block_rows
        read = activations.known(base.trunk, base.ids(cells, 48))
        activations.features(base.trunk, base.ids([cells[row] for row in np.flatnonzero(read)], 48))
        assert read.sum() >= 60
        assert before == FROZEN.block_rows


def test_networks_of_texts_are_refused_for_pictures(folder: Path) -> None:
    with pytest.raises(ConfigError, match="'image'"):
        ts.scout(folder, "label", backbones=["all-MiniLM-L6-v2"])


def test_the_call_is_not_hidden_by_the_package_that_does_it() -> None:
    import tunesmith.scouting.scout  # noqa: F401

    assert callable(ts.scout)


def test_a_fit_probes_at_the_size_that_was_scouted_and_reads_nothing_twice(
    folder: Path,
    picture_checkpoint: str,
    blind_checkpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cards = tuple(zoo.card_for(name) for name in (blind_checkpoint, picture_checkpoint))
    monkeypatch.setattr(zoo, "cards", lambda kind=None: cards)
    problem = frame(read(folder, target="label"), "label")
    place = RunFolder.create(tmp_path / "run")
    run = Run(place, Journal(place.journal, Clock()), Clock(), 0, True, 2)
    usual = learners["probe"].config
    candidates = [
        Candidate("probe", to_dict(default(usual, {"backbone": card.name, "size": size})), "asked")
        for card, size in zip(cards, (64, 96), strict=True)
    ]
    with using(Store(None, 2**30)):
        before = FROZEN.rows
        results, _ = tune(run, problem, candidates, pins={}, better=lambda found: None)
        read_rows = FROZEN.rows - before
    tried = [result.trial.config for result in results]
    assert [config["size"] for config in tried] == [64, 64]
    assert tried[0]["backbone"] == cards[1].name
    rows = len(problem.parts["train"]) + len(problem.parts["valid"])
    assert read_rows <= len(cards) * rows
    stages = [e.facts["name"] for e in read_journal(place.journal) if e.kind == "stage"]
    assert stages[stages.index("scouting") + 1] == "tuning", "what is tried after it is no scouting"
