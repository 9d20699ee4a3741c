"""A whole script from its parts: settings at the top, then functions in the order of their use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tunesmith.core.contracts import Recipe
from tunesmith.core.records import Problem
from tunesmith.export._data import (
    Reading,
    constants,
    prepare_code,
    read_code,
    truth_code,
)
from tunesmith.export._scores import Measure, score_code
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
SINGLE = '''\
def build() -> {name}:
    """The model, not fitted yet."""
    return {name}(**{settings})
'''
BLEND = '''\
class Blend:
    """The weighted mean of what several models answer."""

    def __init__(self, models: list, weights: list[float]) -> None:
        self.models = models
        self.weights = weights

    def fit(self, table: pd.DataFrame, truth: np.ndarray) -> "Blend":
        for model in self.models:
            model.fit(table, truth)
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        parts = zip(self.models, self.weights, strict=True)
        return sum(weight * model.scores(table) for model, weight in parts)

    def save(self, folder: Path) -> None:
        for number, model in enumerate(self.models):
            (folder / str(number)).mkdir(parents=True, exist_ok=True)
            model.save(folder / str(number))

    def load(self, folder: Path) -> "Blend":
        for number, model in enumerate(self.models):
            model.load(folder / str(number))
        return self
'''
BUILD_BLEND = '''\
def build() -> Blend:
    """The models, not fitted yet."""
    models = {models}
    return Blend(models, WEIGHTS)
'''
PREDICT_CLASSES = '''\
def predict(rows: pd.DataFrame, folder: str | Path = HERE / "model") -> np.ndarray:
    """The likeliest label of each row of a table, by the model saved in a folder."""
    scores = build().load(Path(folder)).scores(prepare(rows))
    return np.array(CLASSES)[scores.argmax(axis=1)]
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
    table = read(arguments.data)
    split = json.loads((HERE / "split.json").read_text())
    if len(table) != split["rows"]:
        sys.exit(f"The table has {{len(table):,}} rows, not {{split['rows']:,}}.")
    inputs, truth = prepare(table), truth_of(table)
    train, test = split["train"], split["test"]
    model = build().fit(inputs.iloc[train], truth[train])
    value = score(truth[test], model.scores(inputs.iloc[test]))
    print(f"{{METRIC}} {{value:.4f}} on {{len(test):,}} test rows")
    if arguments.all_rows:
        rows = sorted({{*train, *split["valid"], *test}})
        model = build().fit(inputs.iloc[rows], truth[rows])
    arguments.out.mkdir(parents=True, exist_ok=True)
    model.save(arguments.out)
    told = {{"metric": METRIC, "score": value, "rows": len(test)}}
    (arguments.out / "score.json").write_text(json.dumps(told))
    print(f"saved in {{arguments.out}}")


if __name__ == "__main__":
    main()
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
    members: Sequence[tuple[Recipe, float]],
    *,
    metric: str,
    measure: Measure,
    version: str,
) -> Written:
    """The script that fits the members again and mixes their answers.

    Raises:
        DataError: What pandas reads (`table`) is not what the run read.
    """
    named = _named(members)
    names = [recipe.name for recipe, _ in named]
    what = "a model" if len(named) == 1 else f"a blend of {len(named)} models"
    head = constants(problem, reading)
    blocks: list[str] = [
        read_code(reading),
        *prepare_code(problem, reading, table),
        truth_code(problem, table),
    ]
    every = [helper for recipe, _ in named for helper in recipe.helpers]
    blocks += list(dict.fromkeys(every))
    blocks += list(dict.fromkeys(recipe.code for recipe, _ in named))
    chosen = [settings(_constant(name), recipe.settings) for name, (recipe, _) in _each(named)]
    if len(named) == 1:
        blocks.append(SINGLE.format(name=names[0], settings=_constant(names[0])))
    else:
        chosen.append(assignment("WEIGHTS", [round(weight, 6) for _, weight in named]))
        made = [f"{recipe.name}(**{_constant(name)})" for name, (recipe, _) in _each(named)]
        blocks += [BLEND, BUILD_BLEND.format(models=_list_of(made))]
    checkpoint = _only_checkpoint(named)
    blocks += [
        score_code(metric, measure),
        PREDICT_CLASSES if problem.classes else PREDICT_NUMBERS,
        MAIN.format(
            options=CHECKPOINT_OPTION.format(name=checkpoint) if checkpoint else "",
            settle=SETTLE_CHECKPOINT.format(name=checkpoint) if checkpoint else "",
        ),
    ]
    return Written(
        "\n".join(
            [
                HEAD.format(what=what, version=version),
                imports(_imports(blocks, named, measure)),
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
        _packages(named, reading),
    )


def _each(named: Sequence[tuple[Recipe, float]]) -> list[tuple[str, tuple[Recipe, float]]]:
    """Members under a name of their own each, as the settings of two of one class differ."""
    found: list[tuple[str, tuple[Recipe, float]]] = []
    for member in named:
        name = member[0].name
        before = sum(other[0].name == name for _, other in found)
        found.append((f"{name}_{before + 1}" if before else name, member))
    return found


def _named(members: Sequence[tuple[Recipe, float]]) -> list[tuple[Recipe, float]]:
    """Classes and helpers of one name and different code under names of their own."""
    known: dict[str, str] = {}
    found = []
    for recipe, weight in members:
        recipe = _apart(recipe, known)
        known |= {_defined(block): block for block in (*recipe.helpers, recipe.code)}
        found.append((recipe, weight))
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


def _list_of(expressions: Sequence[str]) -> str:
    flat = f"[{', '.join(expressions)}]"
    if len(f"    models = {flat}") <= 88:
        return flat
    return "\n".join(["[", *(f"        {one}," for one in expressions), "    ]"])


def _only_checkpoint(named: Sequence[tuple[Recipe, float]]) -> str:
    """The constant that names the checkpoint, where there is one such."""
    with_one = [_constant(name) for name, (r, _) in _each(named) if "checkpoint" in r.settings]
    return with_one[0] if len(with_one) == 1 else ""


def _imports(
    blocks: Sequence[str], named: Sequence[tuple[Recipe, float]], measure: Measure
) -> list[str]:
    found = [
        *("import argparse", "import json", "import sys", "import numpy as np"),
        *("import pandas as pd", "from pathlib import Path"),
        f"from sklearn.metrics import {measure.function}",
        *(line for recipe, _ in named for line in recipe.imports),
    ]
    text = "\n".join(blocks)
    found += [f"import {name}" for name, used in USES.items() if used in text]
    return found


def _packages(named: Sequence[tuple[Recipe, float]], reading: Reading) -> tuple[str, ...]:
    every = ["numpy", "pandas", "scikit-learn", *reading.packages]
    return tuple(dict.fromkeys([*every, *(p for recipe, _ in named for p in recipe.packages)]))
