"""Numbers, categories and dates as `modalities` make them, written with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.export._data import Columns
from tunesmith.modalities.category import MOST_LEVELS
from tunesmith.modalities.date import DAYS_A_YEAR
from tunesmith.modalities.number import CLIP

SCALED = f'''\
def scaled() -> Pipeline:
    """In standard deviations from the mean; a missing cell is the mean, and marked."""
    return make_pipeline(
        StandardScaler(),
        SimpleImputer(
            strategy="constant",
            fill_value=0.0,
            add_indicator=True,
            keep_empty_features=True,
        ),
        FunctionTransformer(np.clip, kw_args={{"a_min": -{CLIP}, "a_max": {CLIP}}}),
    )
'''
LEVELS = f'''\
def levels() -> OneHotEncoder:
    """A column for each of the most frequent words, and one for all others."""
    return OneHotEncoder(
        max_categories={MOST_LEVELS + 1},
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
        dtype=np.float32,
    )
'''
CALENDAR = f'''\
def with_calendar(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each date as days, and as places on the circles of year and week."""
    found = {{}}
    for name in DATES:
        days = (table[name] - pd.Timestamp(0)) / pd.Timedelta(days=1)
        year, week = days / {DAYS_A_YEAR}, np.floor(days) / 7
        found[name] = days
        for circle, turns in (("year", year), ("week", week)):
            found[f"{{name}} {{circle}} sin"] = np.sin(2 * np.pi * turns)
            found[f"{{name}} {{circle}} cos"] = np.cos(2 * np.pi * turns)
    return table.assign(**found)
'''
CIRCLES = """\
CIRCLES = [
    f"{name} {circle} {part}"
    for name in DATES
    for circle in ("year", "week")
    for part in ("sin", "cos")
]
"""


@dataclass(frozen=True)
class Dense:
    """Lines of a `ColumnTransformer`'s list, `table` as it must be given to it, and what they
    need."""

    rows: tuple[str, ...]
    table: str
    helpers: tuple[str, ...]
    imports: tuple[str, ...]


def dense(columns: Columns) -> Dense:
    """What makes numbers of the columns that are no text."""
    rows, helpers = [], []
    imports = ["from sklearn.compose import ColumnTransformer"]
    pipeline = (
        "from sklearn.impute import SimpleImputer",
        "from sklearn.pipeline import Pipeline, make_pipeline",
        "from sklearn.preprocessing import FunctionTransformer, StandardScaler",
    )
    if columns.numbers or columns.dates:
        helpers.append(SCALED)
        imports += pipeline
    if columns.numbers:
        rows.append('("numbers", scaled(), NUMBERS)')
    if columns.categories:
        helpers.append(LEVELS)
        imports.append("from sklearn.preprocessing import OneHotEncoder")
        rows.append('("categories", levels(), CATEGORIES)')
    if columns.dates:
        helpers += [CIRCLES, CALENDAR]
        rows.append('("days", scaled(), list(DATES))')
        rows.append('("circles", SimpleImputer(strategy="constant"), CIRCLES)')
    table = "with_calendar(table)" if columns.dates else "table"
    return Dense(tuple(rows), table, tuple(helpers), tuple(imports))
