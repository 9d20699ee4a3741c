"""What a model of pictures takes: a folder, a pattern, a file, bytes, arrays, lists of these."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("timm")
Image = pytest.importorskip("PIL.Image")

import tunesmith as ts  # noqa: E402
from tunesmith.core.errors import ConfigError, DataError  # noqa: E402
from tunesmith.pipeline import artifact  # noqa: E402
from tunesmith.predictor.sheets import sections_of  # noqa: E402


@pytest.fixture(scope="module")
def model(picture_run: Path) -> ts.Predictor:
    return ts.load(picture_run)


def test_one_picture_has_one_answer_whatever_it_is_given_as(
    model: ts.Predictor, photos: Path
) -> None:
    file = photos / "above" / "04.png"
    image = Image.open(file).convert("RGB")
    pixels = np.asarray(image)
    forms: list[Any] = [file, str(file), file.read_bytes(), image, pixels, pixels[None]]
    forms += [[form] for form in forms[:5]]
    answers = [model.predict_proba(form).to_numpy() for form in forms]
    assert all(answer.shape == (1, 2) for answer in answers)
    assert all(np.allclose(answer, answers[0], atol=1e-4) for answer in answers)
    assert model.predict(forms[:5]).tolist() == ["above"] * 5


def test_a_folder_an_archive_a_pattern_and_a_list_are_the_same_rows(
    model: ts.Predictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(photos.rglob("*.png"))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(photos))
    monkeypatch.chdir(photos)
    inside = [file.relative_to(photos).as_posix() for file in files]
    wanted = model.predict_proba(files).to_numpy()
    for form, names in {
        str(photos): inside,
        str(tmp_path / "photos.zip"): inside,
        "*/*.png": inside,
        str(photos / "*"): list(map(str, files)),
    }.items():
        assert np.allclose(model.predict_proba(form).to_numpy(), wanted, atol=1e-4), form
        assert model.names(form) == names
    assert model.names(["above", "below"]) == [str(file) for file in files]
    assert model.names(files[0].read_bytes()) is None
    assert (model.predict(photos) == [file.parent.name for file in files]).mean() > 0.9


def test_a_pattern_that_matches_no_picture_is_refused(model: ts.Predictor, photos: Path) -> None:
    with pytest.raises(DataError, match=r"No picture matches the pattern .*nothing\*\.png"):
        model.predict(str(photos / "nothing*.png"))


def test_the_likeliest_classes_come_with_their_probabilities(
    model: ts.Predictor, photos: Path
) -> None:
    shares = model.predict_proba(photos)
    found = model.top(photos, k=5)
    assert list(found) == [
        "image",
        *("top_1", "top_1_probability"),
        *("top_2", "top_2_probability"),
    ]
    assert (found["top_1"] == shares.idxmax(axis=1)).all()
    assert np.allclose(found["top_1_probability"], shares.max(axis=1))
    assert np.allclose(found["top_2_probability"], shares.min(axis=1))
    assert list(model.top((photos / "above" / "00.png").read_bytes(), k=1)) == [
        "top_1",
        "top_1_probability",
    ]
    with pytest.raises(ConfigError, match="ask for 1 or more"):
        model.top(photos, k=0)


def test_many_pictures_are_answered_so_many_at_a_time(
    model: ts.Predictor, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = model.predict_proba(photos).to_numpy()
    member, seen = type(model.model.members[0][0]), []
    answer = member.predict
    monkeypatch.setattr(artifact, "PICTURES_AT_ONCE", 7)
    monkeypatch.setattr(
        member, "predict", lambda self, data: (seen.append(len(data)), answer(self, data))[1]
    )
    assert np.allclose(model.predict_proba(photos).to_numpy(), wanted, atol=1e-4)
    assert sum(seen) == 60
    assert max(seen) == 7


def test_a_picture_that_is_broken_keeps_its_row_and_its_name(
    model: ts.Predictor, photos: Path, tmp_path: Path
) -> None:
    good = (photos / "above" / "00.png").read_bytes()
    for name, data in {"a": good, "b": b"no picture", "c": good}.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    with pytest.warns(ts.DataWarning, match=r"b\.png"):
        found = model.top(tmp_path)
    assert found["image"].tolist() == ["a.png", "b.png", "c.png"]
    assert found["top_1"].tolist()[::2] == ["above", "above"]


def test_a_sheet_begins_with_the_surest_of_the_wrong(
    model: ts.Predictor, photos: Path, tmp_path: Path
) -> None:
    mixed = pd.DataFrame({"image": [str(file) for file in sorted(photos.rglob("*.png"))]})
    mixed["label"] = ["above"] * 25 + ["below"] * 35  # five are labelled wrongly
    title, (wrong, right) = sections_of(model.model, mixed, 12)
    shares = model.predict_proba(mixed).max(axis=1).to_numpy()
    agree = model.predict(mixed) == mixed["label"]
    assert title == f"60 pictures, {100 * agree.mean():.1f} % right"
    surest = mixed["image"][~agree].iloc[np.argsort(-shares[~agree])[:6]].tolist()
    assert [tile.cell for tile in wrong.tiles] == surest
    assert len(wrong.tiles) + len(right.tiles) == 12
    assert wrong.tiles[0].lines == (
        ("is below", ""),
        ("said above", f" {shares[~agree].max():.2f}"),
    )
    assert {tile.lines[0][0][3:] for tile in right.tiles} == {"above", "below"}
    drawn = model.sheet(mixed, tmp_path / "sheet.png", pictures=12)
    with Image.open(tmp_path / "sheet.png") as again:
        assert again.size == drawn.size


def test_a_sheet_of_pictures_without_labels_has_answers_alone(
    model: ts.Predictor, photos: Path
) -> None:
    for data in (photos / "above", [file.read_bytes() for file in photos.glob("above/*.png")]):
        title, (only,) = sections_of(model.model, data, 10)
        assert title == "Answers for 30 pictures"
        assert only.title == "10 of 30, in their order"
        assert [tile.mark for tile in only.tiles] == [""] * 10
        assert all(len(tile.lines) == 1 for tile in only.tiles)


@pytest.mark.parametrize("form", ["lists", "columns", "numbers"])
def test_a_sheet_of_several_labels_or_of_numbers(
    form: str, photos: Path, picture_checkpoint: str, tmp_path: Path
) -> None:
    files = sorted(photos.rglob("*.png"))
    table: dict[str, Any] = {"image": [str(file) for file in files]}
    is_above = [file.parent.name == "above" for file in files]
    target: Any = "label"
    if form == "lists":
        table["label"] = [["above", "lit"] if above else ["lit"] for above in is_above]
    elif form == "columns":
        target, table = ["above", "lit"], {**table, "above": is_above, "lit": [1, 0] * 30}
    else:
        table["label"] = [10.25 + above + number / 100 for number, above in enumerate(is_above)]
    pins = {"probe": {"backbone": picture_checkpoint}}
    options: dict[str, Any] = {"trials": 1, "learners": ["probe"], "space": pins}
    model = ts.fit(table, target, folder=tmp_path / "run", **options)
    _, sections = sections_of(model.model, table, 10)
    tiles = [tile for one in sections for tile in one.tiles]
    assert len(tiles) == 10
    assert model.sheet(files).height > 200
    if form == "numbers":
        errors = np.abs(model.predict(table) - np.array(table["label"]))
        assert tiles[0].cell == table["image"][int(errors.argmax())]
        assert all(not tile.mark and not tile.lines[1][1] for tile in tiles)
        return
    answers = model.predict(table)
    right = [tile.cell for tile in tiles if tile.mark == "right"]
    for tile in tiles:
        row = table["image"].index(tile.cell)
        names = [n for n in ("above", "lit") if n in table and table[n][row]]
        wanted = names if form == "columns" else table["label"][row]
        given = np.array(["above", "lit"])[answers[row] == 1] if form == "columns" else answers[row]
        assert tile.lines[0][0] == f"is {', '.join(wanted) or '(none)'}"
        assert tile.lines[1][0] == f"said {', '.join(given) or '(none)'}"
        assert (tile.cell in right) == (list(given) == list(wanted))
    assert list(model.top(photos, 2))[-1] == "top_2_probability"


@pytest.mark.parametrize("most", [0, 1_001])
def test_a_sheet_shows_so_many_pictures(model: ts.Predictor, photos: Path, most: int) -> None:
    with pytest.raises(ConfigError, match="1 to 1,000 pictures"):
        model.sheet(photos, pictures=most)
