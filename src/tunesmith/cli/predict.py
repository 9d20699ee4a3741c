"""`tunesmith predict`: answers for new rows."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.options import Data, Run
from tunesmith.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

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
) -> None:
    """Predict every row of a table, as CSV: one line a row, in their order."""
    if out is not None:
        _check_place(out)
    from tunesmith import api

    # A path says that a file is meant, whatever its name: a bare text would be one to answer.
    source = data if "://" in data else Path(data)
    frame = _answers(api.load(run), source, probabilities)
    text = frame.to_csv(index=False, lineterminator="\n")
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)
        print(f"{len(frame)} predictions in {out}", file=sys.stderr)


def _answers(predictor: Predictor, data: str | Path, probabilities: bool) -> pd.DataFrame:
    """Column `prediction`, and `probability_CLASS` for each class where asked for."""
    import pandas as pd

    from tunesmith.core.predictions import ClassScores

    if not probabilities:
        return pd.DataFrame({"prediction": predictor.predict(data)})
    found = predictor.scores(data)
    if not isinstance(found, ClassScores):
        raise ConfigError("This model answers with numbers; probabilities are for classes.")
    frame = pd.DataFrame(found.probabilities, columns=[f"probability_{c}" for c in found.classes])
    frame.insert(0, "prediction", found.decode())
    return frame


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
