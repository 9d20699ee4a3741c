"""A fit tells the architecture of what answers: in its folder, its report and at the command
line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from operator import ne
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.main import main
from tunesmith.core.architecture import Architecture
from tunesmith.core.errors import ConfigError
from tunesmith.learners import learners
from tunesmith.pipeline import shaping
from tunesmith.tasks.classification import reviews


def table(rows: int = 160) -> pd.DataFrame:
    made = reviews(np.random.default_rng(0), rows)
    return pd.DataFrame({name: made.values(name) for name in ("text", "label")})


def fit(folder: Path, checkpoint: str, **more: Any) -> ts.Predictor:
    told: dict[str, Any] = {"learners": ["probe"], "trials": 1, "space": {}}
    told |= more
    told["space"] = {**told["space"], "probe": {"backbone": checkpoint}}
    return ts.fit(table(), "label", folder=folder, offline=True, **told)


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(one) for one in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_fitted_network_is_told_drawn_and_written(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = fit(tmp_path / "run", checkpoint)
    found = model.architecture
    assert found is not None
    assert (found.learner, found.backbone, len(found.blocks)) == ("probe", checkpoint, 2)
    measured = found.measured
    assert measured.metric == model.summary["metric"]
    assert measured.score == pytest.approx(model.leaderboard()[0]["score"])
    assert measured.parameters
    assert measured.latency_ms
    best = tmp_path / "run" / "best"
    assert Architecture.from_dict(json.loads((best / "architecture.json").read_text())) == found
    assert (best / "architecture.svg").read_text().startswith("<svg")
    assert "Architecture" in model.report().read_text()

    assert ts.load(tmp_path / "run").architecture == found
    capsys.readouterr()
    files = tmp_path / "found.svg", tmp_path / "found.json"
    run = ("architecture", tmp_path / "run", "--svg", files[0], "--json", files[1])
    assert command(*run) == 0
    assert capsys.readouterr().out == found.text() + "\n"
    assert files[0].read_text() == (best / "architecture.svg").read_text()
    assert json.loads(files[1].read_text()) == found.to_dict()
    files[0].unlink()
    assert command("architecture", tmp_path / "run", "--svg", files[0], "--json", "-") == 0
    assert json.loads(capsys.readouterr().out) == found.to_dict()
    assert files[0].is_file()


def test_who_is_no_network_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ts.fit(table(), "label", learners=["linear"], trials=1, folder=tmp_path / "run")
    assert run.architecture is None
    assert command("architecture", tmp_path / "run") == 2
    assert "no network" in " ".join(capsys.readouterr().err.split())


SHAPES = learners["neural"].shapes
ALONE = SHAPES.keys() - {n for n, m in learners["neural"].usual.items() if not isinstance(m, str)}
"""What is searched nowhere else."""


def shape(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Of a line of a leaderboard, what is searched where an architecture is."""
    return values(row, SHAPES)


