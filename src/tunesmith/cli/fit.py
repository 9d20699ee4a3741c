"""`tunesmith fit`: learn from a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli import options
from tunesmith.cli.options import Data, Json
from tunesmith.cli.progress import progress
from tunesmith.cli.tables import duration, interval, leaderboard, number, show, show_json

if TYPE_CHECKING:
    from tunesmith.predictor import Predictor

TASKS = "classification, multilabel (several labels a row) or regression."
TIMES = {2.0: "twice", 5.0: "five times"}


def fit(
    context: typer.Context,
    data: Data,
    target: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN",
            help="The column to predict; A,B, or given again: labels in columns of 0 and 1.",
        ),
    ],
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time for everything, from reading to saving: 90s, 10m, 2h. [10m]",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(help="How many trials; the same result each time on one machine."),
    ] = None,
    task: Annotated[str | None, typer.Option(help=TASKS)] = None,
    label_delimiter: Annotated[
        str | None,
        typer.Option(metavar="SIGN", help="What stands between several labels of a cell: ';'."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What to select by.")] = None,
    folder: Annotated[str | None, typer.Option(metavar="RUN", help="A new run folder.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Open no socket.")] = False,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows of one group stay together.")
    ] = None,
    when: Annotated[
        str | None, typer.Option("--time", metavar="COLUMN", help="Validate on the latest rows.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Each row says train, valid or test.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Cross-validation with so many folds; 0 for none."),
    ] = None,
    nested: Annotated[
        int,
        typer.Option(
            metavar="K",
            help="Score by whole fits in so many outer folds; the model learns from all rows.",
        ),
    ] = 0,
    auto_stack: Annotated[
        int, typer.Option(metavar="LEVELS", help="Stack the models in 1 or 2 levels; 0: do not.")
    ] = 0,
    distill: Annotated[
        bool, typer.Option("--distill", help="Put what the models answer into one small one too.")
    ] = False,
    sensitive: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Score by the groups of these columns too: fairness."),
    ] = None,
    interpretable: Annotated[
        str,
        typer.Option(
            metavar="scorecard|ebm|none",
            help="A model that can be read, beside the one that answers, and its price in score; "
            "auto: a scorecard of two classes.",
        ),
    ] = "auto",
    costs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="What answers cost, by true label, then by answer: a YAML or JSON file, or as it "
            "stands: '{fraud: {ok: amount}, ok: {fraud: 5}}'.",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="How much each row counts; no input.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=KIND", help="What a column holds.")
    ] = None,
    pin: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="LEARNER.FIELD=VALUE",
            help="Fix a field of a config, or search it in a range: neural.lr=log(1e-5,1e-3).",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The same for many fields, in a YAML or JSON file."),
    ] = None,
    search: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Who proposes: auto, random, quasirandom, grid, tpe, gp, bayes, cmaes, ageing, "
            "nsga2, evolution, portfolio; several take turns.",
        ),
    ] = "auto",
    stopper: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Who ends a trial early: median, asha, hyperband, pasha, none."
        ),
    ] = "median",
    goals: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Beside the score, search for: latency, size, memory, parameters."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Run trials side by side in so many processes, which share the cores."
        ),
    ] = None,
    learners: Annotated[
        str | None, typer.Option(metavar="A,B", help="Try only these learners.")
    ] = None,
    architecture: Annotated[
        str,
        typer.Option(
            metavar="auto|on|off|FILE|start:FILE",
            help="Search the shape of networks, or keep that of a file, or begin with it.",
        ),
    ] = "auto",
    bad_rows: Annotated[
        str, typer.Option(metavar="stop|skip", help="What to do with rows that cannot be read.")
    ] = "stop",
    track: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Send the events on: mlflow, tensorboard."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Keep no activations on the disk.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Json = False,
) -> None:
    """Find, tune, prove and save the best model for a table, within a budget."""
    chosen: dict[str, Any] = {
        "kinds": options.kinds(kind or ()),
        "space": options.space(space, pin or ()),
        "search": options.names(search) or [],
        "stopper": stopper,
        "goals": options.names(goals) or (),
        "interpretable": {"auto": True, "none": False}.get(interpretable, interpretable),
        "sensitive": options.names(sensitive) or (),
        "workers": workers,
        "track": options.names(track) or (),
        "learners": options.names(learners),
        "costs": options.costs(costs),
        "weights": weights,
        "label_delimiter": label_delimiter,
        "architecture": options.architecture(architecture),
    }
    from tunesmith import api

    with progress(quiet=quiet) as listeners:
        predictor = api.fit(
            data,
            options.target(target),
            budget=budget,
            trials=trials,
            task=task,
            metric=metric,
            folder=folder,
            seed=seed,
            offline=offline,
            group=group,
            time=when,
            split=split,
            folds=folds,
            nested=nested,
            auto_stack=auto_stack,
            distill=distill,
            bad_rows=bad_rows,
            cache=not no_cache,
            listeners=listeners,
            started=context.obj,
            **chosen,
        )
    if as_json:
        show_json(predictor.summary)
    else:
        show_fit(predictor)


def show_fit(predictor: Predictor) -> None:
    """What came out of a fit: leaderboard, score, where it lies."""
    summary = predictor.summary
    show(leaderboard(predictor.leaderboard(), summary["metric"]))
    print()
    print("\n".join(fit_lines(summary)))


def show_story(predictor: Predictor) -> None:
    """What the audit found, what came out of a fit, and the main choices with their reasons."""
    summary = predictor.summary
    findings = summary.get("findings") or ()
    print("Audit")
    for finding in findings:
        print(f"  {finding['check']}: {finding['message']}")
    if not findings:
        print("  nothing found")
    print()
    show_fit(predictor)
    print()
    for about in ("task", "backbone", "winner"):
        if about in summary["reasons"]:
            print(f"Why this {about}: {summary['reasons'][about]}")


def fit_lines(summary: Mapping[str, Any]) -> list[str]:
    """The summary of a fit as sentences."""
    (low, high), trials = summary["interval"], summary["trials"]
    best = ", ".join(f"{key} {value}" for key, value in summary["best"].items() if _short(value))
    score = f"{number(summary['score'])} {interval(low, high)}"
    return [
        f"{summary['metric']} {score if summary['score'] is not None else summary['score_is']}",
        f"best: {best}",
        *([summary["nested"]["message"]] if summary.get("nested") else ()),
        *corrected_lines(summary),
        f"{trials} trial{'s' * (trials != 1)} in {duration(summary['seconds'])}: "
        + ", ".join(map(_stage, summary.get("stages", ()))),
        *([summary["interpretable"]["message"]] if summary.get("interpretable") else ()),
        *([summary["distilled"]["message"]] if summary.get("distilled") else ()),
        *(f"fairness: {one['message']}" for one in _fairness(summary)),
        *prospect_lines(summary.get("prospects") or {}),
        f"saved in {summary['folder']}",
        f"all of it on one page: tunesmith report {summary['folder']}",
    ]


def _fairness(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of the model that answers, then of the one beside it."""
    both = (summary, summary.get("interpretable") or {})
    return [one for told in both for one in told.get("fairness", {}).values()]


