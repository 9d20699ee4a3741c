"""Made-up reviews as a problem, and a run that tells nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.events import Journal
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.runfolder import RunFolder
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.run import Run
from tunesmith.tasks.classification import reviews


@pytest.fixture
def data() -> Dataset:
    made = reviews(np.random.default_rng(0), 200)
    return made.with_columns(("text", "age", "shop", "label"))


@pytest.fixture
def problem(data: Dataset) -> Problem:
    return frame(data, "label", seed=0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = RunFolder.create(tmp_path / "run")
    clock = Clock()
    return Run(folder, Journal(folder.journal, clock), clock, 0, True, 4)
