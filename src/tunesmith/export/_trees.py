"""What the code of boosted trees shares: columns as numbers and codes, and the class itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.core.contracts import Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export._data import Columns, columns_of, given
from tunesmith.export._writing import fit_head, literal

BY_SIZE = ("mae", "median_absolute_error", "mape")
"""Metrics of the size of an error, for which its absolute value is the loss."""
MOST_ENCODED_CLASSES = 20
RARE_SHARE, FEWEST_RARE, MOST_RARE = 1 / 500, 2, 10
PARTS = '''\
def with_parts(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each date in parts beside it, the date itself as days."""
    found = {}
    for name in DATES:
        days = (table[name] - pd.Timestamp(0)) / pd.Timedelta(days=1)
        found[name] = days
        for part in PARTS:
            found[f"{name} {part}"] = getattr(table[name].dt, part).astype(float)
    return table.assign(**found)
'''
PART_NAMES = """\
PARTS = ["year", "month", "day", "day_of_week", "hour"]
PART_NAMES = [f"{name} {part}" for name in DATES for part in PARTS]
"""
CODE = '''\
@dataclass
class {name}:
    """Boosted trees of {library}."""

    params: dict
    rounds: int
{fields}
{head}
        self.columns = ColumnTransformer(
            [
{rows}
            ]
        )
{target}
        features = self.columns.fit_transform({table}, target)
{train}
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        features = self.columns.transform({table})
{scores}

    def save(self, folder: Path) -> None:
        self.booster.save_model(folder / "{file}")
        parts = [{saved}]
        joblib.dump(parts, folder / "columns.joblib")

    def load(self, folder: Path) -> "{name}":
        self.booster = {opened}
        # A joblib file can run code as it is opened: open none but your own.
        parts = joblib.load(folder / "columns.joblib")
        {loaded} = parts
        return self
