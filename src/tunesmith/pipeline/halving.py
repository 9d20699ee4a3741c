"""A network of half the blocks of the best one that was fine-tuned: who learns from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith import zoo
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem, Result
from tunesmith.core.space import default, from_dict, leaves
from tunesmith.learners import learners
from tunesmith.pipeline.standing import rank
from tunesmith.zoo.backbones import kept_of

SMALLER, LEARNER = "smaller", "neural"
"""The name of that student, and the learner that it is of."""
GOALS = frozenset({"latency", "size", "parameters", "memory"})
"""What a smaller network gains."""


def halved(problem: Problem, results: Sequence[Result]) -> Any:
    """The config of the best fine-tuned network, with half of its blocks, from the input up, and
    nothing skipped.

    Raises:
        ConfigError: None was fine-tuned, or it has one block already.
    """
    tuned = [result for result in rank(problem, results) if result.trial.learner == LEARNER]
    if not tuned:
        raise ConfigError("there is no smaller network to distil into: none was fine-tuned")
    config = from_dict(learners[LEARNER].config, tuned[0].trial.config)
    count = zoo.card_for(config.backbone).blocks
    kept = kept_of(config.blocks, count)
    if kept < 2:
        raise ConfigError("there is no smaller network to distil into: the best has one block")
    values = {path: value for path, value in leaves(config).items() if path not in CUT}
    return default(type(config), {**values, "blocks": (kept // 2) / count})


CUT = ("blocks", "skip", "skipped")
