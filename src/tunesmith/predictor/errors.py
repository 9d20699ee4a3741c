"""Where a model errs, as a value: sorts of rows, pairs of labels, single rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.printable import printable
from tunesmith.core.runfolder import sayable
from tunesmith.evaluate.mistakes import Decile, LabelErrors, Pair
from tunesmith.evaluate.slices import LEVEL, Slice

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("slices", "pairs", "deciles", "labels", "worst", "uncertain")


@dataclass(frozen=True)
class RowError:
    """One row: where it stands in the source, what is seen of it, its label and the answer (a text,
    or a number), what it loses, how unsure the model is of it (None where nothing tells), and
    whether its label looks wrong. Of classes also the probability of the answer and of the
    label."""

    line: int
    row: str
    truth: str | float
    answer: str | float
    loss: float
    uncertainty: float | None
    answer_probability: float | None
    truth_probability: float | None
    suspect: bool


@dataclass(frozen=True)
class Errors:
    """Where a model errs on some labelled rows.

    `error` is the mean of `measure` over all rows, `second` that of `second_measure`. `slices` are
    sorts of rows with a larger error, proven on rows that had no say in choosing them. Of one class
    a row `pairs` are labels and wrong answers; of numbers `deciles` are errors by tenths of the
    truth; of several labels a row `labels` are those that are missed or added: what does not fit is
    empty. `worst` are the rows that lose most (of classes the surest wrong ones), `uncertain` those
    of which the model is least sure. `looked_at` counts the slices that were compared. `suspects`
    is how many training rows the fit took to be mislabelled, None where it left no list; `notes`
    say what is to be known beside.
    """

    source: str
    rows: int
    measure: str
    error: float
    second_measure: str
    second: float
    slices: tuple[Slice, ...]
    looked_at: int
    pairs: tuple[Pair, ...]
    deciles: tuple[Decile, ...]
    labels: tuple[LabelErrors, ...]
    worst: tuple[RowError, ...]
    uncertain: tuple[RowError, ...]
    suspects: int | None = None
    notes: tuple[str, ...] = ()

    def frame(self, part: str = "slices") -> pd.DataFrame:
        """One part as a data frame: "slices", "pairs", "deciles", "labels", "worst" or "uncertain".

        Raises:
            ConfigError: There is no such part.
        """
        import pandas as pd

        if part not in PARTS:
            raise ConfigError(f"Errors have no part {part!r}.{did_you_mean(part, PARTS)}")
        names = [field.name for field in fields(KINDS[part])]
        return pd.DataFrame([asdict(one) for one in getattr(self, part)], columns=names)

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        found: dict[str, Any] = sayable(asdict(self))
        return found

    def __str__(self) -> str:
        return "\n".join(lines(self))


KINDS: dict[str, Any] = {
    "slices": Slice,
    "pairs": Pair,
    "deciles": Decile,
    "labels": LabelErrors,
    "worst": RowError,
    "uncertain": RowError,
}


def lines(found: Errors) -> list[str]:
    """Errors in words."""
    told = [
        f"{found.rows:,} labelled rows of {printable(found.source)}: {found.measure} "
        f"{found.error:.4g}, {found.second_measure} {found.second:.4g}."
    ]
    told.append("")
    if found.slices:
        told.append(
            f"Sorts of rows with a larger {found.measure} (of {found.looked_at:,} looked at; "
            "figures are of rows that had no say in the choice, intervals hold for all of them "
            f"together in {100 * (1 - LEVEL):.0f} % of cases):"
        )
        for number, one in enumerate(found.slices, start=1):
            told.append(f"{number}. {one.name}: {said_slice(one)}")
    elif found.looked_at:
        told.append(
            f"No sort of rows surely has a larger {found.measure} than the others (of "
            f"{found.looked_at:,} looked at)."
        )
    if found.pairs:
        told += ["", "Labels and what was answered for them:"]
        told += [
            f"{printable(one.truth)} answered as {printable(one.answer)}: {one.rows:,} rows, "
            f"{one.share:.0%} of them (lines {_listed(one.lines)})"
            for one in found.pairs[:10]
        ]
    if found.deciles:
        told += ["", "Errors by the truth:"]
        told += [
            f"{one.low:.6g} to {one.high:.6g}: {one.rows:,} rows, off by "
            f"{one.mean_absolute_error:.4g} on average (mean error {one.mean_error:+.4g})"
            for one in found.deciles
        ]
    if found.labels:
        told += ["", "Labels missed and added:"]
        told += [
            f"{printable(one.label)}: of {one.rows:,} rows {one.missed:,} missed, "
            f"{one.added:,} added"
            for one in found.labels[:10]
        ]
    for title, rows in (("The worst rows", found.worst), ("The least sure", found.uncertain)):
        if rows:
            told += ["", f"{title}:"]
            told += [f"line {one.line}: {_row(one)}" for one in rows[:5]]
    if found.suspects:
        told += [
            "",
            f"{found.suspects:,} training rows look mislabelled: predictor.suspects() lists them.",
        ]
    return told


def said_slice(one: Slice) -> str:
    """The figures of a slice in words."""
    return (
        f"{one.error:.3g} against {one.rest_error:.3g} of the others, gap {one.gap:+.3g} "
        f"[{one.gap_low:+.3g}, {one.gap_high:+.3g}], {one.rows:,} rows ({one.share:.0%})"
    )


def _row(one: RowError) -> str:
    sure = "" if one.answer_probability is None else f" ({one.answer_probability:.2f})"
    suspect = "; its label looks wrong" if one.suspect else ""
    return f"is {_plain(one.truth)}, said {_plain(one.answer)}{sure}{suspect}: {one.row}"


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _listed(each: Sequence[int]) -> str:
    return ", ".join(map(str, each))
