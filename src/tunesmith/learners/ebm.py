"""An explainable boosting machine: boosted trees of one column each, then of a few pairs of
columns, so that what each adds can be read as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import BudgetError, ConfigError, did_you_mean
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Problem
from tunesmith.core.space import Choice, Int, Log, config
from tunesmith.learners._additive import Additive, Term, load_additive
from tunesmith.learners._answers import target_scale
from tunesmith.learners._boosting import answer_of, class_weights
from tunesmith.learners._glassbox import KINDS, Boosting, Inputs, Key, State
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import selection_score

LR = 0.03
"""What share of each tree's answer is added; a lower one took longer and scored the same."""
STEP, MOST = 25, 2_000
"""Rounds that are boosted between two looks at the valid rows, and at most."""
PATIENCE = 3
"""Steps without a better loss after which a stage ends."""
UNSEEN = -12.0
"""Logit of a class that no row teaches."""
MAINS, PAIRS = "rounds", "pair_rounds"


@config
class EbmConfig:
    """How the tables of columns and pairs are boosted."""

    max_bins: Annotated[int, Choice(32, 64, 256)] = 256
    """Most bins of a number."""
    max_leaves: Annotated[int, Int(2, 4)] = 3
    """Leaves of a tree."""
    min_samples_leaf: Annotated[int, Int(2, 50, log=True)] = 4
    """Fewest rows of a leaf."""
    l2: Annotated[float, Log(0.1, 100.0)] = 2.0
    """Penalty on the square of a leaf's answer."""
    pairs: Annotated[int, Int(0, 30)] = 5
    """Most pairs of columns that have a table; kept where the valid rows gain by them."""
    pair_bins: Annotated[int, Choice(8, 16, 32)] = 16
    """Most bins of a number in a pair."""
    balanced: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    rising: str = ""
    """Numbers, a comma between, along which the answer (of two classes the chance of the second
    label in sorted order) only rises. They have no pairs."""
    falling: str = ""
    """Such along which it only falls."""
    rounds: int = 0
    """Rounds of the columns; 0 lets the valid rows end the training."""
    pair_rounds: int = 0
    """Rounds of the pairs, where those of the columns are told."""


@dataclass(frozen=True)
class Truth:
    """What the training rows say: codes among the classes that they have, or numbers of mean 0 and
    deviation 1; how much each row counts; where boosting starts."""

    values: NDArray[Any]
    weights: NDArray[np.float64] | None
    start: NDArray[np.float64]
    present: tuple[int, ...]
    mean: float
    scale: float

    @staticmethod
    def of(problem: Problem, balanced: bool) -> Truth:
        mean, scale = target_scale(problem)
        truth, weights = problem.truth("train"), problem.weight("train")
        if not problem.classes:
            return Truth((truth - mean) / scale, weights, np.zeros(1), (), mean, scale)
        if balanced:
            weights = class_weights(truth) * (1 if weights is None else weights)
        present, codes = np.unique(truth, return_inverse=True)
        logs = np.log(np.bincount(codes, weights=weights) + 1e-9)
        start = logs[1:] - logs[0] if len(present) == 2 else logs - logs.max()
        return Truth(codes, weights, start, tuple(map(int, present)), mean, scale)

    def whole(self, scores: NDArray[np.float64], classes: int, gone: float) -> NDArray[np.float64]:
        """Scores of shape (..., outputs) of the classes that are present as those of all classes
        (one output for two), or as numbers of the target's own size."""
        if not classes:
            return scores * self.scale
        if len(self.present) == classes:
            return scores
        two = np.concatenate([np.zeros_like(scores), scores], -1)
        found = np.full((*scores.shape[:-1], classes), gone)
        found[..., list(self.present)] = two if len(self.present) == 2 else scores
        return found[..., 1:] - found[..., :1] if classes == 2 else found


@learners.add("ebm")
class Ebm(Learner[EbmConfig]):
    """Explainable boosting machine of interpret, with pairs of columns.

    Source: Lou et al., "Accurate Intelligible Models with Pairwise Interactions", KDD 2013; Nori et
    al., "InterpretML", 2019.
    """

    config = EbmConfig

    def suits(self, problem: Problem) -> str:
        kinds = {problem.data.column(name).kind for name in problem.inputs}
        if find_spec("interpret") is None:
            return 'interpret-core is not installed: pip install "tunesmith[ebm]"'
        if not kinds <= set(KINDS):
            return "an explainable boosting machine has no table for texts or pictures"
        return ""

    def refuses(self, problem: Problem, config: EbmConfig) -> str:
        try:
            directions(problem, Inputs.of(problem.part("train"), problem.inputs), config)
        except ConfigError as error:
            return str(error)
        return ""

    def idle(self, problem: Problem) -> tuple[str, ...]:
        few = ("pairs", "pair_bins") if len(problem.inputs) < 2 else ()
        return few if problem.classes else (*few, "balanced")

    def fit(self, problem: Problem, config: EbmConfig, seed: int, watch: Watch) -> Fitted:
        boosting, truth = begin(problem, config, seed)
        course = Course(problem, config, seed, watch, truth, boosting)
        if watch.clock.is_over():
            raise BudgetError(f"reading the columns took {watch.clock.elapsed():.1f} s")
        if len(set(boosting.truth.tolist())) < 2:
            return course.model()
        course.stage(MAINS, config.rounds, ())
        if not config.rounds or config.pair_rounds:
            pairs = boosting.pairs(config.pairs, config.pair_bins)
            if pairs and not watch.clock.is_over():
                course.stage(PAIRS, config.pair_rounds, pairs)
        return course.model()

    def load(self, folder: Path) -> Fitted:
        return load_additive(folder)


