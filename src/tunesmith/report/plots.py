"""Pictures of a search: best score over time, trials side by side, what mattered, who ran when."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataError, did_you_mean, need
from tunesmith.report.colors import COLORS, INK, LINE, MARKS, SOFT, STYLE
from tunesmith.report.history import STUDENT, Course, History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".html")
FEWEST_FOR_IMPORTANCE = 8
MOST_DIMENSIONS = 9
MOST_CATEGORIES = 30
"""Whole numbers of more values than that are taken as a range."""
MOST_TOLD = 200
"""Trials of which it is written beside the bar how they ended."""
Array = NDArray[np.float64]
SIZE = (9.0, 5.0)
DOTS_PER_INCH = 130


def plot(history: History, file: Path, kinds: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Draw pictures of a run, all of them by default; gives the names of those drawn. A PNG or SVG
    file holds one below the other, an HTML file too, and fetches nothing.

    Raises:
        ConfigError: A kind or the ending of the file is not known.
        DataError: The run has no trial with a score yet.
        MissingExtra: matplotlib is not installed.
    """
    for kind in kinds:
        if kind not in PICTURES:
            raise ConfigError(f"There is no picture {kind!r}.{did_you_mean(kind, PICTURES)}")
    if file.suffix.lower() not in FORMATS:
        raise ConfigError(f"{file} must end in one of {', '.join(FORMATS)}.")
    if not history.scored:
        raise DataError(f"{history.folder} has no trial with a score yet.")
    need("matplotlib", extra="plot")
    chosen = kinds or tuple(PICTURES)
    if file.suffix.lower() == ".html":
        _write(file, _page(history, chosen).encode())
    else:
        _write(file, _drawn(history, chosen, file.suffix[1:].lower()))
    return chosen


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from error


def _drawn(history: History, kinds: tuple[str, ...], form: str) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(
            figsize=(SIZE[0], SIZE[1] * len(kinds)), dpi=DOTS_PER_INCH, layout="constrained"
        )
        FigureCanvasAgg(figure)
        for place, kind in enumerate(kinds, start=1):
            axes = figure.add_subplot(len(kinds), 1, place)
            axes.spines[["top", "right"]].set_visible(False)
            PICTURES[kind](history, axes)
        file = io.BytesIO()
        figure.savefig(file, format=form, facecolor="white")
    return file.getvalue()


def _page(history: History, kinds: tuple[str, ...]) -> str:
    drawn = [_drawn(history, (kind,), "svg").decode() for kind in kinds]
    inner = "".join(f"<figure>{one[one.index('<svg') :]}</figure>" for one in drawn)
    title = html.escape(f"Search of {history.folder.name}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:15px system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 "
        "1rem}figure{margin:0 0 2rem}svg{width:100%;height:auto}</style></head>"
        f"<body><h1>{title}</h1>{inner}</body></html>"
    )


def _color(history: History, learner: str) -> str:
    names = sorted({one.learner for one in (*history.courses, *history.rivals)})
    return COLORS[names.index(learner) % len(COLORS)]


def _named(history: History, axes: Axes) -> None:
    """The learners by their colours, above the drawing, where they hide nothing."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, columnspacing=1.0)


def _mark(history: History, learner: str) -> str:
    names = sorted({one.learner for one in history.courses})
    return MARKS[names.index(learner) % len(MARKS)]


def best_over_time(history: History, axes: Axes) -> None:
    """Each trial's score when it ended, with its interval, and the best so far."""
    for learner in sorted({one.learner for one in history.scored}):
        some = [one for one in history.scored if one.learner == learner]
        x = [one.end_seconds for one in some]
        y = [one.score for one in some]
        color = _color(history, learner)
        axes.vlines(x, [o.low for o in some], [o.high for o in some], color=color, alpha=0.3)  # type: ignore[arg-type]
        mark = _mark(history, learner)
        axes.scatter(x, y, color=color, s=24, marker=mark, label=learner, zorder=3)  # type: ignore[arg-type]
    steps = history.bests()
    at = [*(seconds for seconds, _ in steps), history.seconds]
    height = [*(score for _, score in steps), steps[-1][1]]
    axes.step(at, height, where="post", color=INK, lw=1.5)
    axes.set(
        title="Best score over time", xlabel="seconds", ylabel=f"{history.metric}, validation rows"
    )
    _named(history, axes)


