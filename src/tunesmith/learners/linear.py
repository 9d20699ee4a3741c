"""A linear model on plain features: TF-IDF of the text, scaled numbers, one-hot categories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.explaining import Heats
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.seeds import generator
from tunesmith.core.space import Choice, Int, config, from_dict, to_dict
from tunesmith.learners._answers import answer, target_scale
from tunesmith.learners._columns import only_contents
from tunesmith.learners._linear_insight import LONGEST_RUN, SHORTEST_RUN, WORD, heats_of
from tunesmith.learners._regularised import (
    Plane,
    best_on_path,
    logistic_path,
    logistic_paths,
    ridge_path,
    shifted,
    unscaled,
)
from tunesmith.learners._resampling import prior_shift, resampled
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.learners._with_embeddings import TableLearner, idle_pictures
from tunesmith.modalities.inputs import Inputs
from tunesmith.zoo.backbones import MOST_SIDE

STRENGTHS = (1.0, 5.0, 20.0, 80.0)
MOST_TERMS = 200_000
SHARE, MOST_SHARE = 1 / 3, 0.6
"""Of the time, what counting words may take, and at most where it cannot be less."""
SAMPLE_ROWS, SAMPLE_LETTERS = 2000, 700_000
"""Rows whose words are counted to see how long counting takes: fewer where texts are long."""


@config
class LinearConfig:
    """How the words become features, and how classes are weighted."""

    words: Annotated[int, Int(1, 3)] = 1
    """Longest run of words that counts as one term."""
    rarest: Annotated[int, Int(1, 5)] = 1
    """A term must stand in at least so many rows."""
    sublinear: Annotated[bool, Choice(True, False)] = True
    """Count a term 1 + log(times) instead of times."""
    characters: Annotated[bool, Choice(False, True)] = False
    """Take runs of 2 to 5 characters within words instead of words: sturdier against typing errors
    and inflection, slower."""
    balanced: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    resample: Literal["none", "under", "over"] = "none"
    """Leave out rows of the commoner classes, or repeat rows of the rarer ones, until all are
    equally frequent; the probabilities are put right afterwards. Not searched unless asked for."""
    pictures: Annotated[str, Choice("none", "embedding")] = "none"
    """What stands for a picture: nothing, or frozen features of an encoder."""
    picture_backbone: str = ""
    """The checkpoint that reads pictures; empty for the smallest on this machine."""
    picture_size: Annotated[int, Choice(0, 64, 96, 128, 160, 224), Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a picture's side; 0 for as many as the checkpoint was trained with."""
    strength: float = 0.0
    """Inverse strength of the regularisation; 0 lets the valid rows choose it on a path."""


