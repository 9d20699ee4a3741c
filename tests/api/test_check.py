"""A model remembers what its rows looked like wherever it is copied to, and says which to label."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.main import main
from tunesmith.core.errors import ConfigError, DataError, UnsafeArtifact


def table(seed: int, rows: int = 400) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    found = pd.DataFrame(
        {"age": dice.normal(40, 10, rows).round(), "shop": dice.choice(["a", "b", "=c"], rows)}
    )
    return found.assign(label=np.where(found["age"] + dice.normal(0, 3, rows) > 40, "yes", "no"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact alone, copied elsewhere."""
    folder = tmp_path_factory.mktemp("check")
    ts.fit(table(0), "label", trials=1, learners=["linear"], folder=folder / "run")
    shutil.copytree(folder / "run" / "best", folder / "copy")
    shutil.rmtree(folder / "run")
    return folder / "copy"


def test_like_rows_pass_and_others_are_told_in_words(saved: Path) -> None:
    model = ts.load(saved)
    same = model.check(table(1))
    assert not same.has_drifted
    assert "cannot be told" in str(same)
    new = table(2)
    new["age"] += 15
    found = model.check(new.drop(columns="label"))
    assert [one.name for one in found.drifted] == ["age"]
    assert re.search(r"age: median (39|4\d)[.\d]* -> 5\d", str(found))
    assert "do not count on them" in str(found)
    assert found.together[0].distinct
    assert found.target is None
    assert set(found.frame()["column"]) == {"age", "shop"}
    json.dumps(found.to_json(), allow_nan=False)


def test_labels_that_changed_are_told_apart_from_inputs(saved: Path) -> None:
    new = table(3).assign(label="yes")
    found = ts.load(saved).check(new)
    assert found.target is not None
    assert found.target.drifted
    assert not found.has_drifted


def test_labels_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    rows = table(0).assign(label=lambda t: (t["label"] == "yes") * 1)
    model = ts.fit(rows, "label", trials=1, learners=["linear"], folder=tmp_path / "run")
    found = model.check(table(1).assign(label=lambda t: (t["label"] == "yes") * 1.0))
    assert found.target is not None
    assert not found.target.drifted
    assert found.target.new_levels == ()


def test_the_manifest_guards_the_profile(saved: Path, tmp_path: Path) -> None:
    place = tmp_path / "changed"
    shutil.copytree(saved, place)
    (place / "profile.json").write_text("{}")
    with pytest.raises(UnsafeArtifact, match=r"profile\.json was changed"):
        ts.load(place).check(table(1))


def test_an_artifact_without_one_says_so(saved: Path, tmp_path: Path) -> None:
    place = tmp_path / "old"
    shutil.copytree(saved, place)
    (place / "profile.json").unlink()
    manifest = json.loads((place / "manifest.json").read_text())
    del manifest["files"]["profile.json"]
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="does not remember what its training rows looked like"):
        ts.load(place).check(table(1))


def test_rows_to_label_are_unsure_and_unlike(saved: Path) -> None:
    model, rows = ts.load(saved), table(4, 1_000)
    found = model.to_label(rows, 12)
    assert found["line"].is_unique
    unsure = 1 - (2 * model.predict_proba(rows)["yes"] - 1).abs()
    assert unsure[found["line"] - 1].mean() > unsure.quantile(0.8)
    assert set(rows["shop"][found["line"] - 1]) == {"a", "b", "=c"}
    pd.testing.assert_frame_equal(found, model.to_label(rows, 12))
    with pytest.raises(ConfigError, match="Give 1 or more"):
        model.to_label(rows, 0)


def test_the_commands_say_and_write_it(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = table(5)
    new["age"] += 20
    file, out = tmp_path / "new.csv", tmp_path / "next.csv"
    new.drop(columns="label").to_csv(file, index=False)
    for asked in (
        ["check", str(saved), str(file)],
        ["check", str(saved), str(file), "--json"],
        ["to-label", str(saved), str(file), "--count", "5", "--out", str(out)],
    ):
        with pytest.raises(SystemExit) as end:
            main(asked)
        told = capsys.readouterr()
        assert end.value.code == 0, told.err
        if "--json" in asked:
            assert json.loads(told.out)["has_drifted"] is True
        elif asked[0] == "check":
            assert re.search(r"median (39|4\d)[.\d]* -> (59|6\d)", told.out)
    rows = pd.read_csv(out)
    assert len(rows) == 5
    assert rows["rank"].tolist() == [1, 2, 3, 4, 5]


def test_texts_are_seen_by_the_encoder_of_the_model(checkpoint: str, tmp_path: Path) -> None:
    dice = np.random.default_rng(0)

    def texts(words: list[str], rows: int = 150) -> pd.DataFrame:
        label = dice.choice(["good", "bad"], rows)
        first = np.where(label == "good", "lovely", "awful")
        said = [f"{one} {' '.join(dice.choice(words, 4))}" for one in first]
        return pd.DataFrame({"text": said, "label": label})

    usual = ["number", "soft", "cheap", "plain"]
    space = {"probe": {"backbone": f"folder:{checkpoint}"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ts.fit(
            texts(usual),
            "label",
            trials=1,
            learners=["probe"],
            space=space,
            folder=tmp_path / "run",
        )
    found = model.check(texts(usual))
    assert [one.of for one in found.together] == ["the columns", "what the model's encoder sees"]
    assert not found.has_drifted
    assert model.check(texts(["good", "bad", "odd", "even"])).has_drifted
    next_rows = model.to_label(texts(usual), 5)
    assert "encoder" in next_rows.attrs["apart"]


def test_pictures_that_are_darker_are_told(picture_run: Path, photos: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    model = ts.load(picture_run)
    assert not model.check(photos).has_drifted
    (tmp_path / "dark").mkdir()
    for number, file in enumerate(sorted(photos.rglob("*.png"))):
        pixels = np.asarray(image.open(file).convert("RGB")) // 4
        image.fromarray(pixels).save(tmp_path / "dark" / f"{number}.jpg")
    found = model.check(tmp_path / "dark")
    told = {one.about for one in found.drifted}
    assert {"brightness", "kind"} <= told
    assert "width" not in told
    assert len(model.to_label(tmp_path / "dark", 5)) == 5
    wrong = model.errors(photos)
    assert wrong.rows == 60
    assert wrong.uncertain[0].row.endswith(".png")
