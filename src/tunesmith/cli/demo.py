"""`tunesmith demo`: one fit on real reviews, from the data to answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.fit import show_fit
from tunesmith.cli.options import Json
from tunesmith.cli.progress import progress
from tunesmith.cli.tables import Table, interval, number, show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.core.records import Score
    from tunesmith.predictor import Predictor

TARGET = "recommended"
SENTENCES = (
    ("Love this dress! It fits perfectly and the fabric is soft.", 34, "Dresses"),
    ("The seam ripped the first time I wore it, and it runs huge. Sent it back.", 51, "Tops"),
    ("Pretty colour, but too short for work; I might keep it for weekends.", 42, "Bottoms"),
)
"""Review, age, department."""


def demo(
    context: typer.Context,
    budget: Annotated[str, typer.Option(metavar="TIME", help="Time for the fit.")] = "3m",
    folder: Annotated[str | None, typer.Option(metavar="RUN", help="A new run folder.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Open no socket.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Json = False,
) -> None:
    """Fit on 4,000 real clothing reviews: would the customer recommend the piece?"""
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
            budget=budget,
            folder=folder or time.strftime("runs/demo-%Y%m%d-%H%M%S"),
            seed=seed,
            offline=offline,
            listeners=listeners,
            started=started,
        )
    accuracy = predictor.evaluate(test, metrics=["accuracy"])["accuracy"]
    answers = predictor.predict_proba(_sentences())
    if as_json:
        show_json(_facts(predictor, accuracy, answers))
    else:
        _show(predictor, accuracy, answers)


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
    summary = predictor.summary
    _show_findings(summary)
    print()
    show_fit(predictor)
    print()
    for about in ("task", "backbone", "winner"):
        if about in summary["reasons"]:
            print(f"Why this {about}: {summary['reasons'][about]}")
    print()
    show(_answers_table(answers))
    print()
    spread = interval(accuracy.low, accuracy.high)
    print(f"On {accuracy.rows} reviews never seen: accuracy {number(accuracy.value)} {spread}")
    print(f"The model is saved in {predictor.folder}")
    print(f"Try: tunesmith predict {predictor.folder} your.csv")


def _show_findings(summary: dict[str, Any]) -> None:
    print("Audit")
    findings = summary.get("findings") or ()
    for finding in findings:
        print(f"  {finding['check']}: {finding['message']}")
    if not findings:
        print("  nothing found")


def _answers_table(answers: pd.DataFrame) -> Table:
    labels = [str(label) for label in answers.columns]
    rows = tuple(
        (text, str(age), department, *(number(share, 3) for share in shares))
        for (text, age, department), shares in zip(SENTENCES, answers.to_numpy(), strict=True)
    )
    heads = ("review", "age", "department", *(f"{TARGET} = {label}" for label in labels))
    return Table("Three reviews", heads, rows, frozenset(heads[3:]) | {"age"})
