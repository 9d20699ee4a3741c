"""The artifact: a folder of JSON and safetensors that holds a whole model and runs no code.

predictor.json   format, task, target, columns, classes, metric, costs, weights, how several labels
                 are written, reasons, members, what comes after their mean
members/0/…      what each member's learner wrote, with folds in fold-0/ and so on
metrics.json     the scores it was saved with
architecture.json, .svg
                 the network of the member that counts most, where one tells it
golden.json      a few rows with their answers, asked again on load
profile.json     what the rows of the fit looked like, where that was kept: sketches, no texts
manifest.json    size and sha256 of every other file
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Fitted
from tunesmith.core.costs import Costs
from tunesmith.core.errors import DataError, TunesmithError, UnsafeArtifact
from tunesmith.core.multilabel import LabelForm
from tunesmith.core.predictions import ClassScores, Labels, Prediction, mix, row_drift
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.runfolder import read_json, write_bytes, write_json
from tunesmith.data.pictures import DATA_URI
from tunesmith.learners import learners
from tunesmith.learners._folded import open_model
from tunesmith.nn.tally import FROZEN
from tunesmith.pipeline import architectures, background
from tunesmith.pipeline.after import ABOUT_AFTER, NOTHING, After

FORMAT = 1
BACKGROUND = "background.json"
PROFILE = "profile.json"
GOLDEN_ROWS = 4
LEAST_SHARED_BYTES = 10_000
PICTURES_AT_ONCE = 1024
"""Of 224 pixels they take 154 MB, beside what one batch takes in the network."""
TOLERANCE = 0.02
"""Of a probability, or of a number's own size: what another processor may round differently."""
AGAIN = "Take it again from where it was saved."


@dataclass(frozen=True)
class Member:
    """One model of the blend: where it is saved, by which learner, and how much it counts."""

    learner: str
    backbone: str
    folder: Path
    weight: float
    trial: int


@dataclass(frozen=True)
class Model:
    """A loaded artifact."""

    task: str
    target: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...]
    metric: str
    members: tuple[tuple[Fitted, float], ...]
    facts: Mapping[str, Any]
    costs: Costs | None = None
    weights: str = ""
    """The column of the row weights that it was fitted and scored with."""
    after: After = NOTHING
    label_form: LabelForm | None = None
    """How several labels a row are written; None where a row has one answer."""
    background: Dataset | None = None
    """Typical cells of the training rows, by which answers are explained."""

    @property
    def inputs(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.name != self.target)

    def predict(self, data: Dataset) -> Prediction:
        """The weighted mean of the members' answers, and what comes after it. Pictures that lie
        in files are read and answered so many at a time, so that a folder may be of any size."""
        if not _lies_in_files(data):
            return self.after.apply(self._mean(data))
        every = np.arange(len(data))
        starts = range(0, max(1, len(data)), PICTURES_AT_ONCE)
        parts = [self._mean(data.take(every[i : i + PICTURES_AT_ONCE])) for i in starts]
        return self.after.apply(
            parts[0].with_array(np.concatenate([part.array() for part in parts]))
        )

    def _mean(self, data: Dataset) -> Prediction:
        parts = [fitted.predict(data) for fitted, _ in self.members]
        return mix(parts, [weight for _, weight in self.members])

    def decide(self, data: Dataset, found: Prediction) -> Prediction:
        """Its answers for these rows with what answers cost there, so that it decides by that.

        Raises:
            DataError: An amount is missing or below zero.
        """
        if self.costs is None or not isinstance(found, ClassScores):
            return found
        return replace(found, costs=self.costs.of(data))


Profiler = Callable[[Model], bytes | None]
"""What an artifact is to remember of its rows, as the bytes of a file; None for nothing."""


def _lies_in_files(data: Dataset) -> bool:
    """Whether rows have pictures that are not in memory anyway."""
    cells = (cell for name in data.of_kind("image") for cell in data.values(name))
    return any(cell is not None and not cell.startswith(DATA_URI) for cell in cells)


