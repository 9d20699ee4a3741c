"""What the tabular foundation models have in common: they learn nothing, they read the training
rows with every answer. Their weights lie in a folder of the user's."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError, WeightsError
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.seeds import derive, generator
from tunesmith.learners._answers import target_scale
from tunesmith.learners._columns import only_contents
from tunesmith.learners._tabular_inputs import TabularInputs

ENDINGS = (".ckpt", ".safetensors")
TIMED_CONTEXT, TIMED_ROWS = 256, 32
AT_ONCE = 4096
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Foundation(ABC):
    """One model: its package, where its weights are looked for, what its card allows.

    `repositories` are those of the hub in whose cache weights are looked for too; `newest` the
    files to take by preference, for classes and for numbers; limits are those that its card states.
    """

    name: str
    package: str
    variable: str
    repositories: tuple[str, ...]
    newest: tuple[str, str]
    most_rows: int
    most_columns: int
    most_classes: int
    license: str

    @abstractmethod
    def estimator(self, weights: Path, classes: int, views: int, seed: int) -> Any:
        """scikit-learn's interface to it, not fitted."""

    def why_not(self, problem: Problem) -> str:
        """The reason it cannot learn this; empty where it can."""
        if reason := self.beyond(problem):
            return reason
        if importlib.util.find_spec(self.package) is None:
            return (
                f"the package {self.package!r} is not installed; install it with: "
                f'pip install "tunesmith[{self.package}]"'
            )
        try:
            self.weights("", bool(problem.classes))
        except WeightsError as error:
            return str(error)
        return ""

    def beyond(self, problem: Problem) -> str:
        """What of the problem is more than the model's card allows."""
        if told := only_contents(problem):
            return told
        given = problem.data.with_columns(problem.inputs)
        columns = len(given.of_kind("number", "category", "date"))
        rows = len(problem.parts["train"])
        for count, most, what in (
            (rows, self.most_rows, "training rows"),
            (columns, self.most_columns, "columns"),
            (len(problem.classes), self.most_classes, "classes"),
        ):
            if count > most:
                return f"it is made for at most {most:,} {what}, and there are {count:,}"
        return ""

    def weights(self, told: str, classes: bool) -> Path:
        """The checkpoint: the file told, or found in the folder told, in that of the environment
        variable, or in the cache of the hub.

        Raises:
            WeightsError: There is none; says where it was looked for.
        """
        wanted = self.newest[0 if classes else 1]
        told = told or os.environ.get(self.variable, "").strip()
        if told:
            place = Path(told).expanduser()
            if place.is_file():
                return place
            found = _best(place, wanted, "classif" if classes else "regress")
            if found is None:
                raise WeightsError(
                    f"{place} holds no weights of {self.name} for this task (a file such as "
                    f"{wanted})"
                )
            return found
        for repository in self.repositories:
            for folder in _snapshots(repository):
                if found := _best(folder, wanted, "classif" if classes else "regress"):
                    return found
        raise WeightsError(
            f"no weights of {self.name} are here; put {wanted} ({self.license}; "
            f"huggingface.co/{self.repositories[0 if classes else -1]}) into a folder and name it "
            f"with {self.variable}=FOLDER"
        )

    def known(self, recorded: Path, sha256: str, classes: bool) -> Path:
        """The checkpoint of that hash: where it was when the model was saved, or where one is now.

        Raises:
            WeightsError: It is at neither.
        """
        places = [recorded] if recorded.is_file() else []
        with contextlib.suppress(WeightsError):
            places += [self.weights("", classes)]
        for place in (near for one in places for near in (one, *_siblings(one))):
            if sha256_of(place) == sha256:
                return place
        raise WeightsError(
            f"This model reads its training rows by {recorded.name} of {self.name} "
            f"(sha256 {sha256[:16]}…), which is neither at {recorded} nor where {self.variable} "
            "points. Put that file into a folder and name it with "
            f"{self.variable}=FOLDER."
        )


def _snapshots(repository: str) -> Iterator[Path]:
    """Folders of the hub's own cache that hold a repository, the last fetched first."""
    home = os.environ.get("HF_HUB_CACHE") or os.path.join(
        os.environ.get("HF_HOME", "~/.cache/huggingface"), "hub"
    )
    folder = Path(home).expanduser() / f"models--{repository.replace('/', '--')}" / "snapshots"
    found = [one for one in folder.glob("*") if one.is_dir()] if folder.is_dir() else []
    yield from sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)


def _best(folder: Path, wanted: str, mark: str) -> Path | None:
    """The file wanted, else the last by name of those whose name says that they suit."""
    if (folder / wanted).is_file():
        return folder / wanted
    other = "regress" if mark == "classif" else "classif"
    files = [one for one in folder.glob("*") if one.suffix in ENDINGS and one.is_file()]
    files = [one for one in files if other not in one.name]
    files.sort(key=lambda one: (mark in one.name, one.name))
    return files[-1] if files else None


def _siblings(file: Path) -> list[Path]:
    return sorted(one for one in file.parent.glob("*") if one.suffix in ENDINGS and one != file)


def sha256_of(file: Path) -> str:
    """Of a file's bytes, computed once while it stays as it is."""
    facts = file.stat()
    return _sha256(str(file.resolve()), facts.st_mtime_ns, facts.st_size)


@cache
def _sha256(path: str, changed: int, size: int) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(READ_BYTES):
            found.update(block)
    return found.hexdigest()


