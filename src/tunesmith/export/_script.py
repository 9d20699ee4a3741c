"""A whole script from its parts: settings at the top, then functions in the order of their use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tunesmith.core.contracts import Recipe
from tunesmith.core.records import Problem
from tunesmith.export import _ensembles as ensembles
from tunesmith.export._answers import PLAIN, Answers
from tunesmith.export._data import (
    Reading,
    columns_of,
    constants,
    prepare_code,
    read_code,
    truth_code,
)
from tunesmith.export._ensembles import Part
from tunesmith.export._scores import Measure, parameters, score_code
from tunesmith.export._writing import assignment, imports, settings

if TYPE_CHECKING:
    import pandas as pd

HEAD = '''\
"""Fits {what} again, scores it on the test rows and saves it.

    pip install -r requirements.txt
    python train.py [DATA] [--out FOLDER] [--all-rows]

Written by tunesmith {version}; nothing of tunesmith is needed to run it. Which rows are in
which part stands in split.json, by number, the first row of the table being 0.
"""
'''
PREDICT_CLASSES = '''\
def predict_proba(
    rows: pd.DataFrame, folder: str | Path = HERE / "model"
) -> np.ndarray:
    """The probability of each class in each row of a table, shape (rows, classes)."""
    scores = build().load(Path(folder)).scores(prepare(rows))
    return {calibrated}


def predict(rows: pd.DataFrame, folder: str | Path = HERE / "model") -> np.ndarray:
    """The label to answer in each row of a table, by the model saved in a folder."""
    scores = predict_proba(rows, folder)
    return np.array(CLASSES)[{decided}]
'''
PREDICT_NUMBERS = '''\
def predict(rows: pd.DataFrame, folder: str | Path = HERE / "model") -> np.ndarray:
    """The number of each row of a table, by the model saved in a folder."""
    return build().load(Path(folder)).scores(prepare(rows))
'''
MAIN = """\
def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the model again and score it.")
    parser.add_argument("data", nargs="?", default=DATA, help="the table")
    parser.add_argument("--out", type=Path, default=HERE / "model", help="a folder")
    parser.add_argument("--all-rows", action="store_true", help="save one of all rows")
{options}    arguments = parser.parse_args()
{settle}
    table = {table}
    split = json.loads((HERE / "split.json").read_text())
    if len(table) != split["rows"]:
        sys.exit(f"The table has {{len(table):,}} rows, not {{split['rows']:,}}.")
    inputs, truth = prepare(table), truth_of(table)
    train, test = split["train"], split["test"]
{of_rows}{folds}    model = build().fit({train})
    scores = model.scores(inputs.iloc[test])
{calibrated}    value = score({test})
    print(f"{{METRIC}} {{value:.4f}} on {{len(test):,}} test rows")
    if arguments.all_rows:
        rows = sorted({{*train, *split["valid"], *test}})
{all_folds}        model = build().fit({all_rows})
    arguments.out.mkdir(parents=True, exist_ok=True)
    model.save(arguments.out)
    told = {{"metric": METRIC, "score": value, "rows": len(test)}}
    (arguments.out / "score.json").write_text(json.dumps(told))
    print(f"saved in {{arguments.out}}")


if __name__ == "__main__":
    main()
"""
WEIGHTS_OF = '''\
def weights_of(table: pd.DataFrame, rows: list[int]) -> np.ndarray:
    """How much each row counts, in units of the mean over some rows."""
    weights = pd.to_numeric(table[WEIGHT], errors="coerce").fillna(0).to_numpy(float)
    return weights / weights[rows].mean()
'''
OF_ROWS = """\
    used = sorted({*train, *split["valid"], *test})
    weights = weights_of(table, used)
"""
TRAIN_FOLDS = """\
    folds = [np.searchsorted(train, held) for held in split["folds"]]
