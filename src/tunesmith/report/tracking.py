"""The events of a run sent on to MLflow and TensorBoard, as they come or from a journal."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.errors import ConfigError, DataWarning, did_you_mean, need
from tunesmith.core.events import Event, Listener
from tunesmith.report.plots import flat

EXPERIMENT = "tunesmith"
LONGEST_VALUE = 250
STEPS = 1000
"""A trial's whole work, in steps of its curve."""
STATUS = {"done": "FINISHED", "stopped": "FINISHED", "failed": "FAILED"}


class Tracker(ABC):
    """Listens to a run. What it cannot send it says once; the run goes on."""

    def __init__(self) -> None:
        self._is_broken = False

    def __call__(self, event: Event) -> None:
        if self._is_broken:
            return
        try:
            self.send(event)
        except Exception as error:  # whatever a server or a disk of others says
            self._is_broken = True
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            warnings.warn(
                f"{type(self).__name__} takes no more events: {why}", DataWarning, stacklevel=2
            )

    @abstractmethod
    def send(self, event: Event) -> None:
        """Pass one event on."""


class MLflow(Tracker):
    """A run for the fit, and one within it for each trial, where MLFLOW_TRACKING_URI points."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        need("mlflow", extra="track")
        self._folder = folder
        self._client: Any = None
        self._experiment = self._parent = ""
        self._trials: dict[int, str] = {}

    def _begin(self) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient()
        there = self._client.get_experiment_by_name(EXPERIMENT)
        self._experiment = (
            there.experiment_id if there else self._client.create_experiment(EXPERIMENT)
        )
        tags = {"folder": str(self._folder)}
        run = self._client.create_run(self._experiment, run_name=self._folder.name, tags=tags)
        self._parent = run.info.run_id

    def send(self, event: Event) -> None:
        if self._client is None:
            self._begin()
        facts, client, number = event.facts, self._client, event.facts.get("trial")
        if event.kind == "reason":
            client.set_tag(self._parent, facts["about"], str(facts["text"])[:LONGEST_VALUE])
        elif event.kind == "trial":
            self._begin_trial(int(facts["trial"]), facts)
        elif event.kind == "score" and number in self._trials:
            step = round(STEPS * facts["progress"])
            client.log_metric(self._trials[number], "curve", facts["score"], step=step)
        elif event.kind == "result" and number in self._trials:
            self._end_trial(self._trials[number], facts)
        elif event.kind == "best":
            client.log_metric(self._parent, "best", facts["score"], step=int(event.seconds))
        elif event.kind == "final":
            name = facts["metric"].replace("%", " percent")  # MLflow takes no such sign
            client.log_metric(self._parent, f"test_{name}", facts["score"])
        elif event.kind == "end":
            client.set_terminated(self._parent)

    def _begin_trial(self, number: int, facts: dict[str, Any]) -> None:
        tags = {"mlflow.parentRunId": self._parent, "reason": str(facts["reason"])}
        name = f"{number} {facts['learner']}"
        run = self._client.create_run(self._experiment, run_name=name, tags=tags)
        self._trials[number] = run.info.run_id
        for path, value in {"learner": facts["learner"], **flat(facts["config"])}.items():
            self._client.log_param(run.info.run_id, path, str(value)[:LONGEST_VALUE])

    def _end_trial(self, run: str, facts: dict[str, Any]) -> None:
        for name in ("score", "low", "high", "fit_seconds", "predict_ms_per_row", "size_mb"):
            if facts.get(name) is not None:
                self._client.log_metric(run, name, facts[name])
        self._client.set_tag(run, "status", facts["status"])
        self._client.set_terminated(run, status=STATUS[facts["status"]])


class TensorBoard(Tracker):
    """Scalars and notes in the folder `tensorboard` of the run."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        need("tensorboardX", extra="track")
        self._folder = folder / "tensorboard"
        self._writer: Any = None

    def send(self, event: Event) -> None:
        if self._writer is None:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self._folder))
        facts, writer, seconds = event.facts, self._writer, int(event.seconds)
        if event.kind == "score":
            name = f"trials/{facts['trial']:04d}"
            writer.add_scalar(name, facts["score"], round(STEPS * facts["progress"]))
        elif event.kind == "result" and facts.get("score") is not None:
            writer.add_scalar(f"scores/{facts['learner']}", facts["score"], facts["trial"])
            writer.add_scalar("fit_seconds", facts["fit_seconds"], facts["trial"])
        elif event.kind == "best":
            writer.add_scalar("best", facts["score"], seconds)
        elif event.kind == "final":
            writer.add_scalar(f"test/{facts['metric']}", facts["score"], seconds)
        elif event.kind in ("note", "reason"):
            writer.add_text(str(facts.get("about", "note")), str(facts["text"]), seconds)
        elif event.kind == "end":
            writer.close()
        writer.flush()


TRACKERS: dict[str, type[MLflow] | type[TensorBoard]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
}


def trackers(names: Sequence[str], folder: Path) -> tuple[Listener, ...]:
    """The adapters of these names for the run in a folder.

    Raises:
        ConfigError: A name is not known.
        MissingExtra: The package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"There is no tracker {name!r}.{did_you_mean(name, TRACKERS)}")
    return tuple(TRACKERS[name](folder) for name in names)
