"""What a script does with the mean of its models' answers is what the run does."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tunesmith.core.predictions import ClassScores
from tunesmith.core.records import Problem
from tunesmith.data.read import read
from tunesmith.evaluate.calibration import Calibration, Method, fit
from tunesmith.export._answers import Answers, answers
from tunesmith.pipeline.after import After
from tunesmith.pipeline.frame import frame

AMOUNT, TARGET = '"); import os #', "it's {target}"
LABELS = ('say\n"no"', "yes, it's {0}")
SHARES = np.random.default_rng(0).dirichlet(np.ones(2), 300)
TRUTH = (np.random.default_rng(1).random(300) < SHARES[:, 1] ** 2).astype(np.int64)


def opened(code: Answers) -> ModuleType:
    """The functions of some answers."""
    module = ModuleType("train")
    usual = ("import numpy as np", "import pandas as pd")
    exec("\n".join([*usual, *code.imports, *code.constants, *code.blocks]), module.__dict__)
    return module


@pytest.fixture(scope="module")
def problem() -> Problem:
    amounts = (SHARES[:, 0] * 100).round(2)
    rows = {"x": SHARES[:, 1].round(3), AMOUNT: amounts, TARGET: np.array(LABELS)[TRUTH]}
    costs = {LABELS[1]: {LABELS[0]: AMOUNT}, LABELS[0]: {LABELS[1]: 20}}
    return frame(read(pd.DataFrame(rows), target=TARGET), TARGET, seed=0, costs=costs)


@pytest.mark.parametrize("method", ["temperature", "platt", "vector", "isotonic"])
def test_a_calibration_as_code_gives_what_it_gives(method: Method, problem: Problem) -> None:
    before = ClassScores(("a", "b"), SHARES)
    made: Calibration = fit(method, TRUTH, before)
    weights = (0.3, 0.7)
    code = answers(replace(problem, costs=None), made, weights)
    train = opened(code)
    after = After(made, weights).apply(before)
    assert isinstance(after, ClassScores)
    found = train.calibrated(SHARES)
    assert code.calibrated == "calibrated(scores)"
    assert not np.allclose(found, SHARES, atol=1e-3)
    assert np.allclose(found, after.array(), atol=1e-5)
    assert (train.decided(found) == after.codes()).all()
    assert not (train.decided(found) == found.argmax(axis=1)).all()


def test_costs_as_code_choose_the_answer_that_the_run_chooses(problem: Problem) -> None:
    code = answers(problem, None, (0.1, 0.9))
    train, rows = opened(code), problem.parts["test"]
    table = pd.DataFrame({AMOUNT: problem.data.values(AMOUNT)[rows]})
    truth = problem.truth("test")
    priced = problem.priced("test", ClassScores(problem.classes, SHARES[rows]))
    assert isinstance(priced, ClassScores)
    assert priced.costs is not None
    assert code.decided == "decided(scores, table)"
    assert (train.decided(SHARES[rows], table) == priced.codes()).all()
    assert 0 < priced.codes().mean() < 1
    found = train.costs_of(table)[range(len(rows)), truth, priced.codes()]
    assert np.allclose(found, priced.costs.of(truth, priced.codes()))
