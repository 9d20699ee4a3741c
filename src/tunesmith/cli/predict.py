"""`tunesmith predict`: answers for new rows."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.options import Data, Run
from tunesmith.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.core.multilabel import LabelForm
    from tunesmith.core.predictions import Prediction
    from tunesmith.predictor import Predictor


def predict(
    run: Run,
    data: Data,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write here, not on standard output.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="A column for each class as well.")
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(metavar="K", help="The K likeliest classes of each row, with probability."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="P", help="Answer the second of two classes above this probability."),
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Leave the least certain empty, such as 0.1 of rows."),
    ] = None,
    risk: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Leave empty what would make more answers wrong."),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Sets of classes, or intervals of numbers, that hold the truth so often: 0.9.",
        ),
    ] = None,
    each_class: Annotated[
        bool, typer.Option("--each-class", help="With --coverage: so often for every class.")
    ] = False,
    lot: Annotated[
        int | None,
        typer.Option(metavar="SEED", help="With --coverage: tied rows are held by lot, not all."),
    ] = None,
) -> None:
    """Predict every row of a table, or every picture of a folder, as CSV: one line a row, in their
    order."""
    if each_class and coverage is None:
        raise ConfigError("--each-class is about --coverage. Give both, such as --coverage 0.9.")
    if lot is not None and coverage is None:
        raise ConfigError("--lot is about --coverage. Give both, such as --coverage 0.9.")
    unsure = {"abstain": abstain, "risk": risk}
    if out is not None:
        _check_place(out)
    from tunesmith import api

    # A path says that a file is meant, whatever its name: a bare text would be one to answer.
    source = data if "://" in data else Path(data)
    predictor = api.load(run)
    found = predictor.scores(source)
    frame = _answers(predictor, found, probabilities, {"threshold": threshold, **unsure})
    if top is not None:
        frame = frame.join(predictor.likeliest(found, top))
    if coverage is not None:
        held = predictor.hold(found, coverage, each_class=each_class, lot=lot)
        frame = frame.join(held.drop(columns="prediction"))
    if "set" in frame:
        frame["set"] = ["|".join(map(str, labels)) for labels in frame["set"]]
    if (names := predictor.names(source)) is not None:
        frame.insert(0, "image", names)
    text = frame.to_csv(index=False, lineterminator="\n")
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)
        print(f"{len(frame)} predictions in {out}", file=sys.stderr)


def _answers(
    predictor: Predictor, found: Prediction, probabilities: bool, how: Mapping[str, Any]
) -> pd.DataFrame:
    """Column `prediction`, and `probability_CLASS` for each class where asked for. Several labels a
    row are written as the target has them: with the delimiter between, as a JSON list, or as a
    column of 0 and 1 for each."""
    import pandas as pd

    answers, form = predictor.decide(found, **how), predictor.model.label_form
    if form is not None and form.columns:
        frame = pd.DataFrame(answers, columns=list(form.columns))
    elif form is not None:
        frame = pd.DataFrame({"prediction": [_written(labels, form) for labels in answers]})
    else:
        frame = pd.DataFrame({"prediction": answers})
    return (
        frame.join(predictor.shares(found).add_prefix("probability_")) if probabilities else frame
    )


def _written(labels: Sequence[object], form: LabelForm) -> str:
    if form.delimiter:
        return form.delimiter.join(map(str, labels))
    return json.dumps(list(labels), ensure_ascii=False)


def _check_place(out: Path) -> None:
    """Raises:
    DataError: A file cannot be written there; found out before any work is done.
    """
    if os.path.isdir(out):
        raise DataError(f"--out {out} is a folder. Give the name of a file in it.")
    if out.suffix.lower() not in ("", ".csv", ".txt"):
        raise DataError(f"--out {out}: predictions are written as CSV. Give a name ending in .csv.")
    if not os.path.isdir(out.absolute().parent):
        raise DataError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    if not os.access(out.absolute().parent, os.W_OK):
        raise DataError(f"--out {out}: the folder {out.parent} cannot be written. Choose another.")


def _write(out: Path, text: str) -> None:
    beside = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(out)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise DataError(
            f"Cannot write {out}: {error.strerror}. Free some space or choose another --out."
        ) from error
