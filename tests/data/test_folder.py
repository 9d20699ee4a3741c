"""Folders and archives of pictures as rows."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.errors import DataError, DataWarning
from tunesmith.data.read import read
from tunesmith.modalities.pictures import pixels

Image = pytest.importorskip("PIL.Image")


def png(colour: tuple[int, int, int] = (255, 0, 0)) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(held, "PNG")
    return held.getvalue()


def write(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png((number, 0, 0)))
    return root


def test_class_folders_are_labels(tmp_path: Path):
    data = read(write(tmp_path, "cat/a.png", "cat/deep/b.png", "dog/a.png"))
    assert data.names == ("image", "label")
    assert data.column("image").kind == "image"
    assert data.values("label").tolist() == ["cat", "cat", "dog"]
    assert data.values("image")[1] == str(tmp_path / "cat" / "deep" / "b.png")


def test_many_folders_with_numbers_for_names_are_labels_not_amounts(tmp_path: Path):
    names = [f"{number:03d}/a.png" for number in range(30)]
    data = read(write(tmp_path, *names), target="label")
    assert data.column("label").kind == "category"
    assert data.values("label")[7] == "007"


def test_train_and_test_folders_are_a_split(tmp_path: Path):
    data = read(
        write(tmp_path, "train/cat/a.png", "train/dog/a.png", "val/cat/b.png", "test/c.png")
    )
    assert data.values("split").tolist() == ["test", "train", "train", "valid"]
    assert data.values("label").tolist() == [None, "cat", "dog", "cat"]


def test_one_folder_around_all_counts_for_nothing(tmp_path: Path):
    data = read(write(tmp_path, "pets/cat/a.png", "pets/dog/a.png"))
    assert data.values("label").tolist() == ["cat", "dog"]


def test_pictures_without_class_folders_have_no_label(tmp_path: Path):
    assert read(write(tmp_path, "a.png", "b.png")).names == ("image",)


def test_a_folder_without_pictures_says_what_to_give(tmp_path: Path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is a folder, not a file"):
        read(tmp_path)


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tgz", "tar.xz"])
def test_an_archive_reads_as_its_folder_does(tmp_path: Path, ending: str):
    root = write(tmp_path / "pets", "cat/a.png", "dog/b.png")
    place = tmp_path / f"pets.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(place, "w") as zipped:
            for path in sorted(root.rglob("*.png")):
                zipped.write(path, path.relative_to(tmp_path))
    else:
        mode = {"tar": "w", "tar.xz": "w:xz"}.get(ending, "w:gz")
        with tarfile.open(place, mode) as tar:  # type: ignore[call-overload]
            tar.add(root, "pets")
    packed, plain = read(place), read(root)
    assert packed.values("label").tolist() == plain.values("label").tolist()
    seen = [pixels(data.values("image").tolist(), 8)[0] for data in (packed, plain)]
    assert np.array_equal(*seen)
    assert packed.values("image")[0] == f"{place}!/pets/cat/a.png"


def test_one_broken_file_of_two_classes_is_named_and_left_out(tmp_path: Path):
    write(tmp_path, "cat/a.png", "cat/b.png", "dog/a.png")
    (tmp_path / "dog" / "b.png").write_bytes(b"no picture at all")
    with pytest.warns(DataWarning, match=r"line 4: .*dog/b\.png: it is no picture"):
        data = read(tmp_path)
    assert data.values("label").tolist() == ["cat", "cat", "dog"]
    assert data.lines.tolist() == [1, 2, 3]
    assert [cell.line for cell in data.bad] == [4]


def test_many_broken_files_stop_the_reading(tmp_path: Path):
    write(tmp_path, *(f"cat/{number}.png" for number in range(30)))
    for number in (3, 5):
        (tmp_path / "cat" / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 30 pictures .*0 bytes.*At most one may be"):
        read(tmp_path)


def test_new_rows_keep_their_place_where_a_picture_is_broken(tmp_path: Path):
    columns = read(write(tmp_path / "old", "cat/a.png", "dog/b.png")).columns[:1]
    write(tmp_path / "new", "a.png", "c.png")
    (tmp_path / "new" / "b.png").write_bytes(png()[:45])
    with pytest.warns(DataWarning, match=r"b\.png"):
        data = read(tmp_path / "new", like=columns)
    assert [cell is None for cell in data.values("image")] == [False, True, False]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path):
    write(tmp_path, "secret/s.png", "data/cat/a.png", "data/dog/a.png")
    (tmp_path / "data" / "cat" / "out.png").symlink_to(tmp_path / "secret" / "s.png")
    (tmp_path / "data" / "cat" / "in.png").symlink_to(tmp_path / "data" / "dog" / "a.png")
    (tmp_path / "data" / "dog" / "loop").symlink_to(tmp_path / "data")
    data = read(tmp_path / "data")
    names = [os.path.basename(cell) for cell in data.values("image")]
    assert names == ["a.png", "in.png", "a.png"]
    assert sorted(cell.got.partition(":")[0] for cell in data.bad) == ["cat/out.png", "dog/loop"]


def test_other_files_are_passed_over_and_named(tmp_path: Path):
    write(tmp_path, "cat/a.png", "dog/a.png", "cat/.hidden.png", "__MACOSX/cat/a.png")
    (tmp_path / "cat" / "notes.txt").write_text("words")
    (tmp_path / "cat" / "nameless").write_bytes(png())
    data = read(tmp_path)
    assert [Path(cell).name for cell in data.values("image")] == ["a.png", "nameless", "a.png"]
    assert [cell.got for cell in data.bad] == ["cat/notes.txt: no picture by its name"]