"""
ALL_FOLDS = """\
        dealt = [test[number::FOLDS] for number in range(FOLDS)]
        folds = [
            np.searchsorted(rows, [*held, *more])
            for held, more in zip(split["folds"], dealt, strict=True)
        ]
"""
USES = {"glob": "glob.glob(", "re": "re.fullmatch("}
CHECKPOINT_OPTION = (
    '    parser.add_argument("--checkpoint", default={name}["checkpoint"], help="its folder")\n'
)
SETTLE_CHECKPOINT = '    {name}["checkpoint"] = arguments.checkpoint\n'


@dataclass(frozen=True)
class Written:
    """A script and the packages it imports, as pip calls them."""

    code: str
    packages: tuple[str, ...]


def write(
    problem: Problem,
    reading: Reading,
    table: pd.DataFrame,
    members: Sequence[tuple[Part, float]],
    *,
    metric: str,
    measure: Measure,
    version: str,
    after: Answers = PLAIN,
) -> Written:
    """The script that fits the members again and mixes their answers; `after` is what becomes of
    the mix.

    Raises:
        DataError: What pandas reads (`table`) is not what the run read.
    """
    parts = [part for part, _ in members]
    every = ensembles.every(parts)
    recipes = _named([part.recipe for part in every])
    each = _each(recipes)
    named = {
        part.trial: (recipe.name, _constant(name))
        for part, (name, recipe) in zip(every, each, strict=True)
    }
    is_weighted = problem.weights is not None
    helpers = [helper for recipe in recipes for helper in recipe.helpers]
    blocks = [
        read_code(reading),
        *prepare_code(problem, reading, table),
        truth_code(problem, table),
        *([WEIGHTS_OF] if is_weighted else []),
        *dict.fromkeys(helpers),
        *dict.fromkeys(recipe.code for recipe in recipes),
        *ensembles.blocks(problem, parts),
        ensembles.build(problem, parts, named),
        *after.blocks,
        score_code(metric, measure, after.decided, is_weighted),
        _predict_code(problem, after),
        _main_code(problem, reading, after, _only_checkpoint(each)),
    ]
    chosen = [settings(_constant(name), recipe.settings) for name, recipe in each]
    if len(members) > 1:
        chosen.append(assignment("WEIGHTS", [round(weight, 6) for _, weight in members]))
    chosen += [*ensembles.constants(problem, every), *after.constants]
    head = constants(problem, reading, table)
    if is_weighted:
        head.append(assignment("WEIGHT", problem.weights_column))
    what = "a model" if len(members) == 1 else f"a blend of {len(members)} models"
    return Written(
        "\n".join(
            [
                HEAD.format(what=what, version=version),
                imports(_imports(blocks, recipes, measure, after)),
                "",
                "HERE = Path(__file__).parent",
                "",
                "# Where the data lies, and what its columns hold.",
                *head,
                "",
                "# What was chosen: the metric, and the model with all that was settled.",
                assignment("METRIC", metric),
                *chosen,
                "",
                "",
                "\n\n".join(blocks),
            ]
        ),
        _packages(recipes, reading, after),
    )


def _predict_code(problem: Problem, after: Answers) -> str:
    if not problem.classes:
        return PREDICT_NUMBERS
    decided = after.decided.replace("table", "rows")
    return PREDICT_CLASSES.format(calibrated=after.calibrated, decided=decided)


def _main_code(problem: Problem, reading: Reading, after: Answers, checkpoint: str) -> str:
    is_placed = bool(columns_of(problem).image) and reading.folder is None
    is_weighted = problem.weights is not None

    def rows(name: str) -> str:
        found = [f"inputs.iloc[{name}]", f"truth[{name}]"]
        found += [f"weights[{name}]"] if is_weighted else []
        return ", ".join([*found, *(["folds"] if problem.folds else [])])

    beside = {"table": "table.iloc[test]", "weights": "weights[test]"}
    scored = [beside[name] for name in parameters(after.decided, is_weighted)]
    changed = f"    scores = {after.calibrated}\n" if after.calibrated != "scores" else ""
    return MAIN.format(
        options=CHECKPOINT_OPTION.format(name=checkpoint) if checkpoint else "",
        settle=SETTLE_CHECKPOINT.format(name=checkpoint) if checkpoint else "",
        table="placed(read(arguments.data), arguments.data)"
        if is_placed
        else "read(arguments.data)",
        of_rows=OF_ROWS if is_weighted else "",
        folds=TRAIN_FOLDS if problem.folds else "",
        train=rows("train"),
        calibrated=changed,
        test=", ".join(["truth[test]", "scores", *scored]),
        all_folds=ALL_FOLDS if problem.folds else "",
        all_rows=rows("rows"),
    )


def _each(recipes: Sequence[Recipe]) -> list[tuple[str, Recipe]]:
    """Recipes under a name of their own each, as the settings of two of one class differ."""
    found: list[tuple[str, Recipe]] = []
    for recipe in recipes:
        before = sum(other.name == recipe.name for _, other in found)
        found.append((f"{recipe.name}_{before + 1}" if before else recipe.name, recipe))
    return found


def _named(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Classes and helpers of one name and different code under names of their own."""
    known: dict[str, str] = {}
    found = []
    for recipe in recipes:
        recipe = _apart(recipe, known)
        known |= {_defined(block): block for block in (*recipe.helpers, recipe.code)}
        found.append(recipe)
    return found