def save(
    folder: Path,
    problem: Problem,
    members: Sequence[Member],
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
    after: After = NOTHING,
    profile: Profiler = lambda model: None,
) -> None:
    """Write an artifact into a new folder. Member folders are linked where that can be done."""
    try:
        folder.mkdir(parents=True)
        for number, member in enumerate(members):
            _link(member.folder, folder / "members" / str(number))
    except OSError as error:
        raise DataError(
            f"Cannot save the model in {folder}: {error.strerror}. "
            "Free some space or choose another folder with --folder."
        ) from error
    names = [*problem.inputs, problem.target]
    columns = [problem.data.column(name) for name in names]
    spec = {
        "format": FORMAT,
        "task": problem.task,
        "target": problem.target,
        "columns": [{"name": c.name, "kind": c.kind, "reason": c.reason} for c in columns],
        "classes": problem.classes,
        "metric": problem.metric,
        "costs": None if problem.costs is None else problem.costs.plain(),
        "weights": problem.weights_column,
        "label_form": problem.label_form.plain() if problem.label_form else None,
        "reasons": dict(problem.reasons),
        "members": [_told(member) for member in members],
        "after": after.to_json(),
        "facts": dict(facts),
    }
    write_json(folder / "predictor.json", spec)
    write_json(folder / "metrics.json", metrics)
    model = _write_golden(folder, problem, spec)
    _write_background(folder, problem)
    _write_architecture(folder, members)
    if (known := profile(model)) is not None:
        write_bytes(folder / PROFILE, known)
    _write_manifest(folder)


def save_like(
    folder: Path,
    like: Path,
    members: Sequence[Member],
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
    after: After,
) -> None:
    """Write an artifact of other members for the problem of an artifact that is there, whose golden
    rows it answers in its own way, with what comes `after` the mean of its own members.

    Raises:
        DataError: It cannot be written.
        UnsafeArtifact: The one that is there is not as it was saved.
    """
    _check_files(like)
    spec, golden = _read(like / "predictor.json"), _read(like / "golden.json")
    spec |= {"members": [_told(member) for member in members], "facts": dict(facts)}
    told = {name: why for name, why in spec["reasons"].items() if name not in ABOUT_AFTER}
    spec |= {"after": after.to_json(), "reasons": {**told, **after.reasons}}
    try:
        for number, member in enumerate(members):
            _link(member.folder, folder / "members" / str(number))
    except OSError as error:
        raise DataError(f"Cannot save the model in {folder}: {error.strerror}.") from error
    model = _model(folder, spec)
    answers = model.predict(_golden_rows(golden, model.inputs)).array()
    write_json(folder / "predictor.json", spec)
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "golden.json", {**golden, "answers": answers.tolist()})
    _write_architecture(folder, members)
    if (like / BACKGROUND).is_file():
        _link_file(like / BACKGROUND, folder / BACKGROUND)
    if (profile := profile_in(like)) is not None:
        write_bytes(folder / PROFILE, profile)
    _write_manifest(folder)


def profile_in(folder: Path) -> bytes | None:
    """The profile of an artifact, to be kept with another model of the same rows, whose encoder
    sees them otherwise; None where it has none."""
    file = folder / PROFILE
    if not file.is_file():
        return None
    told = {**_read(file), "features": None}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _told(member: Member) -> dict[str, Any]:
    return {
        "learner": member.learner,
        "version": learners[member.learner].version,
        "backbone": member.backbone,
        "weight": member.weight,
        "trial": member.trial,
    }


def _link(source: Path, place: Path) -> None:
    place.mkdir(parents=True)
    for file in sorted(source.rglob("*")):
        to = place / file.relative_to(source)
        if file.is_dir():
            to.mkdir()
            continue
        _link_file(file, to)


