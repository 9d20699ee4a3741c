"""What follows the models of a script: their calibration, and which class is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tunesmith.core.records import Problem
from tunesmith.evaluate.calibration import FLOOR, KEPT_SHARE, Calibration
from tunesmith.export._writing import assignment

ROUND = 6
"""Decimals of what was learned from validation rows."""
SCALED = f'''\
def calibrated(scores: np.ndarray) -> np.ndarray:
    """Probabilities that mean what they say, by {{how}}."""
    logits = np.log(np.clip(scores, {FLOOR}, 1))
    return softmax(logits * CALIBRATION["scale"] + CALIBRATION["shift"], axis=1)
'''
ISOTONIC = f'''\
def calibrated(scores: np.ndarray) -> np.ndarray:
    """Probabilities that mean what they say, by isotonic regression; with a little of
    what they were, so that no two rows are tied that were not before."""
    before = scores[:, 1]
    after = np.interp(before, CALIBRATION["before"], CALIBRATION["after"])
    after = {1 - KEPT_SHARE} * after + {KEPT_SHARE} * before
    return np.column_stack([1 - after, after])
'''
BY_WEIGHT = '''\
def decided(scores: np.ndarray) -> np.ndarray:
    """The class to answer in each row: the likeliest, each counting by its weight."""
    return (scores * DECISION_WEIGHTS).argmax(axis=1)
'''
BY_COSTS = '''\
def decided(scores: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """The class to answer in each row: the one that is expected to cost least."""
    return np.einsum("rt,rta->ra", scores, costs_of(table)).argmin(axis=1)
'''
COSTS = '''\
def costs_of(table: pd.DataFrame) -> np.ndarray:
    """What it costs to answer each class where another is true, shape (rows, true
    classes, answered classes)."""
    found = np.tile(np.array(COSTS, dtype=float), (len(table), 1, 1))
{amounts}    return found
'''
AMOUNTS = """\
    for true, answer, factor, column in AMOUNTS:
        found[:, true, answer] += factor * pd.to_numeric(table[column]).to_numpy(float)
"""


@dataclass(frozen=True)
class Answers:
    """What comes after the mean of the models' answers: `constants` are lines, `blocks` functions,
    `calibrated` and `decided` expressions of `scores` (and `table`, the rows as they were read)."""

    constants: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    calibrated: str = "scores"
    decided: str = "scores.argmax(axis=1)"


PLAIN = Answers()


def answers(
    problem: Problem,
    calibration: Calibration | None = None,
    weights: tuple[float, ...] | None = None,
) -> Answers:
    """The code of a calibration, of decision weights or of the problem's costs, which go before
    them."""
    constants, blocks, imports, decided = [], [], [], Answers.decided
    if calibration is not None:
        constants.append("# Learned from answers for validation rows.")
        constants.append(assignment("CALIBRATION", _told(calibration)))
        how = f"{calibration.method.capitalize()} scaling"
        blocks.append(ISOTONIC if calibration.knots else SCALED.format(how=how))
        imports += [] if calibration.knots else ["from scipy.special import softmax"]
    if problem.costs is not None:
        constants.append("# What each answer costs (column) where each class is true (row).")
        constants.append(assignment("COSTS", [list(row) for row in problem.costs.fixed]))
        if problem.costs.amounts:
            constants.append(
                "# True class, answered class, and how often which column's cell more."
            )
            constants.append(assignment("AMOUNTS", list(problem.costs.amounts)))
        blocks += [COSTS.format(amounts=AMOUNTS if problem.costs.amounts else ""), BY_COSTS]
        decided = "decided(scores, table)"
    elif weights is not None:
        about = "How much each class counts when it is decided what to answer."
        constants.append(f"# {about} Tuned on answers for validation rows.")
        constants.append(assignment("DECISION_WEIGHTS", [round(w, ROUND) for w in weights]))
        blocks.append(BY_WEIGHT)
        decided = "decided(scores)"
    return Answers(
        tuple(constants),
        tuple(blocks),
        tuple(imports),
        "scores" if calibration is None else "calibrated(scores)",
        decided,
    )


def _told(calibration: Calibration) -> dict[str, Any]:
    if calibration.knots:
        before, after = zip(*calibration.knots, strict=True)
        return {"before": list(before), "after": list(after)}
    scale, shift = calibration.scale, [round(one, ROUND) for one in calibration.shift]
    is_one = len(set(scale)) == 1
    scales = round(scale[0], ROUND) if is_one else [round(one, ROUND) for one in scale]
    return {"scale": scales, "shift": shift if any(shift) else 0.0}