def parallel(history: History, axes: Axes) -> None:
    """Every trial of the learner with the most trials as a line through its dimensions."""
    from matplotlib.collections import LineCollection

    learner, table, names = varied(history)
    scores = np.array([row["score"] for row in table], dtype=float)
    order = np.argsort(scores if history.higher_is_better else -scores)
    colors = np.linspace(0.15, 1.0, len(order))
    columns = [_axis([row[name] for row in table]) for name in names]
    columns.append(_axis([row["score"] for row in table]))
    heights = np.stack([places for places, _ in columns], axis=1)[order]
    across = np.broadcast_to(np.arange(len(columns)), heights.shape)
    axes.add_collection(
        LineCollection(
            list(np.stack([across, heights], axis=2)),
            colors=COLORS[0],
            alpha=colors,
            linewidths=1.2,
        )
    )
    axes.autoscale_view()
    for at, (_, ticks) in enumerate(columns):
        axes.axvline(at, color=LINE, zorder=0)
        for height, text in ticks:
            axes.annotate(text, (at, height), fontsize=9, xytext=(3, 2), textcoords="offset points")
    axes.set_xticks(range(len(columns)), [*names, history.metric], rotation=20, ha="right")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title(f"Trials of {learner}, the better the darker")


def importance(history: History, axes: Axes) -> None:
    """How much each dimension decided, by PED-ANOVA.

    Source: Watanabe et al., "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
    Arbitrary Subspaces", IJCAI 2023.
    """
    found = importances(history)
    if not found:
        axes.text(
            0.5,
            0.5,
            f"it takes {FEWEST_FOR_IMPORTANCE} trials of one learner to tell",
            ha="center",
        )
        axes.set_axis_off()
        axes.set_title("Importance of each dimension")
        return
    names = list(found)[::-1]
    axes.barh(names, [found[name] for name in names], color=COLORS[0])
    axes.set(title="Importance of each dimension", xlabel="share")


def timeline(history: History, axes: Axes) -> None:
    """When each trial ran, and, in the full colour, which share of its planned work it did."""
    from matplotlib.collections import PolyCollection

    for learner in sorted({one.learner for one in history.courses}):
        some = [one for one in history.courses if one.learner == learner]
        ends = [history.seconds if o.end_seconds is None else o.end_seconds for o in some]
        starts, rows = (
            np.array([o.start_seconds for o in some]),
            np.array([float(o.trial) for o in some]),
        )
        widths = np.maximum(np.array(ends) - starts, 0.002 * history.seconds)
        shares = np.array([o.fidelity for o in some])
        for part, alpha in ((widths, 0.3), (widths * shares, 1.0)):
            bars = _bars(starts, part, rows)
            color = _color(history, learner)
            axes.add_collection(PolyCollection(list(bars), facecolors=color, alpha=alpha))
        if len(history.courses) <= MOST_TOLD:
            for one, end in zip(some, ends, strict=True):
                if one.status in ("failed", "stopped"):
                    axes.annotate(one.status, (end, one.trial), fontsize=8, va="center")
    axes.autoscale_view()
    axes.invert_yaxis()
    axes.locator_params(axis="y", integer=True)
    axes.set(title="Who ran when", xlabel="seconds", ylabel="trial")
    for learner in sorted({one.learner for one in history.courses}):
        axes.barh([0], [0], color=_color(history, learner), label=learner)
    _named(history, axes)


def _bars(starts: Array, widths: Array, rows: Array) -> Array:
    """Their corners, shape (bars, 4, 2)."""
    ends, low, high = starts + widths, rows - 0.4, rows + 0.4
    x = np.stack([starts, ends, ends, starts], axis=1)
    return np.stack([x, np.stack([low, low, high, high], axis=1)], axis=2)


def pareto(history: History, axes: Axes) -> None:
    """Score against the time to answer a row, as large as the model; who is on the front has a ring
    and is joined. A star is what was distilled from the others."""
    some = [one for one in history.rivals if one.predict_ms]
    numbers = history.front()
    front = sorted((o for o in some if o.trial in numbers), key=lambda o: o.predict_ms or 0.0)
    axes.plot(
        [one.predict_ms for one in front],  # type: ignore[arg-type]
        [one.score for one in front],  # type: ignore[arg-type]
        color=SOFT,
        lw=1.2,
    )
    kinds = sorted({(one.trial == STUDENT, one.learner) for one in some})
    for is_student, learner in kinds:
        own = [o for o in some if (o.trial == STUDENT, o.learner) == (is_student, learner)]
        rings = [INK if one.trial in numbers else "none" for one in own]
        sizes = [30 + 12 * np.log10(1 + (one.size_mb or 0.0)) ** 2 for one in own]
        x, y = [one.predict_ms for one in own], [one.score for one in own]
        color = _color(history, learner)
        axes.scatter(
            x,  # type: ignore[arg-type]
            y,  # type: ignore[arg-type]
            s=sizes,
            color=color,
            edgecolors=rings,
            marker="*" if is_student else _mark(history, learner),
            label=f"{learner}, distilled" if is_student else learner,
            zorder=3,
        )
    if some:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, place: "")
        _named(history, axes)
    axes.set(
        title="Score against time to answer",
        xlabel="milliseconds a row, in a batch",
        ylabel=f"{history.metric}, validation rows",
    )