def corrected_lines(summary: Mapping[str, Any]) -> list[str]:
    """What the best validation score is worth, knowing that it is the best of many."""
    plain, fair = summary.get("validation"), summary.get("validation_corrected")
    if not plain or not fair:
        return []
    told, what = f"the best model has {number(plain['score'])}", "choosing the best"
    if blend := summary.get("validation_blend"):
        told, what = f"{told}, the blend {number(blend['score'])}", "choosing and blending the best"
    return [
        f"on validation rows {told}; {what} of {summary['trials']} trials is worth "
        f"{number(fair['score'])} {interval(fair['low'], fair['high'])}"
    ]


def prospect_lines(prospects: Mapping[str, Any]) -> list[str]:
    """What more time, or trials, and more labelled rows would buy, as sentences."""
    lines = []
    if budget := prospects.get("budget"):
        what = "time" if budget["of"] == "seconds" else "trials"
        lines.append(_prospect(what, budget, prospects["score"], "the best model"))
    if rows := prospects.get("rows"):
        now = rows["curve"][-1]["score"] if rows["curve"] else None
        lines.append(_prospect("labelled rows", rows, now, rows["model"]))
    return lines


def _prospect(what: str, outlook: Mapping[str, Any], now: float | None, model: str) -> str:
    expected = outlook["expected"]
    if not expected:
        return f"with more {what}: {outlook['reason']}"
    if all(one["low"] == one["high"] == now for one in expected):
        return f"with more {what}: no change, {outlook['reason']}"
    told = "; ".join(
        f"{TIMES.get(one['factor'], one['factor'])}{f' the {what}' * (not place)}: about "
        f"{number(one['expected'])} {interval(one['low'], one['high'])}"
        for place, one in enumerate(expected)
    )
    level = f"{100 * outlook['level']:.0f} % intervals"
    return f"with {told} (on validation rows, where {model} has {number(now)}; {level})"


def _stage(stage: Mapping[str, Any]) -> str:
    planned = stage["planned_seconds"]
    of = "" if planned is None else f" of {duration(planned)} planned"
    return f"{stage['stage']} {duration(stage['seconds'])}{of}"


def _short(value: object) -> bool:
    return isinstance(value, str | int | float) and value != "" and len(str(value)) <= 40