def check_plain(weights: Path) -> Mapping[str, Any]:
    """What a checkpoint holds beside its tensors; nothing in it is run.

    Raises:
        WeightsError: It is no checkpoint, or holds more than tensors and plain values.
    """
    import pickle

    import torch

    if weights.suffix == ".safetensors":
        return {}
    try:
        held = torch.load(weights, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, ValueError, EOFError) as error:
        first = str(error).strip().splitlines()[0]
        raise WeightsError(f"{weights} cannot be read as plain weights: {first}") from error
    if not isinstance(held, dict) or not {"config", "state_dict"} <= held.keys():
        raise WeightsError(f"{weights} is no checkpoint: it holds no config and state_dict.")
    return {name: value for name, value in held.items() if name != "state_dict"}


@dataclass(frozen=True)
class InContextModel(Fitted):
    """The training rows, and which weights read them.

    `rows` has shape (rows, columns), numbers as they are and codes of categories, NaN where a
    number is missing; `truth` shape (rows,), class indices or standardised numbers.
    """

    foundation: Foundation
    classes: tuple[str, ...]
    inputs: TabularInputs
    rows: NDArray[np.float64]
    truth: NDArray[Any]
    mean: float
    scale: float
    views: int
    seed: int
    weights: Path
    sha256: str

    @cached_property
    def _ready(self) -> Any:
        """The estimator with the training rows read in; weights are opened once for all answers."""
        made = self.foundation.estimator(self.weights, len(self.classes), self.views, self.seed)
        return made.fit(self.rows, self.truth)

    def predict(self, data: Dataset) -> Prediction:
        rows = self.inputs.raw(data)
        parts = [rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)]
        if not self.classes:
            found = [np.asarray(self._ready.predict(part), dtype=np.float64) for part in parts]
            return Values(np.concatenate([np.empty(0), *found]) * self.scale + self.mean)
        whole = np.zeros((len(rows), len(self.classes)))
        seen = np.unique(self.truth)
        if parts:
            found = [np.asarray(self._ready.predict_proba(part)) for part in parts]
            whole[:, seen] = np.concatenate(found)
        return ClassScores(self.classes, whole / np.maximum(whole.sum(axis=1)[:, None], 1e-12))

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        state = {
            "classes": self.classes,
            "inputs": self.inputs.state(),
            "mean": self.mean,
            "scale": self.scale,
            "views": self.views,
            "seed": self.seed,
            "weights": {"file": str(self.weights), "sha256": self.sha256},
        }
        write_json(folder / "model.json", state)
        tensors = {"rows": self.rows, "truth": self.truth, **self.inputs.tensors()}
        arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        save_file(arrays, folder / "rows.safetensors")


def fit(
    foundation: Foundation, problem: Problem, told: str, views: int, seed: int, watch: Watch
) -> InContextModel:
    """Take the training rows in.

    Raises:
        BudgetError: Answering the valid and test rows would not end in time.
        WeightsError: There are no weights, or no plain ones.
    """
    if reason := foundation.beyond(problem):
        raise BudgetError(reason)
    weights = foundation.weights(told, bool(problem.classes))
    check_plain(weights)
    watch.tell("weights", f"{weights.name}: {foundation.license}")
    train, truth = problem.part("train"), problem.truth("train")
    inputs = TabularInputs.fit(train, problem.inputs, "robust", derive(seed, "topics"))
    mean, scale = target_scale(problem)
    model = InContextModel(
        foundation,
        problem.classes,
        inputs,
        inputs.raw(train),
        truth if problem.classes else (truth - mean) / scale,
        mean,
        scale,
        views,
        derive(seed, foundation.name) % 2**31,
        weights,
        sha256_of(weights),
    )
    _refuse_too_slow(model, problem, watch)
    return model


def _refuse_too_slow(model: InContextModel, problem: Problem, watch: Watch) -> None:
    """Time one view of a few rows, and forecast the rest in proportion to the rows."""
    if not watch.clock.has_deadline():
        return
    some = generator(model.seed, "timing").permutation(len(model.rows))[:TIMED_CONTEXT]
    if len(model.classes) and len(np.unique(model.truth[some])) < 2:
        some = np.arange(len(model.rows))
    few = replace(model, rows=model.rows[some], truth=model.truth[some], views=1)
    asked = problem.part("valid").take(np.arange(min(TIMED_ROWS, len(problem.parts["valid"]))))
    few.predict(asked)
    began = watch.clock.elapsed()
    few.predict(asked)
    one = (watch.clock.elapsed() - began) / (len(some) + len(asked))
    rows = sum(len(problem.parts[part]) for part in ("train", "valid", "test"))
    seconds = one * rows * model.views
    if seconds > watch.clock.left():
        raise BudgetError(
            f"{rows:,} rows take {model.foundation.name} about {seconds:.0f} s and "
            f"{watch.clock.left():.0f} s are left"
        )


def load(foundation: Foundation, folder: Path) -> InContextModel:
    """The model that was saved; its weights are where they were, or where they are now.

    Raises:
        WeightsError: The weights are nowhere.
    """
    from safetensors.numpy import load_file

    saved, tensors = read_json(folder / "model.json"), load_file(folder / "rows.safetensors")
    classes = tuple(saved["classes"])
    sha256 = str(saved["weights"]["sha256"])
    weights = foundation.known(Path(saved["weights"]["file"]), sha256, bool(classes))
    check_plain(weights)
    return InContextModel(
        foundation,
        classes,
        TabularInputs.restore(saved["inputs"], tensors),
        tensors["rows"],
        tensors["truth"],
        saved["mean"],
        saved["scale"],
        saved["views"],
        saved["seed"],
        weights,
        sha256,
    )