def begin(problem: Problem, config: EbmConfig, seed: int) -> tuple[Boosting, Truth]:
    """Boosting before its first step."""
    train, truth = problem.part("train"), Truth.of(problem, config.balanced)
    inputs = Inputs.of(train, problem.inputs)
    found = Boosting(
        train,
        problem.part("valid"),
        inputs,
        truth.values,
        truth.weights,
        truth.start,
        bool(problem.classes),
        directions(problem, inputs, config),
        {
            "learning_rate": LR,
            "max_bins": config.max_bins,
            "max_interaction_bins": config.pair_bins,
            "max_leaves": config.max_leaves,
            "min_samples_leaf": config.min_samples_leaf,
            "reg_lambda": config.l2,
        },
        seed,
    )
    return found, truth


def directions(problem: Problem, inputs: Inputs, config: EbmConfig) -> list[int]:
    """By column 1 where the answer may only rise along it, -1 where only fall, else 0.

    Raises:
        ConfigError: One is no column of numbers, is named twice, or there are many classes.
    """
    found = [0] * len(inputs.columns)
    numbers = {name: i for i, (name, kind) in enumerate(inputs.columns) if kind != "category"}
    for about, sign in (("rising", 1), ("falling", -1)):
        for name in filter(None, (one.strip() for one in getattr(config, about).split(","))):
            if len(problem.classes) > 2:
                raise ConfigError(f"ebm.{about}: of more than two classes none rises alone.")
            if name not in numbers:
                raise ConfigError(
                    f"ebm.{about}: there is no column of numbers or dates {name!r}."
                    f"{did_you_mean(name, numbers)}"
                )
            if found[numbers[name]]:
                raise ConfigError(f"ebm.{about}: {name!r} is named twice.")
            found[numbers[name]] = sign
    return found


@dataclass
class Course:
    """The stages of a training, and the best that was seen."""

    problem: Problem
    config: EbmConfig
    seed: int
    watch: Watch
    truth: Truth
    boosting: Boosting

    def __post_init__(self) -> None:
        self.best = self.boosting.state
        self.rounds = {MAINS: 0, PAIRS: 0}
        self.rate = selection_score(self.problem, self.seed)

    def stage(self, name: str, settled: int, pairs: Sequence[Key]) -> None:
        """Boost for as many rounds as were settled, or until the loss of the valid rows gets no
        better; what was best stays. Pairs stay where they gain more than luck would."""
        before, done, waited = self.best, 0, 0
        least = float(self.losses(before).mean()) if name == PAIRS else math.inf
        for rounds in self._steps(settled):
            began = self.watch.clock.elapsed()
            self.boosting.step(rounds, pairs)
            done += rounds
            loss = -math.inf if settled else float(self.losses(self.boosting.state).mean())
            waited = 0 if loss < least or settled else waited + 1
            if not waited:
                least, self.best, self.rounds[name] = loss, self.boosting.state, done
            took = self.watch.clock.elapsed() - began
            if waited >= PATIENCE or self.watch.clock.left() < took:
                break
            score = self.rate(self.answer(self.boosting.state))
            if not settled and name == MAINS and not self.watch.report(score, done / MOST):
                break
        if name == PAIRS and not settled and not self._gains(before):
            self.best, self.rounds[name] = before, 0

    def _gains(self, before: State) -> bool:
        """Whether the loss has fallen by more than one standard error."""
        fallen = self.losses(before) - self.losses(self.best)
        return bool(fallen.mean() > fallen.std() / math.sqrt(len(fallen)))

    def _steps(self, settled: int) -> Iterator[int]:
        most = settled or MOST
        for done in range(0, most, STEP):
            yield min(STEP, most - done)

    def answer(self, state: State) -> Prediction:
        classes = len(self.problem.classes)
        margins = self.truth.whole(state.margins, classes, UNSEEN) + self.truth.mean
        return answer_of(margins, self.problem.classes, 0.0, 1.0)

    def losses(self, state: State) -> NDArray[np.float64]:
        """Of each valid row, by how much it counts: log loss, or squared error."""
        found, truth = self.answer(state), self.problem.truth("valid")
        weights = self.problem.weight("valid")
        if isinstance(found, ClassScores):
            likely = found.probabilities[np.arange(len(truth)), truth]
            each = np.where(truth >= 0, -np.log(np.clip(likely, 1e-12, 1)), 0.0)
        else:
            each = (found.array() - truth) ** 2
        return np.asarray(each if weights is None else each * weights, dtype=np.float64)

    def model(self) -> Additive:
        """The best that was seen, terms that say most first, those that say nothing left out."""
        classes, whole = self.problem.classes, self.truth.whole
        terms = [
            Term(term.bins, whole(term.scores, len(classes), 0.0), term.shares)
            for term in self.best.terms.values()
            if term.scores.any()
        ]
        intercept = whole(self.best.intercept, len(classes), UNSEEN) + self.truth.mean
        terms.sort(key=lambda term: -term.importance)
        return Additive(classes, intercept, tuple(terms), dict(self.rounds))
