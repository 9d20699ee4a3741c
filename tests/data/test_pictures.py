"""Image columns of tables: paths, archives, bytes, base64, objects in memory."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.errors import DataError, DataWarning
from tunesmith.data.duplicates import same_inputs
from tunesmith.data.pictures import PictureError, cell_of, content_key, read_bytes
from tunesmith.data.read import read
from tunesmith.modalities.pictures import pixels

Image = pytest.importorskip("PIL.Image")


def picture(number: int):
    return Image.fromarray(np.full((6, 8, 3), number, dtype=np.uint8))


def png(number: int) -> bytes:
    held = io.BytesIO()
    picture(number).save(held, "PNG")
    return held.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(png(60 * number))
    return tmp_path


@pytest.mark.parametrize("between", ["/", "\\"])
def test_paths_begin_at_the_folder_of_their_table(folder: Path, between: str):
    rows = [f"pictures{between}{number}.png,{number % 2}" for number in range(4)]
    (folder / "table.csv").write_text("\n".join(["photo,label", *rows]))
    data = read(folder / "table.csv", target="label")
    assert data.column("photo").kind == "image"
    assert data.values("photo")[2] == str(folder / "pictures" / "2.png")
    assert pixels(data.values("photo").tolist(), 4)[1].all()


def test_a_missing_picture_is_named_with_its_line_and_becomes_a_missing_cell(folder: Path):
    rows = [f"pictures/{number}.png,word {number}" for number in (0, 1, 9)] + [",none"]
    (folder / "table.csv").write_text("\n".join(["photo,words", *rows]))
    with pytest.warns(DataWarning, match=r"line 4: .*9\.png: there is no such file"):
        data = read(folder / "table.csv")
    assert [cell is None for cell in data.values("photo")] == [False, False, True, True]


def test_a_column_of_wrong_paths_is_an_error_that_tells_where_paths_begin(folder: Path):
    (folder / "table.csv").write_text("photo\na.png\nb.png\nc.png\n")
    with pytest.raises(DataError, match=r"3 of 3 pictures .*folder of the table"):
        read(folder / "table.csv")


def _frames(folder: Path) -> dict[str, object]:
    import pyarrow

    held = [png(60 * number) for number in range(4)]
    features = [{"bytes": data, "path": f"{n}.png"} for n, data in enumerate(held)]
    paths = [{"bytes": None, "path": str(folder / "pictures" / f"{n}.png")} for n in range(4)]
    labels = ["a", "b", "a", "b"]
    return {
        "bytes": pd.DataFrame({"image": held, "label": labels}),
        "base64": pd.DataFrame(
            {"image": [base64.b64encode(data).decode() for data in held], "label": labels}
        ),
        "PIL": pd.DataFrame({"image": [picture(60 * n) for n in range(4)], "label": labels}),
        "arrays": {"image": [np.asarray(picture(60 * n)) for n in range(4)], "label": labels},
        "Hugging Face": pyarrow.table({"image": features, "label": labels}),
        "Hugging Face paths": pyarrow.table({"image": paths, "label": labels}),
        "dicts": [
            {"image": image, "label": label} for image, label in zip(features, labels, strict=True)
        ],
    }


FORMS = ["bytes", "base64", "PIL", "arrays", "Hugging Face", "Hugging Face paths", "dicts"]


@pytest.mark.parametrize("form", FORMS)
def test_pictures_in_memory_are_the_same_in_every_form(folder: Path, form: str):
    data = read(_frames(folder)[form])
    assert data.column("image").kind == "image"
    found, present = pixels(data.values("image").tolist(), 4)
    assert present.all()
    assert found[:, 0, 0, 0].tolist() == [0, 60, 120, 180]


def test_parquet_of_hugging_face_reads_as_it_was_written(folder: Path):
    from pyarrow import parquet

    parquet.write_table(_frames(folder)["Hugging Face"], folder / "data.parquet")
    data = read(folder / "data.parquet", target="label")
    assert pixels(data.values("image").tolist(), 4)[0][:, 0, 0, 0].tolist() == [0, 60, 120, 180]


def test_data_sets_of_hugging_face_have_image_columns(folder: Path):
    datasets = pytest.importorskip("datasets")
    paths = [str(folder / "pictures" / f"{number}.png") for number in range(4)]
    made = datasets.Dataset.from_dict({"image": paths}).cast_column("image", datasets.Image())
    assert pixels(read(made).values("image").tolist(), 4)[0][3, 0, 0, 0] == 180


def test_same_pictures_in_other_files_are_the_same_inputs(folder: Path):
    (folder / "pictures" / "again.png").write_bytes(png(60))
    (folder / "pictures" / "third.png").write_bytes(png(61))
    names = ["1.png", "again.png", "2.png", "third.png"]
    data = read({"photo": [str(folder / "pictures" / name) for name in names]})
    same = same_inputs(data, ("photo",))
    assert same[0] == same[1]
    assert len(set(same.tolist())) == 3


def test_an_archive_beside_a_table_is_read_by_its_members(folder: Path):
    import zipfile

    with zipfile.ZipFile(folder / "all.zip", "w") as zipped:
        for number in range(3):
            zipped.writestr(f"in/{number}.png", png(number))
    cells = "\n".join(f"all.zip!/in/{number}.png" for number in range(3))
    (folder / "table.csv").write_text(f"photo\n{cells}\n")
    data = read(folder / "table.csv")
    assert data.values("photo")[1] == f"{folder / 'all.zip'}!/in/1.png"
    assert pixels(data.values("photo").tolist(), 4)[0][:, 0, 0, 0].tolist() == [0, 1, 2]


def test_what_is_no_picture_is_refused():
    for wrong in (3, np.zeros((2, 2, 7), dtype=np.uint8), np.zeros((2, 2), dtype=np.int64)):
        with pytest.raises(DataError, match="no picture"):
            cell_of(wrong)
    assert cell_of(float("nan")) is None


def test_the_network_is_left_alone_where_it_must_be():
    with pytest.raises(PictureError, match="on the network"):
        read_bytes("https://example.org/a.png", offline=True)


def test_a_content_key_follows_the_content(folder: Path):
    first = content_key(str(folder / "pictures" / "1.png"))
    assert first == content_key(cell_of(png(60)) or "")
    assert first != content_key(str(folder / "pictures" / "2.png"))
