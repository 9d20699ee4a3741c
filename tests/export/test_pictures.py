"""Pictures as code: the same files, the same pixels, the same score."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("timm")
Image = pytest.importorskip("PIL.Image")

import tunesmith as ts  # noqa: E402
from tunesmith.modalities.pictures import views  # noqa: E402
from tunesmith.nn.augment import POLICIES, Recipe, View  # noqa: E402

SPACE: dict[str, dict[str, Any]] = {
    "probe": {},
    "neural": {"epochs": 3, "lr": 1e-3, "batch_size": 16, "depth": 0.5},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures in two class folders below train and test, and one that is broken."""
    root, dice = tmp_path_factory.mktemp("pictures") / "all", np.random.default_rng(0)
    for number in range(120):
        pixels = dice.integers(0, 120, (40, 50, 3), dtype=np.uint8)
        above = number % 2 == 0
        pixels[slice(0, 20) if above else slice(20, 40)] += 60 + 70 * (number % 5 > 0)
        place = root / ("above" if above else "below")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:03d}.{'png' if number % 3 else 'jpg'}")
    (root / "above" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return root


@pytest.mark.parametrize("learner", SPACE)
@pytest.mark.filterwarnings("ignore:.*cannot be used")
def test_a_folder_of_pictures_is_fitted_again(
    learner: str, folder: Path, picture_checkpoint: str, tmp_path: Path
) -> None:
    space = {learner: {**SPACE[learner], "backbone": picture_checkpoint}}
    run = ts.fit(
        folder,
        "label",
        trials=1,
        learners=[learner],
        space=space,
        metric="log_loss",
        folder=tmp_path / "run",
    )
    facts = run.export_code(tmp_path / "code", check=True)
    assert facts["agrees"], facts["script"]
    if learner == "probe":
        assert facts["script"]["score"] == pytest.approx(facts["winner"]["score"], abs=0.02)
    assert 'LEFT_OUT = ["above/000.png"]' in (tmp_path / "code" / "train.py").read_text()
    assert "timm" in (tmp_path / "code" / "requirements.txt").read_text()


def test_a_table_of_paths_is_fitted_again_and_numbers_beside_count(
    folder: Path, picture_checkpoint: str, tmp_path: Path
) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "000.png")
    table = pd.DataFrame({"photo": [f"all/{file.relative_to(folder)}" for file in files]})
    table["size"] = np.arange(len(files)) % 7
    table["label"] = [file.parent.name for file in files]
    table.loc[4, "photo"] = ""
    table.to_csv(folder.parent / "table.csv", index=False)
    space = {"probe": {"backbone": picture_checkpoint}}
    run = ts.fit(
        folder.parent / "table.csv",
        "label",
        trials=1,
        learners=["probe"],
        space=space,
        metric="log_loss",
        folder=tmp_path / "run",
    )
    facts = run.export_code(tmp_path / "code", check=True)
    assert facts["agrees"], facts["script"]
    assert facts["script"]["score"] == pytest.approx(facts["winner"]["score"], abs=0.02)


@pytest.mark.filterwarnings("ignore:.*cannot be used")
def test_the_script_sees_the_same_pixels(
    folder: Path, picture_checkpoint: str, tmp_path: Path
) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    dice = np.random.default_rng(1)
    for name, (mode, shape) in {
        "clear.png": ("RGBA", (60, 90, 4)),
        "grey.jpg": ("L", (300, 200)),
        "colour.jpg": ("RGB", (700, 500, 3)),
        "small.webp": ("RGB", (20, 21, 3)),
    }.items():
        pixels = dice.integers(0, 255, shape, dtype=np.uint8)
        Image.fromarray(pixels, mode).save(
            strange / name, **({"quality": 100} if "j" in name else {})
        )
    deep = dice.integers(0, 65_000, (50, 50)).astype(np.uint16)
    Image.fromarray(deep).save(strange / "deep.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(dice.integers(0, 255, (50, 80, 3), dtype=np.uint8)).save(
        strange / "turned.jpg", exif=turned
    )
    space = {"probe": {"backbone": picture_checkpoint}}
    run = ts.fit(
        folder, "label", trials=1, learners=["probe"], space=space, folder=tmp_path / "run"
    )
    run.export_code(tmp_path / "code", check=False)
    script = runpy.run_path(str(tmp_path / "code" / "train.py"), run_name="script")
    paths = [str(file) for file in sorted(strange.iterdir())]
    ours, _ = views(paths, 32)
    for path, mine, theirs in zip(paths, ours, script["squares"](paths, 32), strict=True):
        assert np.abs(mine.astype(int) - theirs).max() <= 1, path


