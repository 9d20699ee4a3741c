"""What each column, and each kind of column, is worth: alone, and when it is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError, ConfigError, DataError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Budget, Problem, Score
from tunesmith.core.runfolder import RunFolder, read_json, write_json
from tunesmith.evaluate.scores import paired_gain, score
from tunesmith.learners._blocks import Reads
from tunesmith.learners._column_heads import ColumnHeads
from tunesmith.learners._folded import joined, with_own_valid
from tunesmith.learners._frozen import LENGTH
from tunesmith.learners._with_embeddings import checkpoints
from tunesmith.metrics import get
from tunesmith.nn.shards import open_store, using
from tunesmith.pipeline.labelling import refuse_labels
from tunesmith.pipeline.reframed import reframed
from tunesmith.pipeline.request import Request

FILE = "ablation.json"
KINDS = {
    "text": "texts",
    "image": "pictures",
    "number": "numbers",
    "category": "categories",
    "date": "dates",
}
LEVEL, RESAMPLES = 0.95, 500

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Worth:
    """What some columns are worth by the metric: `alone` what a model of them only scores, and
    `lost` by how much a model of all others is worse than one of all (positive: they helped), each
    with its 95 % interval. NaN where there are no others."""

    what: str
    kind: str
    columns: tuple[str, ...]
    alone: float
    alone_low: float
    alone_high: float
    lost: float
    lost_low: float
    lost_high: float


def ablate(
    folder: Path, *, source: Any = None, budget: str | float | None = None
) -> dict[str, Any]:
    """What the columns of a run are worth on its validation rows, by a linear head on frozen
    features: those that its best models read, from the activation store where they are there. The
    facts, kept as `ablation.json` of the run folder: metric, score of all columns, of none, and
    `rows`, a `Worth` for each kind of column, then for each column.

    Args:
        source: The data of the run, where it was an object in memory or has moved.
        budget: Time for it.

    Raises:
        DataError: The run has no final model, or the data is not as it was.
        ConfigError: The data is gone, or has several labels a row.
        BudgetError: Not in the time.
    """
    clock = Clock(Budget.parse(budget).seconds)
    run, summary = RunFolder.open(folder), folder / "summary.json"
    if not summary.is_file():
        raise DataError(f"{folder} has no final model yet. Go on: tunesmith resume {folder}")
    request = Request.read(folder)
    request.refuse_nested(folder, "take apart")
    board: Sequence[Row] = read_json(summary)["leaderboard"]
    with run.held(), using(open_store() if request.cache else None):
        problem = reframed(
            folder, request, source, call="ablation", purpose="what columns are worth"
        )
        refuse_labels(problem, {"Taking columns apart": True})
        if not len(problem.parts["valid"]):
            raise ConfigError(f"{folder} has no validation rows to score columns on.")
        facts = taken_apart(problem, reads_of(board), clock)
        write_json(folder / FILE, facts)
    return facts


def reads_of(board: Sequence[Row]) -> Reads:
    """Who reads texts and pictures in the best models of a leaderboard that read any, and how much
    of them: of those the features are stored."""
    text = pictures = ""
    length, size = LENGTH, 0
    for row in board:
        for name in checkpoints(row["config"]).values():
            is_picture = zoo.card_for(name).modality == "image"
            if is_picture and not pictures:
                pictures = name
                size = int(row["config"].get("picture_size") or row["config"].get("size") or 0)
            if not is_picture and not text:
                text, length = name, int(row["config"].get("max_length") or LENGTH)
    return Reads(text, pictures, length, size, texts="apart", components=64)


def taken_apart(problem: Problem, reads: Reads, clock: Clock) -> dict[str, Any]:
    """The facts of `ablate`. A tenth of the training rows chooses the strength of each head, so
    that the validation rows choose nothing.

    Raises:
        BudgetError: Not in the time.
    """
    watch = Watch(clock, lambda score, progress: True)
    cases = [problem.fold(n) for n in range(len(problem.folds))] or [problem]
    heads = [
        ColumnHeads.of(with_own_valid(case, n), case.part("valid"), reads, watch)
        for n, case in enumerate(cases)
    ]

    def answers(names: Sequence[str]) -> Prediction:
        """What heads over these columns answer for the validation rows."""
        if clock.is_over():
            raise BudgetError("There was no time to fit a head to each of the columns.")
        found = [one.answer(names) for one in heads]
        found = found if not problem.folds else [joined(problem, found)]
        return problem.priced("valid", found[0])

    names = tuple(name for name in heads[0].pieces if all(name in one.pieces for one in heads))
    every = answers(names)
    kinds = {name: problem.data.column(name).kind for name in names}
    rows = [
        _worth(problem, what, kind, own, names, every, answers) for what, kind, own in _asked(kinds)
    ]
    return {
        "metric": problem.metric,
        "higher_is_better": get(problem.metric).higher_is_better,
        "valid_rows": len(problem.parts["valid"]),
        "read_by": {"text": reads.text_backbone, "image": reads.picture_backbone},
        "not_read": [name for name in problem.inputs if name not in names],
        "all": asdict(_scored(problem, every)),
        "none": asdict(_scored(problem, answers(()))),
        "rows": [asdict(row) for row in rows],
    }


def _asked(kinds: Mapping[str, str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What is looked at: each kind that has several columns and is not all, then each column."""
    for kind in dict.fromkeys(kinds.values()):
        own = tuple(name for name in kinds if kinds[name] == kind)
        if 1 < len(own) < len(kinds):
            yield KINDS[kind], kind, own
    for name, kind in kinds.items():
        yield name, kind, (name,)


def _worth(
    problem: Problem,
    what: str,
    kind: str,
    own: tuple[str, ...],
    names: Sequence[str],
    every: Prediction,
    answers: Callable[[Sequence[str]], Prediction],
) -> Worth:
    alone = _scored(problem, answers(own))
    rest = [name for name in names if name not in own]
    lost = (float("nan"),) * 3
    if rest:
        lost = paired_gain(
            get(problem.metric),
            problem.truth("valid"),
            every,
            answers(rest),
            seed=problem.seed,
            resamples=RESAMPLES,
            level=LEVEL,
            weights=problem.weight("valid"),
        )
    return Worth(what, kind, own, alone.value, alone.low, alone.high, *lost)


def _scored(problem: Problem, prediction: Prediction) -> Score:
    return score(
        problem.metric,
        problem.truth("valid"),
        prediction,
        seed=problem.seed,
        resamples=RESAMPLES,
        weights=problem.weight("valid"),
    )


def lines(facts: Mapping[str, Any]) -> list[str]:
    """What cannot stand in the table: what all columns and none come to, and who read."""
    whole, none = facts["all"], facts["none"]
    found = [
        f"{facts['metric']} of {facts['valid_rows']:,} validation rows: all columns "
        f"{whole['value']:.4f} [{whole['low']:.4f}, {whole['high']:.4f}], none {none['value']:.4f}"
    ]
    read = {KINDS[kind]: name for kind, name in facts["read_by"].items() if name}
    if read:
        told = ", ".join(f"{what} by {name}" for what, name in read.items())
        found.append(f"linear heads on frozen features; read: {told}")
    if facts["not_read"]:
        found.append(f"no checkpoint read, or too few rows have: {', '.join(facts['not_read'])}")
    return found