def _link_file(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except OSError:
        shutil.copy2(file, to)


def _write_golden(folder: Path, problem: Problem, spec: Mapping[str, Any]) -> Model:
    """Write down what the model, as it was saved, answers; gives the model."""
    rows = problem.parts["valid"][:GOLDEN_ROWS]
    data = problem.data.take(rows).with_columns(problem.inputs)
    with FROZEN.checking():
        model = _model(folder, spec)
        answers = model.predict(data).array()
    cells = {name: [_to_json(value) for value in data.values(name)] for name in data.names}
    write_json(folder / "golden.json", {"cells": cells, "answers": answers.tolist()})
    return model


def _write_background(folder: Path, problem: Problem) -> None:
    found = background.typical(problem)
    cells = {name: [_to_json(value) for value in found.values(name)] for name in found.names}
    write_json(folder / BACKGROUND, {"cells": cells})


def _write_architecture(folder: Path, members: Sequence[Member]) -> None:
    places = (folder / "members" / str(number) for number in range(len(members)))
    weights = (member.weight for member in members)
    architectures.write_heaviest(folder, tuple(zip(places, weights, strict=True)))


def _to_json(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    return None if math.isnan(value) else float(value)


def _from_json(column: Column, values: Sequence[Any]) -> NDArray[Any]:
    if column.kind == "number":
        return np.array([math.nan if v is None else v for v in values], dtype=np.float64)
    if column.kind == "date":
        return np.array(["NaT" if v is None else v for v in values], dtype="datetime64[s]")
    found = np.empty(len(values), dtype=object)
    found[:] = list(values)
    return found


def _write_manifest(folder: Path) -> None:
    """List every file. Equal ones are then one on the disk, as the frozen weights of one checkpoint
    under several members are; where files cannot be linked they stay several."""
    files = _hashes(folder)
    first: dict[str, Path] = {}
    for name, facts in files.items():
        file = folder / name
        same = first.setdefault(facts["sha256"], file)
        if facts["bytes"] < LEAST_SHARED_BYTES or same.samefile(file):
            continue
        with contextlib.suppress(OSError):
            beside = file.with_name(f".{file.name}.new")
            os.link(same, beside)
            beside.replace(file)
    write_json(folder / "manifest.json", {"format": FORMAT, "files": files})


def _hashes(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        file.relative_to(folder).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": _sha256(file),
        }
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "manifest.json"
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load(folder: Path) -> Model:
    """Open an artifact: every file as the manifest says, every golden row answered as before.

    Raises:
        UnsafeArtifact: A file is missing, added or changed, or an answer differs.
    """
    _check_files(folder)
    spec = _read(folder / "predictor.json")
    if spec.get("format") != FORMAT:
        raise UnsafeArtifact(
            f"{folder} is of format {spec.get('format')!r}; this version of tunesmith reads "
            f"format {FORMAT}. Install the version that wrote it."
        )
    try:
        model = _with_background(_model(folder, spec), folder)
        _check_golden(folder, model)
    except UnsafeArtifact:
        raise
    except Exception as error:  # anything may come out of a file that someone else wrote
        why = (
            str(error) if isinstance(error, TunesmithError) else f"{type(error).__name__}: {error}"
        )
        raise UnsafeArtifact(
            f"{folder} does not hold what its learners wrote: {why.rstrip('.')}. {AGAIN}"
        ) from error
    return model


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_json(file)
    except DataError as error:
        raise UnsafeArtifact(f"{error} {AGAIN}") from error


def _plain_files(folder: Path) -> dict[str, Path]:
    """Every file below by its name in the manifest. Looks at kinds only and opens none of them.

    Raises:
        UnsafeArtifact: There is a link, a pipe, a socket or a device.
    """
    found, ahead = {}, [folder]
    while ahead:
        try:
            entries = sorted(ahead.pop().iterdir())
            kinds = [entry.lstat().st_mode for entry in entries]
        except OSError as error:
            raise UnsafeArtifact(
                f"{error.filename} cannot be read: {error.strerror}. {AGAIN}"
            ) from error
        for entry, kind in zip(entries, kinds, strict=True):
            if stat.S_ISDIR(kind):
                ahead.append(entry)
            elif stat.S_ISREG(kind):
                found[entry.relative_to(folder).as_posix()] = entry
            else:
                what = "a link" if stat.S_ISLNK(kind) else "not a plain file"
                raise UnsafeArtifact(
                    f"{entry} is {what}; an artifact holds plain files only. {AGAIN}"
                )
    return found


def _check_tensors(file: Path) -> None:
    """Refuse a safetensors file whose header does not fit its bytes; reads the header only."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except (OSError, SafetensorError) as error:
        raise UnsafeArtifact(f"{file} is not a whole safetensors file: {error}. {AGAIN}") from error


def _check_files(folder: Path) -> None:
    there = _plain_files(folder)
    listed = _read(folder / "manifest.json").get("files")
    if not isinstance(listed, dict) or not all(isinstance(v, dict) for v in listed.values()):
        raise UnsafeArtifact(f"{folder / 'manifest.json'} lists no files. {AGAIN}")
    there.pop("manifest.json")
    if set(there) != set(listed):
        gone, more = sorted(set(listed) - set(there)), sorted(set(there) - set(listed))
        raise UnsafeArtifact(
            f"{folder} is not as it was saved: missing {gone[:3] or 'nothing'}, added "
            f"{more[:3] or 'nothing'}. {AGAIN}"
        )
    for name, file in there.items():
        facts = listed[name]
        if file.stat().st_size != facts.get("bytes") or _sha256(file) != facts.get("sha256"):
            raise UnsafeArtifact(
                f"{file} was changed after it was saved: its sha256 is not that of the manifest. "
                f"{AGAIN}"
            )
        if file.suffix == ".safetensors":
            _check_tensors(file)


def _model(folder: Path, spec: Mapping[str, Any]) -> Model:
    members = []
    for number, member in enumerate(spec["members"]):
        learner = learners[member["learner"]]
        if learner.version != member["version"]:
            raise UnsafeArtifact(
                f"{folder}: member {number} was written by version {member['version']} of the "
                f"learner {member['learner']!r}; here is version {learner.version}."
            )
        fitted = open_model(member["learner"], folder / "members" / str(number))
        members.append((fitted, float(member["weight"])))
    return Model(
        task=spec["task"],
        target=spec["target"],
        columns=tuple(Column(**column) for column in spec["columns"]),
        classes=tuple(spec["classes"]),
        metric=spec["metric"],
        members=tuple(members),
        facts={**spec["facts"], "reasons": spec["reasons"], "members": spec["members"]},
        costs=Costs.restore(spec.get("costs")),
        weights=spec.get("weights", ""),
        after=After.from_json(spec.get("after")),
        label_form=LabelForm.restore(spec.get("label_form")),
    )


def _with_background(model: Model, folder: Path) -> Model:
    """The model with what it was saved with, or what stands for it in models saved before."""
    if not (folder / BACKGROUND).is_file():
        golden = _golden_rows(_read(folder / "golden.json"), model.inputs)
        return replace(model, background=background.unknown(model.inputs, golden))
    cells = _read(folder / BACKGROUND)["cells"]
    held = {c.name: _from_json(c, cells[c.name]) for c in model.inputs}
    (count,) = {len(values) for values in held.values()}
    lines = np.arange(1, count + 1, dtype=np.int64)
    return replace(model, background=Dataset(BACKGROUND, model.inputs, held, lines))


def _golden_rows(golden: Mapping[str, Any], inputs: Sequence[Column]) -> Dataset:
    cells = {c.name: _from_json(c, golden["cells"][c.name]) for c in inputs}
    lines = np.arange(1, len(golden["answers"]) + 1, dtype=np.int64)
    return Dataset("golden.json", tuple(inputs), cells, lines)


def _check_golden(folder: Path, model: Model) -> None:
    golden = _read(folder / "golden.json")
    found = model.predict(_golden_rows(golden, model.inputs))
    wanted = np.array(golden["answers"])
    classes = found.classes if isinstance(found, ClassScores | Labels) else ()
    if found.array().shape != wanted.shape or classes != model.classes:
        raise UnsafeArtifact(
            f"{folder} answers its golden rows with an array of shape {found.array().shape} over "
            f"{len(classes)} classes; saved were {wanted.shape} and {len(model.classes)}. {AGAIN}"
        )
    room = TOLERANCE if model.classes else TOLERANCE * np.abs(wanted).max() + 1e-6
    drift = row_drift(found.array(), wanted)
    if not drift <= room:
        raise UnsafeArtifact(
            f"{folder} answers its golden rows otherwise than when it was saved (a row by "
            f"{drift:.3g}). A library it depends on may have changed; see predictor.json."
        )