def _apart(recipe: Recipe, known: Mapping[str, str]) -> Recipe:
    """A recipe none of whose names stands for other code already."""
    for block in (*recipe.helpers, recipe.code):
        name = _defined(block)
        if known.get(name, block) == block:
            continue
        number = 2
        while f"{name}{number}" in known and known[f"{name}{number}"] != _renamed(
            block, name, f"{name}{number}"
        ):
            number += 1
        new = f"{name}{number}"
        recipe = replace(
            recipe,
            name=new if recipe.name == name else recipe.name,
            code=_renamed(recipe.code, name, new),
            helpers=tuple(_renamed(one, name, new) for one in recipe.helpers),
        )
        return _apart(recipe, known)
    return recipe


def _defined(block: str) -> str:
    """The name that a block of code defines."""
    found = re.search(r"^(?:class |def )?(\w+)(?= = |\(|:)", block, re.MULTILINE)
    return "" if found is None else found[1]


def _renamed(code: str, name: str, new: str) -> str:
    """The code with a function or class under another name, where it is defined and used."""
    code = re.sub(rf"\b{name}\(", f"{new}(", code)
    return code.replace(f"class {name}:", f"class {new}:").replace(f'"{name}":', f'"{new}":')


def _constant(name: str) -> str:
    return name.upper()


def _only_checkpoint(each: Sequence[tuple[str, Recipe]]) -> str:
    """The constant that names the checkpoint, where there is one such."""
    with_one = [_constant(name) for name, recipe in each if "checkpoint" in recipe.settings]
    return with_one[0] if len(with_one) == 1 else ""


def _imports(
    blocks: Sequence[str], recipes: Sequence[Recipe], measure: Measure, after: Answers
) -> list[str]:
    found = [
        *("import argparse", "import json", "import sys", "import numpy as np"),
        *("import pandas as pd", "from pathlib import Path"),
        *([f"from sklearn.metrics import {measure.function}"] if measure.function else []),
        *after.imports,
        *(line for recipe in recipes for line in recipe.imports),
    ]
    text = "\n".join(blocks)
    return found + [f"import {name}" for name, used in USES.items() if used in text]


def _packages(recipes: Sequence[Recipe], reading: Reading, after: Answers) -> tuple[str, ...]:
    every = ["numpy", "pandas", "scikit-learn", *reading.packages]
    every += ["scipy"] if after.imports else []
    return tuple(dict.fromkeys([*every, *(p for recipe in recipes for p in recipe.packages)]))