'''
CLASS_TARGET = """\
        target, weights = truth, compute_sample_weight(self.class_weight, truth)"""
WEIGHTED_TARGET = """\
        target = truth
        weights = weights * compute_sample_weight(self.class_weight, truth)"""
NUMBER_TARGET = """\
        self.mean, self.deviation = float(truth.mean()), float(truth.std()) or 1.0
        target = (truth - self.mean) / self.deviation"""
BINARY_SCORES = """\
        found = {answers}
        return np.column_stack([1 - found, found])"""
CLASS_SCORES = "        return {answers}"
NUMBER_SCORES = "        return {answers} * self.deviation + self.mean"


def refuses(problem: Problem) -> str:
    """Why trees on these columns have no code; empty where they have."""
    return "there is no code for texts in trees" if columns_of(problem).texts else ""


def target(problem: Problem) -> str:
    """The lines that set what trees learn, and with classes how much each row counts."""
    if not problem.classes:
        return NUMBER_TARGET
    return CLASS_TARGET if problem.weights is None else WEIGHTED_TARGET


def weight(problem: Problem, name: str = "weight") -> str:
    """The argument of a library's rows by which they count; empty where all count alike."""
    return f", {name}=weights" if problem.classes or problem.weights is not None else ""


def is_by_size(problem: Problem) -> bool:
    """Whether the absolute error is the loss."""
    return not problem.classes and problem.metric in BY_SIZE


def coded(problem: Problem, config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The categories that are split as sets of levels, and those encoded by the target's mean."""
    train = problem.part("train")
    codes: list[str] = []
    encoded: list[str] = []
    may_encode = len(problem.classes) <= MOST_ENCODED_CLASSES
    for name in columns_of(problem).categories:
        levels = len({value for value in train.values(name) if value is not None})
        many = may_encode and levels > int(config["most_codes"])
        (encoded if many else codes).append(name)
    return codes, encoded


def recipe(
    problem: Problem,
    config: Mapping[str, Any],
    *,
    name: str,
    library: str,
    alias: str,
    package: str,
    params: Mapping[str, Any],
    train: str,
    answers: str,
    opened: str,
    file: str,
    answers_below: Sequence[str] = (),
) -> Recipe:
    """The code of one library: `train` are lines that set `self.booster` from `features` and
    `target` (and `weights` of classes), `answers` gives what it answers to `features`; in both
    `{codes}` is the number of columns of codes, which come first; then those of the answers of
    other models, where the trees stand over such."""
    columns = columns_code(problem, config, bool(answers_below))
    codes = str(len(coded(problem, config)[0]))
    scores = NUMBER_SCORES
    if problem.classes:
        scores = BINARY_SCORES if len(problem.classes) == 2 else CLASS_SCORES
    settings = {
        "params": Setting(dict(params), f"As {library} names them."),
        "rounds": Setting(config["rounds"], "Trees, as the validation rows ended the training."),
    }
    fields = ["    below: list[str]\n"] if answers_below else []
    if answers_below:
        about = "Columns of the answers of other models, which the answer may only follow."
        settings["below"] = Setting(list(answers_below), about)
    if problem.classes:
        fields.append("    class_weight: str | None\n")
        settings["class_weight"] = class_weight(config)
    code = CODE.format(
        name=name,
        library=library,
        fields="".join(fields),
        rows=columns.rows,
        head=fit_head(name, given(problem)),
        target=target(problem),
        table=columns.table,
        train=train.replace("{codes}", codes),
        scores=scores.format(answers=answers.replace("{codes}", codes)),
        loaded="[self.columns]" if problem.classes else "self.columns, self.mean, self.deviation",
        saved="self.columns" if problem.classes else "self.columns, self.mean, self.deviation",
        file=file,
        opened=opened,
    )
    imports = (
        *("import joblib", f"import {package} as {alias}", "from dataclasses import dataclass"),
        *columns.imports,
    )
    return Recipe(name, settings, code, imports, ("joblib", package), columns.helpers)


def class_weight(config: Mapping[str, Any]) -> Setting:
    """How classes count."""
    about = "Whether rare classes count as the others."
    return Setting("balanced" if config["balanced"] else None, about)


@dataclass(frozen=True)
class ColumnsCode:
    """Lines of a `ColumnTransformer`'s list that makes features for trees, `table` as it must be
    given to it, and what they and the weights of classes need."""

    rows: str
    table: str
    imports: tuple[str, ...]
    helpers: tuple[str, ...]


def columns_code(
    problem: Problem, config: Mapping[str, Any], is_above: bool = False
) -> ColumnsCode:
    """Codes first; then the answers of other models, where the trees stand over such; then the
    numbers, the parts of dates, and the means of the target."""
    columns = columns_of(problem)
    codes, encoded = coded(problem, config)
    rows, helpers = _rows(problem, columns, codes, encoded, is_above)
    imports = [
        "from sklearn.compose import ColumnTransformer",
        *(("from sklearn.preprocessing import OrdinalEncoder",) if codes else ()),
        *(("from sklearn.preprocessing import TargetEncoder",) if encoded else ()),
    ]
    if problem.classes:
        imports.append("from sklearn.utils.class_weight import compute_sample_weight")
    return ColumnsCode(
        "\n".join(f"                {row}," for row in rows),
        "with_parts(table)" if columns.dates else "table",
        tuple(imports),
        tuple(helpers),
    )


def _rows(
    problem: Problem,
    columns: Columns,
    codes: list[str],
    encoded: list[str],
    is_above: bool,
) -> tuple[list[str], list[str]]:
    """Lines of the list of a `ColumnTransformer`, and the functions they need."""
    rows, helpers = [], []
    every = not encoded
    if codes:
        count = len(problem.parts["train"])
        least = max(FEWEST_RARE, min(MOST_RARE, int(count * RARE_SHARE)))
        helpers.append(CODES.format(least=least))
        rows.append(f'("codes", codes(), {"CATEGORIES" if every else literal(codes)})')
    if is_above:
        rows.append('("answers", "passthrough", self.below)')
    if columns.numbers:
        rows.append('("numbers", "passthrough", NUMBERS)')
    if columns.dates:
        helpers += [PART_NAMES, PARTS]
        rows.append('("dates", "passthrough", [*DATES, *PART_NAMES])')
    if encoded:
        kind = "auto" if problem.classes else "continuous"
        names = "CATEGORIES" if not codes else literal(encoded)
        rows.append(f'("means", TargetEncoder(target_type="{kind}"), {names})')
        if len(rows[-1]) > 71:
            rows[-1] = (
                '(\n                    "means",\n'
                f'                    TargetEncoder(target_type="{kind}"),\n'
                f"                    {names},\n                )"
            )
    return rows, helpers


CODES = '''\
def codes() -> OrdinalEncoder:
    """Each level as a number, rare ones as one; one never seen is missing."""
    return OrdinalEncoder(
        min_frequency={least}, handle_unknown="use_encoded_value", unknown_value=np.nan
    )
'''