def test_pictures_of_an_archive_are_refused_with_the_reason(
    folder: Path, picture_checkpoint: str, tmp_path: Path
) -> None:
    import shutil

    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    (kept / "above" / "000.png").unlink()
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", kept)
    space = {"probe": {"backbone": picture_checkpoint}}
    run = ts.fit(
        packed, "label", trials=1, learners=["probe"], space=space, folder=tmp_path / "run"
    )
    with pytest.raises(ts.ConfigError, match="a script reads files"):
        run.export_code(tmp_path / "code", check=False)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())


@pytest.mark.parametrize("augment", POLICIES[1:])
@pytest.mark.filterwarnings("ignore:.*cannot be used")
def test_pictures_are_changed_in_the_script_too(
    augment: str,
    folder: Path,
    picture_checkpoint: str,
    tmp_path: Path,
    laid_out: Callable[[Path], str],
) -> None:
    space = {"neural": {**SPACE["neural"], "backbone": picture_checkpoint, "augment": augment}}
    run = ts.fit(
        folder, "label", trials=1, learners=["neural"], space=space, folder=tmp_path / "run"
    )
    run.export_code(tmp_path / "code", check=False)
    source = (tmp_path / "code" / "train.py").read_text()
    assert "seen = seen_otherwise(pixels[chosen], dice)" in source
    assert laid_out(tmp_path / "code" / "train.py") == ""
    script = runpy.run_path(str(tmp_path / "code" / "train.py"), run_name="script")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    found = script["seen_otherwise"](pixels, np.random.default_rng(1))
    assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    assert 10 < sum((one != other).any() for one, other in zip(found, pixels, strict=True)) <= 40
    ours = [np.asarray(View(one, Recipe(augment), 0)) for one in pixels]
    gap = np.abs(np.stack(ours).astype(float) - pixels).mean()
    assert np.abs(found.astype(float) - pixels).mean() == pytest.approx(gap, rel=0.5)


@pytest.mark.filterwarnings("ignore:.*cannot be used")
def test_a_script_with_changed_pictures_runs(
    folder: Path, picture_checkpoint: str, tmp_path: Path
) -> None:
    pins = {**SPACE["neural"], "backbone": picture_checkpoint, "augment": "randaugment"}
    run = ts.fit(
        folder,
        "label",
        trials=1,
        learners=["neural"],
        space={"neural": pins},
        metric="log_loss",
        folder=tmp_path / "run",
    )
    facts = run.export_code(tmp_path / "code", check=True)
    assert facts["agrees"], facts["script"]


@pytest.mark.parametrize(
    ("learner", "pins", "reason"),
    [
        ("neural", {"mix": "cutmix"}, "no code for mix cutmix"),
        ("neural", {"pooling": "generalised"}, "no code for generalised pooling"),
        ("neural", {"neck": "Convolution"}, "no code for neck = 'Convolution'"),
        ("neural", {"tta": 2, "patience": 0}, "no code for tta 2"),
        ("probe", {"augment": "crops"}, "no code for a probe with augment crops"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*cannot be used")
def test_what_has_no_code_is_refused_with_the_reason(
    learner: str,
    pins: dict[str, Any],
    reason: str,
    folder: Path,
    picture_checkpoint: str,
    tmp_path: Path,
) -> None:
    space = {learner: {**SPACE[learner], "backbone": picture_checkpoint, **pins}}
    run = ts.fit(
        folder, "label", trials=1, learners=[learner], space=space, folder=tmp_path / "run"
    )
    with pytest.raises(ts.ConfigError, match=reason):
        run.export_code(tmp_path / "code", check=False)


def test_read_outs_are_those_of_the_networks_here() -> None:
    from tunesmith.export._linear_head import READOUTS
    from tunesmith.nn import features

    for name, parts in READOUTS.items():
        assert tuple(part.replace(" ", ":") for part in parts) == features.READOUTS[name]