@dataclass(frozen=True)
class Terms:
    """TF-IDF with what it learned: its vocabulary in order and the weight of each term."""

    config: LinearConfig
    vocabulary: tuple[str, ...]
    idf: NDArray[np.float64]

    @staticmethod
    def fit(texts: list[str], config: LinearConfig) -> Terms:
        """Learn terms; none where no text holds a word."""
        rarest = min(config.rarest, max(1, len(texts) // 20))
        vectorizer = _vectorizer(config, min_df=rarest, max_features=MOST_TERMS)
        try:
            vectorizer.fit(texts)
        except ValueError:  # scikit-learn's word for an empty vocabulary
            return Terms(config, (), np.empty(0))
        return Terms(config, tuple(vectorizer.get_feature_names_out()), vectorizer.idf_)

    def transform(self, texts: list[str]) -> Any:
        """Sparse float32 matrix of shape (rows, terms)."""
        from scipy import sparse

        if not self.vocabulary:
            return sparse.csr_matrix((len(texts), 0), dtype=np.float32)
        return self._ready.transform(texts)

    @cached_property
    def _ready(self) -> Any:
        """scikit-learn's transformer with what was learned put back into it."""
        vectorizer = _vectorizer(self.config, vocabulary=list(self.vocabulary))
        vectorizer.idf_ = self.idf
        return vectorizer


def _vectorizer(config: LinearConfig, **more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    shape = (
        {"analyzer": "char_wb", "ngram_range": (SHORTEST_RUN, LONGEST_RUN)}
        if config.characters
        else {"ngram_range": (1, config.words), "token_pattern": WORD}
    )
    return TfidfVectorizer(sublinear_tf=config.sublinear, dtype=np.float32, **shape, **more)


@dataclass(frozen=True)
class LinearModel(Fitted):
    """Terms and dense inputs side by side, then a plane."""

    classes: tuple[str, ...]
    inputs: Inputs
    terms: Terms
    plane: Plane
    strength: float
    several: bool = False

    def features(self, data: Dataset) -> Any:
        return _features(self.inputs, self.terms, data)

    def predict(self, data: Dataset) -> Prediction:
        logits = self.plane.logits(self.features(data))
        return answer(logits, self.classes, several=self.several)

    def heat_methods(self) -> frozenset[str]:
        return frozenset({"integrated-gradients"})

    def heats(
        self, data: Dataset, output: int, method: str, clock: Clock | None = None
    ) -> Heats | None:
        if method not in self.heat_methods():
            return None
        if clock and clock.is_over():
            raise BudgetError("The time for this explanation is over.")
        return heats_of(self, data, output)

    def redrawn(self, seed: int) -> LinearModel:
        return replace(self, plane=self.plane.redrawn(seed))

    def settled(self) -> dict[str, Any]:
        return {"strength": self.strength}

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        write_json(
            folder / "model.json",
            {
                "classes": self.classes,
                "inputs": self.inputs.state(),
                "config": to_dict(self.terms.config),
                "vocabulary": self.terms.vocabulary,
                "strength": self.strength,
                "several": self.several,
            },
        )
        tensors = {
            "weights": np.ascontiguousarray(self.plane.weights),
            "bias": self.plane.bias,
            "idf": np.ascontiguousarray(self.terms.idf, dtype=np.float64),
        }
        save_file(tensors, folder / "model.safetensors")


def _affordable(
    inputs: Inputs, train: Dataset, others: int, config: LinearConfig, watch: Watch, seed: int
) -> NDArray[np.int64]:
    """The rows there is time to count the words of, beside so many others: all of them, or as many
    as a third of the time allows, drawn at random.

    Raises:
        BudgetError: There is not even time for a few beside the others.
    """
    rows = np.arange(len(train))
    if not (watch.clock.has_deadline() and inputs.text_names):
        return rows
    chosen = generator(seed, "linear").permutation(len(train))
    sample = inputs.texts(train.take(chosen[:SAMPLE_ROWS]))
    letters = np.cumsum([len(text) for text in sample])
    few = min(len(sample), 1 + int(np.searchsorted(letters, SAMPLE_LETTERS)))
    if len(train) <= 2 * few:
        return rows
    Terms.fit(sample[:1], config)  # the library is loaded: that is no part of what counting takes
    began = watch.clock.elapsed()
    Terms.fit(sample[:few], config).transform(sample[:few])
    seconds = (watch.clock.elapsed() - began) / few
    left = watch.clock.left()
    if seconds * (few + others) > MOST_SHARE * left:
        raise BudgetError(
            f"counting the words of {few + others:,} rows takes about "
            f"{seconds * (few + others):.0f} s and {left:.0f} s are left"
        )
    most = int(SHARE * left / max(seconds, 1e-9)) - others
    return rows if most >= len(rows) else np.sort(chosen[: max(most, few)])


def _resampled(
    problem: Problem, config: LinearConfig, rows: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Which of these training rows are learned from, and what that adds to the logits."""
    if not problem.classes or config.resample == "none":
        return rows, None
    truth, weights = problem.truth("train")[rows], problem.weight("train")
    own = None if weights is None else weights[rows]
    chosen = resampled(truth, config.resample, seed, own)
    return rows[chosen], prior_shift(truth, chosen, len(problem.classes), own)


def _features(inputs: Inputs, terms: Terms, data: Dataset) -> Any:
    from scipy import sparse

    dense = inputs.dense(data)
    if not inputs.text_names:
        return dense
    return sparse.hstack([terms.transform(inputs.texts(data)), dense], format="csr")


@learners.add("linear")
class Linear(TableLearner[LinearConfig]):
    """Logistic or ridge regression along a path of regularisation; the valid part picks the
    strength."""

    config = LinearConfig
    labels = "together"

    def suits(self, problem: Problem) -> str:
        reads = problem.data.with_columns(problem.inputs).of_kind("text")
        return "" if reads else only_contents(problem)

    def refuses(self, problem: Problem, config: LinearConfig) -> str:
        if problem.several and config.resample != "none":
            return "linear.resample is not built for several labels a row"
        return ""

    def idle(self, problem: Problem) -> tuple[str, ...]:
        text = problem.data.with_columns(problem.inputs).of_kind("text")
        of_text = () if text else ("words", "rarest", "sublinear", "characters")
        of_classes = () if problem.classes else ("balanced",)
        return (*of_text, *of_classes, *idle_pictures(problem))

    def fit_columns(
        self, problem: Problem, config: LinearConfig, seed: int, watch: Watch
    ) -> Fitted:
        train, valid = problem.part("train"), problem.part("valid")
        inputs = Inputs.fit(train, problem.inputs)
        rows = _affordable(inputs, train, len(valid), config, watch, seed)
        weights = problem.weight("train")
        rows, shift = _resampled(problem, config, rows, seed)
        train, truth = train.take(rows), problem.truth("train")[rows]
        weights = None if weights is None else weights[rows]
        texts = inputs.texts(train) if inputs.text_names else []
        terms = Terms.fit(texts, config) if texts else Terms(config, (), np.empty(0))
        mean, scale = target_scale(problem)
        features = _features(inputs, terms, train)
        strengths = (config.strength,) if config.strength else STRENGTHS
        if problem.several:
            planes = logistic_paths(
                features,
                truth,
                strengths=strengths,
                clock=watch.clock,
                balanced=config.balanced,
                row_weights=weights,
            )
        elif problem.classes:
            planes = logistic_path(
                features,
                truth,
                len(problem.classes),
                strengths=strengths,
                clock=watch.clock,
                balanced=config.balanced,
                row_weights=weights,
            )
        else:
            target = (truth - mean) / scale
            planes = ridge_path(
                features, target, strengths=strengths, clock=watch.clock, row_weights=weights
            )
        held_out = _features(inputs, terms, valid)
        rate = selection_score(problem, seed, likelihood=by_likelihood(len(valid)))
        plane, place = best_on_path(
            (unscaled(shifted(plane, shift), mean, scale) for plane in planes),
            lambda plane: rate(
                answer(plane.logits(held_out), problem.classes, several=problem.several)
            ),
        )
        return LinearModel(problem.classes, inputs, terms, plane, strengths[place], problem.several)

    def load_columns(self, folder: Path) -> Fitted:
        from safetensors.numpy import load_file

        saved = read_json(folder / "model.json")
        tensors = load_file(folder / "model.safetensors")
        terms = Terms(
            from_dict(LinearConfig, saved["config"]), tuple(saved["vocabulary"]), tensors["idf"]
        )
        plane = Plane(tensors["weights"], tensors["bias"])
        inputs = Inputs.restore(saved["inputs"])
        return LinearModel(
            tuple(saved["classes"]),
            inputs,
            terms,
            plane,
            saved["strength"],
            saved.get("several", False),
        )
