"""Whether new rows look like those a model was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.printable import printable
from tunesmith.core.records import Dataset
from tunesmith.core.runfolder import sayable
from tunesmith.core.seeds import generator
from tunesmith.evaluate.drift import LEAST_AUC, Distinction, Shift, distinction, shifts
from tunesmith.evaluate.profile import Profile, Sketched, codes, seen
from tunesmith.evaluate.properties import VALUE, Property
from tunesmith.pipeline.artifact import Model
from tunesmith.pipeline.profiling import named, sight_in
from tunesmith.predictor.labels import codes_of
from tunesmith.tasks.classification import labels as labels_of

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS, MOST_READ = 20_000, 2_000
"""New rows that are looked at, and of those with texts or pictures; drawn of more."""
FEW = 50
"""New rows below which little can be told."""
COLUMNS, FEATURES = "the columns", "what the model's encoder sees"
MOST_SEEN = 600
"""New rows that the model's encoder reads."""


@dataclass(frozen=True)
class Check:
    """New rows beside those of the fit.

    `shifts` are all properties that were compared, those that drifted first; `target` is the shift
    of the labels, where the new rows have some. `together` says by what and how well a quick model
    tells new rows from old ones. `notes` say what is to be known beside.
    """

    source: str
    rows: int
    fitted_rows: int
    shifts: tuple[Shift, ...]
    target: Shift | None
    together: tuple[Distinction, ...]
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[Shift, ...]:
        """The properties of the inputs that changed, by more than chance and by much."""
        return tuple(one for one in self.shifts if one.drifted)

    @property
    def has_drifted(self) -> bool:
        """Whether any property of the inputs did, or new rows can be told from old ones."""
        return bool(self.drifted) or any(one.distinct for one in self.together)

    def frame(self) -> pd.DataFrame:
        """A line for each property that was compared."""
        import pandas as pd

        names = [field.name for field in fields(Shift)]
        return pd.DataFrame([asdict(one) for one in self.shifts], columns=names)

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        found: dict[str, Any] = sayable({**asdict(self), "has_drifted": self.has_drifted})
        return found

    def __str__(self) -> str:
        return "\n".join(lines(self))


def check_of(model: Model, profile: Profile, rows: Dataset, *, seed: int) -> Check:
    """Compare rows, which may have labels, with what a fit remembers of its own.

    Raises:
        DataError: There is no row.
    """
    if not len(rows):
        raise DataError(f"{rows.source} has no row to check.")
    part, notes = _part(model, rows, seed)
    if len(rows) < FEW:
        notes.append(f"of {len(rows)} rows only a large change can be told")
    found = seen(part, model.inputs, seed)
    by_name = {(one.column, one.about): one for one in found}
    told = shifts(profile.each, by_name)
    gone = [one.name for one in profile.each if (one.column, one.about) not in by_name]
    if gone:
        notes.append(f"not compared, as new rows do not have it: {', '.join(gone[:5])}")
    by_columns = _together(profile, by_name, len(part), seed)
    by_features = _by_features(model, profile, part, seed)
    return Check(
        rows.source,
        len(rows),
        profile.rows,
        told,
        _target(model, profile, rows),
        tuple(one for one in (by_columns, by_features) if one is not None),
        tuple(notes),
    )


def _part(model: Model, rows: Dataset, seed: int) -> tuple[Dataset, list[str]]:
    is_read = any(column.kind in ("text", "image") for column in model.inputs)
    most = MOST_READ if is_read else MOST_ROWS
    if len(rows) <= most:
        return rows, []
    chosen = generator(seed, "checked").permutation(len(rows))[:most]
    return rows.take(np.sort(chosen)), [f"{most:,} of the {len(rows):,} rows were looked at"]


def _together(
    profile: Profile, found: Mapping[tuple[str, str], Property], rows: int, seed: int
) -> Distinction | None:
    if not len(profile.sample):
        return None
    new = codes(profile.each, [_like(one, found, rows) for one in profile.each])
    return distinction(profile.sample, new, COLUMNS, seed=seed)


def _by_features(model: Model, profile: Profile, rows: Dataset, seed: int) -> Distinction | None:
    sight, kept = sight_in(model), profile.features
    if sight is None or kept is None:
        return None
    if len(rows) > MOST_SEEN:
        order = generator(seed, "seen").permutation(len(rows))[:MOST_SEEN]
        rows = rows.take(np.sort(order))
    features = sight.features(rows)
    features = features[~np.isnan(features).any(axis=1)]
    if not len(features):
        return None
    old, new = (one.astype(np.float64) for one in (kept.rows, kept.steps(features)))
    return distinction(old, new, FEATURES, seed=seed, is_dense=True)


def _like(one: Sketched, found: Mapping[tuple[str, str], Property], rows: int) -> Property:
    """That property of new rows; nothing but gaps where they do not have it."""
    known = found.get((one.column, one.about))
    if known is not None:
        return known
    numbers = one.form in ("number", "date")
    empty = np.full(rows, np.nan) if numbers else np.full(rows, None, dtype=object)
    return Property(one.column, one.about, empty)


def _target(model: Model, profile: Profile, rows: Dataset) -> Shift | None:
    """The shift of the labels, where there are some; one that the model does not know is new."""
    kept = profile.target
    if kept is None or kept.column not in rows.names:
        return None
    values = rows.values(kept.column)
    if model.classes:
        written = labels_of(values)
        codes_known = codes_of(written, model.classes)
        values = np.where(codes_known >= 0, named(codes_known, model.classes), written)
    cells = Property(kept.column, VALUE, values)
    if cells.missing().all():
        return None
    each = shifts((kept,), {(cells.column, VALUE): cells})
    return next((one for one in each if one.about == VALUE), None)


def lines(found: Check) -> list[str]:
    """A check in words."""
    told = [
        f"{found.rows:,} rows of {printable(found.source)} beside {found.fitted_rows:,} of the "
        f"fit: {len(found.shifts):,} properties were compared."
    ]
    if found.drifted:
        told.append("What changed (by more than chance, and by much):")
        told += [f"  {said_shift(one)}" for one in found.drifted]
    else:
        told.append("No single property changed by more than chance and by much.")
    if found.target is not None and found.target.drifted:
        told.append(f"The labels changed: {said_shift(found.target)}")
    told += [said_distinction(one) for one in found.together]
    told.append(meaning(found))
    return told + [f"Note: {note}." for note in found.notes]


def said_shift(one: Shift) -> str:
    """A shift in words: "age: median 38 -> 52"."""
    return f"{printable(one.name)}: {one.said} ({one.measure} {one.effect:.2f})"


def said_distinction(one: Distinction) -> str:
    """Whether new rows can be told from old ones, in words."""
    answer = "can be told" if one.distinct else "cannot be told"
    return (
        f"By {one.of} together new rows {answer} from those of the fit: area under the curve "
        f"{one.auc:.2f} [{one.low:.2f}, {one.high:.2f}], where 0.50 is by chance and from "
        f"{LEAST_AUC:.2f} on it matters."
    )


def meaning(found: Check) -> str:
    """What it means for the model."""
    if found.has_drifted:
        return (
            "The scores of the fit were taken on other rows than these: do not count on them here. "
            "Label some of the new rows (`to_label` chooses them), score the model on them "
            "(`evaluate`), and fit anew with them where it is worse."
        )
    return (
        "As far as the inputs tell, the scores of the fit hold for these rows. Whether labels "
        "still follow from inputs as they did only labels can tell."
    )
