"""Models of a script that are made of others: the mean of folds, a stack, a blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.core.contracts import Recipe
from tunesmith.core.records import Problem
from tunesmith.export._data import given
from tunesmith.export._writing import INDENT, WIDTH, assignment, call, fit_head

LEAST = 1e-4
"""Of a probability, as the learner has it."""
FOLDS = '''\
class Folds:
    """A model for each fold, fitted to all rows but those; they answer by their mean."""

    def __init__(self, kind: type, settings: dict) -> None:
        self.models = [kind(**settings) for _ in range(FOLDS)]
        self.is_fitted = False

{head}
        """`folds` are the rows that each model does not learn from. Whoever asks again
        finds it fitted."""
        if self.is_fitted:
            return self
        for model, held in zip(self.models, folds, strict=True):
            rest = np.delete(np.arange(len(table)), held)
            model.fit({arguments})
        self.is_fitted = True
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        return np.mean([model.scores(table) for model in self.models], axis=0)
{unseen}
    def save(self, folder: Path) -> None:
        for number, model in enumerate(self.models):
            (folder / f"fold-{{number}}").mkdir(parents=True, exist_ok=True)
            model.save(folder / f"fold-{{number}}")

    def load(self, folder: Path) -> "Folds":
        for number, model in enumerate(self.models):
            model.load(folder / f"fold-{{number}}")
        return self
'''
UNSEEN = '''
    def unseen(self, table: pd.DataFrame, folds: list) -> np.ndarray:
        """Answers for the rows it was fitted to, by those models that had not seen them."""
        parts = [
            pd.DataFrame(model.scores(table.iloc[held]), index=held)
            for model, held in zip(self.models, folds, strict=True)
        ]
        return pd.concat(parts).groupby(level=0).mean().to_numpy(){column}
'''
STACK = '''\
class Stack:
    """A model over the answers of others, learned from answers for rows that those had
    not seen."""

    def __init__(self, bases: list, top: Folds, with_inputs: bool) -> None:
        self.bases = bases
        self.top = top
        self.with_inputs = with_inputs

    def over(self, answers: list[np.ndarray], table: pd.DataFrame) -> pd.DataFrame:
        """A table of the answers, as {what}, and the inputs beside them."""
        columns = {{}}
        for number, answer in enumerate(answers):
{columns}
        found = pd.DataFrame(columns, index=table.index)
        return found.join(table) if self.with_inputs else found

{head}
        for base in self.bases:
            base.fit({arguments})
        above = self.over([base.unseen(table, folds) for base in self.bases], table)
        self.top.fit({above})
        return self

    def unseen(self, table: pd.DataFrame, folds: list) -> np.ndarray:
        above = self.over([base.unseen(table, folds) for base in self.bases], table)
        return self.top.unseen(above, folds)

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        above = self.over([base.scores(table) for base in self.bases], table)
        return self.top.scores(above)

    def save(self, folder: Path) -> None:
        for number, model in enumerate([self.top, *self.bases]):
            (folder / f"model-{{number}}").mkdir(parents=True, exist_ok=True)
            model.save(folder / f"model-{{number}}")

    def load(self, folder: Path) -> "Stack":
        for number, model in enumerate([self.top, *self.bases]):
            model.load(folder / f"model-{{number}}")
        return self
'''
LOG_ODDS = (
    "log odds",
    f"""\
            logs = np.log(np.clip(answer, {LEAST}, 1 - {LEAST}))
            columns[f"{{ANSWER}} {{number}}"] = logs[:, 1] - logs[:, 0]""",
)
LOG_SHARES = (
    "log probabilities",
    f"""\
            logs = np.log(np.clip(answer, {LEAST}, 1 - {LEAST}))
            for code in range(len(CLASSES)):
                columns[f"{{ANSWER}} {{number}} {{code}}"] = logs[:, code]""",
)
NUMBERS = ("they are", '            columns[f"{ANSWER} {number}"] = answer')
BLEND = '''\
class Blend:
    """The weighted mean of what several models answer."""

    def __init__(self, models: list, weights: list[float]) -> None:
        self.models = models
        self.weights = weights

    def fit(self, *rows: object) -> "Blend":
        """`rows` are the inputs, the truth, and what else each model takes."""
        for model in self.models:
            model.fit(*rows)
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
BUILD = '''\
def build() -> {kind}:
    """{about}, not fitted yet."""
{lines}
'''


@dataclass(frozen=True)
class Part:
    """One model of a script: as its recipe says; or, with others `below`, a stack in which the
    recipe's model answers over theirs, `with_inputs` or without. Parts of one trial are the same
    model, whoever uses it."""

    recipe: Recipe
    trial: int
    below: tuple[Part, ...] = ()
    with_inputs: bool = False


def every(parts: Sequence[Part]) -> list[Part]:
    """All parts, each once, those below a stack before it."""
    found: dict[int, Part] = {}
    for part in parts:
        found |= {one.trial: one for one in every(part.below)}
        found[part.trial] = part
    return list(found.values())


def answer_name(problem: Problem) -> str:
    """What columns of the answers of models begin with, unlike any input."""
    name = "model"
    while any(column.startswith(name) for column in problem.inputs):
        name += "'"
    return name


def constants(problem: Problem, parts: Sequence[Part]) -> list[str]:
    """The lines that say into how many folds, and what answers are called."""
    found = [assignment("FOLDS", len(problem.folds))] if problem.folds else []
    if any(part.below for part in parts):
        found.append(assignment("ANSWER", answer_name(problem)))
    return found


def blocks(problem: Problem, members: Sequence[Part]) -> list[str]:
    """The classes for so many members."""
    found, rows = [], fitted_to(problem)
    is_stacked = any(part.below for part in every(members))
    if problem.folds:
        unseen = UNSEEN.format(column="" if problem.classes else "[:, 0]")
        taken = ["table.iloc[rest]", *(f"{name}[rest]" for name in rows[1:-1])]
        found.append(
            FOLDS.format(
                head=fit_head("Folds", rows),
                arguments=", ".join(taken),
                unseen=unseen if is_stacked else "",
            )
        )
    if is_stacked:
        what, columns = NUMBERS
        if problem.classes:
            what, columns = LOG_ODDS if len(problem.classes) == 2 else LOG_SHARES
        found.append(
            STACK.format(
                what=what,
                columns=columns,
                head=fit_head("Stack", rows),
                arguments=", ".join(rows),
                above=", ".join(["above", *rows[1:]]),
            )
        )
    return [*found, BLEND] if len(members) > 1 else found


def fitted_to(problem: Problem) -> list[str]:
    """What the method `fit` of what `build()` gives is given."""
    return [*given(problem), *(["folds"] if problem.folds else [])]


def build(problem: Problem, members: Sequence[Part], named: Mapping[int, tuple[str, str]]) -> str:
    """The function `build()`; `named` are the class and the constant of each part's recipe."""
    parts = every(members)
    kind = "Blend" if len(members) > 1 else "Stack" if members[0].below else ""
    if len(parts) == 1:
        made = _made(problem, *named[parts[0].trial])
        kind = "Folds" if problem.folds else named[parts[0].trial][0]
        return BUILD.format(kind=kind, about="The model", lines=f"    return {made}")
    names: dict[int, str] = {}
    lines = []
    for part in parts:
        name, constant = named[part.trial]
        names[part.trial] = f"over_{constant.lower()}" if part.below else constant.lower()
        made = _made(problem, name, constant)
        start = f"    {names[part.trial]} = "
        if part.below:
            below = _listed([names[one.trial] for one in part.below], 2)
            arguments = [below, made, f"with_inputs={part.with_inputs}"]
            made = call("Stack", arguments, taken=len(start), indent=1)
        lines.append(start + made)
    if len(members) == 1:
        lines.append(f"    return {names[members[0].trial]}")
    else:
        models = f"    models = {_listed([names[one.trial] for one in members], 1)}"
        lines += [models, "    return Blend(models, WEIGHTS)"]
    return BUILD.format(kind=kind, about="The models", lines="\n".join(lines))


def _made(problem: Problem, name: str, constant: str) -> str:
    return f"Folds({name}, {constant})" if problem.folds else f"{name}(**{constant})"


def _listed(names: Sequence[str], indent: int) -> str:
    """A list of names in a statement so many steps in."""
    flat = f"[{', '.join(names)}]"
    if len(INDENT * indent) + len("models = ") + len(flat) <= WIDTH:
        return flat
    each = "".join(f"{INDENT * (indent + 1)}{name},\n" for name in names)
    return f"[\n{each}{INDENT * indent}]"
