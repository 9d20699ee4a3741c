"""What a fine-tuning in a script learns: its target, how much rows and classes count, the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.records import Problem

CLASS_LOSS = """\
            loss = torch.nn.functional.cross_entropy(
                answer, wanted[chosen], label_smoothing=self.label_smoothing{weights}
            )"""
LOSS_BY_ROW = """\
            loss = torch.nn.functional.cross_entropy(
                answer,
                wanted[chosen],
                label_smoothing=self.label_smoothing,{weights}
                reduction="none",
            )
"""
FOCAL_LOSS = """\
            right = answer.softmax(dim=1).gather(1, wanted[chosen][:, None])[:, 0]
            loss = loss * (1 - right).clamp(min=1e-8) ** self.focal
"""
ROW_LOSS = """\
            loss = loss * counted[chosen]
"""
NUMBER_LOSS = """\
            loss = torch.nn.functional.mse_loss(answer[:, 0], wanted[chosen])"""
WEIGHTED_NUMBER_LOSS = """\
            loss = (counted[chosen] * (answer[:, 0] - wanted[chosen]) ** 2).mean()"""
COUNTED = """\
        counted = torch.tensor(weights, dtype=torch.float32, device=DEVICE)
"""
CLASS_TARGET = "        wanted = torch.tensor(truth, device=DEVICE)\n"
CLASS_WEIGHTS = """\
        counts = np.maximum(np.bincount(truth{weights}, minlength=len(CLASSES)), 1)
        heavier = np.minimum({total} / (len(counts) * counts), 10.0)
        heavier = torch.tensor(heavier, dtype=torch.float32, device=DEVICE)
"""
NUMBER_TARGET = """\
        self.mean, self.deviation = float(truth.mean()), float(truth.std()) or 1.0
        wanted = (truth - self.mean) / self.deviation
        wanted = torch.tensor(wanted, dtype=torch.float32, device=DEVICE)
"""


def target(problem: Problem, config: Mapping[str, Any]) -> str:
    """The lines that set `wanted`, and where they count, `heavier` (classes) and `counted`
    (rows)."""
    counted = problem.weights is not None
    lines = CLASS_TARGET if problem.classes else NUMBER_TARGET
    if problem.classes and config["class_weights"]:
        lines += CLASS_WEIGHTS.format(
            weights=", weights" if counted else "",
            total="weights.sum()" if counted else "len(truth)",
        )
    return lines + (COUNTED if counted else "")


def loss(problem: Problem, config: Mapping[str, Any]) -> str:
    """The lines that set `loss` from `answer`, `wanted` and the rows `chosen`."""
    counted = problem.weights is not None
    if not problem.classes:
        return WEIGHTED_NUMBER_LOSS if counted else NUMBER_LOSS
    heavier, focal = config["class_weights"], config["focal"]
    if not (counted or focal):
        return CLASS_LOSS.format(weights=", weight=heavier" if heavier else "")
    lines = LOSS_BY_ROW.format(weights="\n                weight=heavier," if heavier else "")
    lines += (FOCAL_LOSS if focal else "") + (ROW_LOSS if counted else "")
    mean = "loss.sum() / heavier[wanted[chosen]].sum()" if heavier else "loss.mean()"
    return f"{lines}            loss = {mean}"