def spent(history: History, axes: Axes) -> None:
    """What each stage took, and what it was planned to take."""
    named = [str(one["stage"]) for one in history.stages]
    rows = np.arange(len(named))
    took = [float(one["seconds"]) for one in history.stages]
    planned = [float(one["planned_seconds"] or 0.0) for one in history.stages]
    axes.barh(rows - 0.2, planned, height=0.36, color=COLORS[7], alpha=0.45, label="planned")
    axes.barh(rows + 0.2, took, height=0.36, color=COLORS[0], label="spent")
    axes.set_yticks(rows, named)
    axes.invert_yaxis()
    axes.legend(loc="best")
    axes.set(title="Planned and spent", xlabel="seconds")


PICTURES: dict[str, Callable[[History, Any], None]] = {
    "best": best_over_time,
    "parallel": parallel,
    "importance": importance,
    "timeline": timeline,
    "pareto": pareto,
    "spent": spent,
}


def varied(history: History) -> tuple[str, list[dict[str, Any]], list[str]]:
    """The trials of the learner that has the most, a record each with its score, and the names of
    what varied among them."""
    by_learner: dict[str, list[Course]] = {}
    for one in history.scored:
        by_learner.setdefault(one.learner, []).append(one)
    learner, some = max(by_learner.items(), key=lambda item: len(item[1]))
    rows = [{**flat(one.config), "score": one.score} for one in some]
    names = dict.fromkeys(name for row in rows for name in row if name != "score")
    unlike = [name for name in names if len({str(row.get(name)) for row in rows}) > 1]
    whole = [{name: row.get(name) for name in (*unlike, "score")} for row in rows]
    return learner, whole, unlike[:MOST_DIMENSIONS]


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """A config as it is written down, by dotted path; a branch by its name."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found |= {prefix + name: value["kind"]} if "kind" in value else {}
            inner = {key: one for key, one in value.items() if key != "kind"}
            found |= flat(inner, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _axis(values: list[Any]) -> tuple[np.ndarray[Any, Any], list[tuple[float, str]]]:
    """Heights in [0, 1] of the values of a dimension, and what is written where."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        array = np.array(values, dtype=float)
        if array.min() > 0 and array.max() / array.min() > 20:
            array = np.log10(array)
        low, span = array.min(), max(float(np.ptp(array)), 1e-12)
        ends = [(0.0, f"{min(values):.3g}"), (1.0, f"{max(values):.3g}")]
        return (array - low) / span, ends
    names = sorted({str(v) for v in values})
    places = {name: i / max(1, len(names) - 1) for i, name in enumerate(names)}
    return np.array([places[str(v)] for v in values]), [(p, n) for n, p in places.items()]


def importances(history: History) -> dict[str, float]:
    """The share of each dimension that varied, most important first; empty where trials are few."""
    import optuna

    _, table, names = varied(history)
    if len(table) < FEWEST_FOR_IMPORTANCE or not names:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    direction = "maximize" if history.higher_is_better else "minimize"
    study = optuna.create_study(direction=direction)
    whole = [name for name in names if all(row[name] is not None for row in table)]
    marks = {name: _distribution([row[name] for row in table]) for name in whole}
    for row in table:
        params = {name: row[name] for name in whole}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=marks, value=row["score"])
        )
    found = optuna.importance.get_param_importances(study, params=whole)
    return {name: float(share) for name, share in found.items()}


def _distribution(values: list[Any]) -> Any:
    from optuna import distributions

    if all(isinstance(value, float) for value in values):
        low, high = min(values), max(values)
        return distributions.FloatDistribution(low, high, log=low > 0 and high / low > 20)
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    if whole and len(set(values)) > MOST_CATEGORIES:
        low, high = min(values), max(values)
        return distributions.IntDistribution(low, high, log=low > 0 and high / low > 20)
    return distributions.CategoricalDistribution(sorted(set(values), key=str))
