"""`tunesmith demo`: one fit on real reviews, or on pictures, from the data to answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli import demo_images as images
from tunesmith.cli.fit import show_story
from tunesmith.cli.options import Json
from tunesmith.cli.progress import progress
from tunesmith.cli.tables import Table, interval, number, show, show_json
from tunesmith.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.core.records import Score
    from tunesmith.predictor import Predictor

EXPLAIN_SECONDS = 5.0
REPORTED = 400
"""Of the rows that were never seen, what the report judges and explains."""
KINDS = ("reviews", "images")
BUDGET = "3m"
TARGET = "recommended"
SENTENCES = (
    ("Love this dress! It fits perfectly and the fabric is soft.", 34, "Dresses"),
    ("The seam ripped the first time I wore it, and it runs huge. Sent it back.", 51, "Tops"),
    ("Pretty colour, but too short for work; I might keep it for weekends.", 42, "Bottoms"),
)
"""Review, age, department."""


def demo(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="[reviews|images]", help="What to fit on.")
    ] = "reviews",
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"Time for the fit. [{BUDGET}; images {images.BUDGET}]"),
    ] = None,
    folder: Annotated[str | None, typer.Option(metavar="RUN", help="A new run folder.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Open no socket.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Json = False,
) -> None:
    """Fit on 4,000 real clothing reviews: would the customer recommend the piece? Or, as
    `demo images`, on 2,000 pictures of clothes: what is it?"""
    if what not in KINDS:
        raise ConfigError(f"There is no demo {what!r}.{did_you_mean(what, KINDS)}")
    place = folder or time.strftime("runs/demo-%Y%m%d-%H%M%S")
    if what == "images":
        images.demo_images(
            budget=budget or images.BUDGET,
            folder=place,
            seed=seed,
            offline=offline,
            quiet=quiet,
            as_json=as_json,
            started=context.obj,
        )
        return
    from tunesmith import api
    from tunesmith.data.demo import clothing_reviews

    # Fetching the data is no part of the fit: that time alone is left out of the budget.
    fetching = time.monotonic()
    train, test = clothing_reviews(rows=4000, seed=seed, offline=offline)
    started = None if context.obj is None else context.obj + time.monotonic() - fetching
    with progress(quiet=quiet) as listeners:
        predictor = api.fit(
            train,
            TARGET,
            budget=budget or BUDGET,
            folder=place,
            seed=seed,
            offline=offline,
            listeners=listeners,
            started=started,
        )
    accuracy = predictor.evaluate(test, metrics=["accuracy"])["accuracy"]
    answers = predictor.predict_proba(_sentences())
    page = predictor.report(data=test.head(REPORTED), explain_seconds=EXPLAIN_SECONDS)
    if as_json:
        show_json(_facts(predictor, accuracy, answers) | {"report": page})
    else:
        _show(predictor, accuracy, answers)
        print(f"All of it on one page: {page}")


def _sentences() -> pd.DataFrame:
    """The three sentences as rows with the columns of the training data."""
    import pandas as pd

    return pd.DataFrame(SENTENCES, columns=["text", "age", "department"])


def _facts(predictor: Predictor, accuracy: Score, answers: pd.DataFrame) -> dict[str, Any]:
    return {
        **predictor.summary,
        "test": {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "answers": [
            {"text": text, "age": age, "department": department, "probabilities": shares}
            for (text, age, department), shares in zip(
                SENTENCES, answers.to_dict(orient="records"), strict=True
            )
        ],
    }


def _show(predictor: Predictor, accuracy: Score, answers: pd.DataFrame) -> None:
    show_story(predictor)
    print()
    show(_answers_table(answers))
    print()
    spread = interval(accuracy.low, accuracy.high)
    print(f"On {accuracy.rows} reviews never seen: accuracy {number(accuracy.value)} {spread}")
    print(f"The model is saved in {predictor.folder}")
    print(f"Try: tunesmith predict {predictor.folder} your.csv")


def _answers_table(answers: pd.DataFrame) -> Table:
    labels = [str(label) for label in answers.columns]
    rows = tuple(
        (text, str(age), department, *(number(share, 3) for share in shares))
        for (text, age, department), shares in zip(SENTENCES, answers.to_numpy(), strict=True)
    )
    heads = ("review", "age", "department", *(f"{TARGET} = {label}" for label in labels))
    return Table("Three reviews", heads, rows, frozenset(heads[3:]) | {"age"})