def alone(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return values(row, sorted(ALONE))


def values(row: Mapping[str, Any], names: Iterable[str]) -> tuple[Any, ...]:
    every = (row["config"][name] for name in names)
    return tuple(one["kind"] if isinstance(one, dict) else one for one in every)


QUICK = {"epochs": 1, "patience": 0, "depth": 0.5, "optimizer": "AdamW", "adapter": "LoRA"}


def tuned(folder: Path, checkpoint: str, **more: Any) -> ts.Predictor:
    space = {"neural": {**QUICK, "backbone": checkpoint, **more.pop("fixed", {})}}
    told = {"learners": ["neural"], "trials": 2, "search": "random", **more}
    return ts.fit(table(), "label", folder=folder, offline=True, space=space, **told)


def reasons(model: ts.Predictor) -> list[str]:
    lines = (model.folder / "journal.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    found = [one["text"] for one in told if one.get("about") == "architecture"]
    assert model.summary["reasons"]["architecture"] == found[0]
    return found


def test_true_searches_the_shapes_of_learners_and_false_does_not(
    checkpoint: str, tmp_path: Path
) -> None:
    model = tuned(tmp_path / "on", checkpoint, architecture=True, trials=3, search="auto")
    assert reasons(model) == ["asked for: neural"]
    first, *others = sorted(model.leaderboard(), key=lambda one: one["trial"])
    assert all(sum(map(ne, shape(one), shape(first))) == 1 for one in others)
    again = ts.resume(tmp_path / "on", trials=1, source=table())  # what is open stays open
    assert len({shape(one) for one in again.leaderboard()}) >= 3
    off = tuned(tmp_path / "off", checkpoint, architecture=False)
    assert {alone(one) for one in off.leaderboard()} == {alone(first)}
    assert reasons(off) == ["not searched"]


def test_a_run_of_a_version_without_architectures_goes_on(checkpoint: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    tuned(folder, checkpoint, trials=1)
    for name, gone in (("candidates", ("opened", "architecture")), ("request", ("architecture",))):
        file = folder / f"{name}.json"
        told = json.loads(file.read_text())
        file.write_text(json.dumps({key: told[key] for key in told if key not in gone}))
    again = ts.resume(folder, trials=1, source=table())
    assert len(again.leaderboard()) == 2
    assert "architecture" not in again.summary["reasons"], "nothing was decided"


def test_auto_says_why_it_leaves_architectures_out(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shaping, "WORTH", {})
    model = tuned(tmp_path / "run", checkpoint, trials=1)
    told = "it has not been worth its time on such data elsewhere"
    assert reasons(model) == [f"the fixed ones are kept; neural: {told}; cell: {told}"]
    monkeypatch.setattr(shaping, "WORTH", {("neural", "text"): 3.0})
    model = tuned(tmp_path / "few", checkpoint, trials=1)
    assert reasons(model)[0].startswith(
        "the fixed ones are kept; neural: it takes 40 trials, 1 are planned; cell: "
    )


def test_a_learner_of_cells_that_is_named_is_tried_by_auto(checkpoint: str, tmp_path: Path) -> None:
    space = {"cell": {"backbone": checkpoint, "epochs": 1, "depth": 1}}
    told = {"learners": ["cell"], "space": space, "trials": 1, "offline": True}
    model = ts.fit(table(), "label", folder=tmp_path / "run", **told)
    assert reasons(model) == ["searched: cell"]
    assert model.architecture is not None
    assert model.architecture.learner == "cell"
    shaped = learners["cell"].shaped(model.architecture)
    assert shaped["backbone"] == checkpoint
    assert shaped["depth"] == 1


def test_an_architecture_is_kept_or_begun_with_by_another_fit(
    checkpoint: str, tmp_path: Path
) -> None:
    fixed = {"pooling": "max", "head": 128, "adapter.LoRA.rank": 4}
    model = tuned(tmp_path / "one", checkpoint, fixed=fixed, trials=1)
    found = model.architecture
    assert found is not None

    learners_told = {"learners": ["neural"], "offline": True, "search": "random"}
    quick = {"neural": {"epochs": 1, "patience": 0, "optimizer": "AdamW"}}
    told = {**learners_told, "space": quick}
    kept = ts.fit(
        table(), "label", folder=tmp_path / "two", trials=2, architecture=tmp_path / "one", **told
    )
    for one in kept.leaderboard():
        config = one["config"]
        assert (config["pooling"], config["head"], config["depth"]) == ("max", 128, 0.5)
        assert (config["adapter"]["rank"], config["backbone"]) == (4, checkpoint)
    assert kept.architecture is not None
    assert kept.architecture.blocks == found.blocks
    best = max(kept.leaderboard(), key=lambda one: one["score"])
    assert kept.architecture.measured.score == pytest.approx(best["score"])
    assert reasons(kept) == ["fixed as given, for the learner 'neural'"]

    start = {"start": found.to_dict()}
    begun = ts.fit(
        table(), "label", folder=tmp_path / "three", trials=2, architecture=start, **told
    )
    first = min(begun.leaderboard(), key=lambda one: one["trial"])
    assert first["reason"] == "the architecture to begin with"
    assert (first["config"]["pooling"], first["config"]["head"]) == ("max", 128)
    assert first["backbone"] == checkpoint


def test_true_tries_cells_beside_the_usual_learners(checkpoint: str, tmp_path: Path) -> None:
    space = {name: {"backbone": checkpoint} for name in ("probe", "cell", "neural")}
    told = {"space": space, "trials": 1, "offline": True, "search": "random"}
    model = ts.fit(table(), "label", folder=tmp_path / "run", architecture=True, **told)
    planned = json.loads((tmp_path / "run" / "candidates.json").read_text())
    assert planned["opened"] == ["cell", "neural"]
    assert reasons(model) == ["asked for: cell, neural"]
    order = [one["learner"] for one in planned["candidates"]]
    assert order.index("probe") < order.index("cell") < order.index("neural")
    searches = [one["config"].get("search") for one in planned["candidates"]]
    assert [one for one in searches if one] == ["none", "darts"]


def test_a_cell_is_tried_where_it_is_asked_for(checkpoint: str, tmp_path: Path) -> None:
    space = {"cell": {"backbone": checkpoint, "epochs": 0}}
    told: dict[str, Any] = {"space": space, "trials": 1, "offline": True, "learners": ["cell"]}
    model = ts.fit(table(), "label", folder=tmp_path / "run", **told)
    assert [one["learner"] for one in model.leaderboard()] == ["cell"]
    assert reasons(model) == ["searched: cell"]


def test_what_is_begun_with_is_as_pinned_in_all_else(checkpoint: str, tmp_path: Path) -> None:
    neck = {"kind": "conv", "width": 16, "activation": "gelu", "norm": "layer", "residual": True}
    start = {"start": {**PLAIN, "backbone": checkpoint, "neck": [neck]}}
    space = {"neural": {"epochs": 1, "patience": 0, "lr": 0.00123, "depth": [0.0, 0.5]}}
    told: dict[str, Any] = {"learners": ["neural"], "trials": 1, "offline": True}
    model = ts.fit(
        table(), "label", folder=tmp_path / "run", space=space, architecture=start, **told
    )
    (one,) = model.leaderboard()
    config = one["config"]
    assert (config["lr"], config["epochs"], config["depth"]) == (0.00123, 1, 0.0)
    assert config["neck"] == {"kind": "Convolution", "width": 16}
    assert model.architecture is not None
    assert "neck          conv 16, gelu, layer norm, residual" in model.architecture.text()
    wrong = {"neural": {"depth": 0.5}}
    with pytest.raises(ConfigError, match="leave one of them away"):
        ts.fit(table(), "label", folder=tmp_path / "no", space=wrong, architecture=start, **told)


WRONG: dict[str, Any] = {
    "kind": ({"cell": [{"kind": "linaer", "width": 8}]}, "'linear', 'conv'"),
    "width": ({"cell": [{"kind": "linear", "width": 0}]}, "cell.0.width cannot be 0"),
    "gone": ({"blocks": [{"number": 1, "kept": False}], "reads": []}, "all are removed"),
    "learner": ({"learner": "neurl"}, "Did you mean 'neural'?"),
    "neck": ({"neck": [{"kind": "linear", "width": 8}]}, "A neck cannot have a linear layer"),
    "made neck": ({"neck": [{"kind": "conv", "width": 8}]}, "each residual and with a layer norm"),
    "made": ({"cell": [{"kind": "conv", "width": 8}]}, "one linear layer at most"),
    "backbone": ({"backbone": "no-such-network"}, "no-such-network"),
}
PLAIN = {
    "learner": "neural",
    "backbone": "",
    "blocks": [{"number": 1}, {"number": 2}],
    "reads": [{"layer": 2, "pooling": "mean"}],
    "cell": [],
    "outputs": 2,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_network_can_be_is_one_error_before_any_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, told = WRONG[name]
    (tmp_path / "wrong.json").write_text(json.dumps({**PLAIN, **change}))
    table(40).to_csv(tmp_path / "rows.csv", index=False)
    for given in (str(tmp_path / "wrong.json"), f"start:{tmp_path / 'wrong.json'}"):
        run = ("fit", tmp_path / "rows.csv", "--target", "label", "--folder", tmp_path / "run")
        assert command(*run, "--trials", 1, "--architecture", given) == 2
        error = " ".join(capsys.readouterr().err.split())
        assert error.startswith("error: ")
        assert told in error
        assert "Traceback" not in error
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"architecture": "nowhere.json"}, "no architecture in nowhere.json"),
        ({"architecture": 3}, "cannot be 3"),
        ({"architecture": "long" * 100}, "no architecture in long"),
        ({"architecture": {**PLAIN, "backbone": "all-MiniLM-L6-v2"}}, "all-MiniLM-L6-v2 has 6"),
        ({"space": {"neural": {"adapter.Bottleneck.width": 0}}}, "width cannot be 0"),
        ({"space": {"probe": {"size": -3}}}, "size cannot be -3"),
        ({"space": {"neural": {"size": [96, 100_000]}}}, "size cannot be 100000"),
        ({"space": {"cell": {"reads": "mean:--1"}}}, "is called 'mean:--1'"),
        ({"architecture": True, "learners": ["linear"]}, "There is no architecture to search"),
        ({"architecture": PLAIN, "learners": ["linear"]}, "name it too"),
        ({"architecture": PLAIN, "space": {"neural": {"pooling": "max"}}}, "leave one of them"),
        ({"architecture": PLAIN, "space": {"neural": {"neck": "Attention"}}}, "leave one of them"),
        ({"space": {"neural": {"neck": "Atention"}}}, "neck cannot be 'Atention'"),
        ({"space": {"neural": {"neck.Attention.width": 10**9}}}, "width cannot be 1000000000"),
        ({"space": {"neural": {"head": -1}}}, "head cannot be -1"),
        ({"space": {"neural": {"blocks": 0.0}}}, "blocks cannot be 0.0"),
        ({"space": {"neural": {"heads_kept": [1.0, 0.0]}}}, "heads_kept cannot be 0.0"),
        ({"space": {"neural": {"skipped": "1, 2"}}}, "block 1 cannot be skipped"),
        ({"space": {"cell": {"width": 0}}}, "width cannot be 0"),
        ({"space": {"cell": {"layers": "int(0, 2)"}}}, "layers cannot be 0"),
        ({"space": {"cell": {"joined": "twice"}}}, "joined cannot be 'twice'"),
        ({"space": {"cell": {"norm": "leyer"}}}, "Did you mean 'layer'"),
        (
            {"space": {"cell": {"reads": "mean:x"}}},
            "Nothing of a network of texts is called 'mean:x'",
        ),
    ],
)
def test_what_cannot_go_together_is_said(more: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        ts.fit(table(40), "label", folder=tmp_path / "run", **{"trials": 1, **more})
    assert not (tmp_path / "run").exists()
