"""tunesmith: from labelled data to a fine-tuned, proven, saved model, within a budget of time.

import tunesmith as ts
model = ts.fit("train.csv", target="label", budget="5m")
model.predict("test.csv")
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from tunesmith import _torchvision

# Waiting threads that spin make two threads slower than one beside any other work; OpenMP reads
# this once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_torchvision.watch()

if TYPE_CHECKING:
    from tunesmith.api import TextPrediction, fit, load, resume, scout
    from tunesmith.core.errors import (
        BudgetError,
        ConfigError,
        DataError,
        DataWarning,
        MissingExtra,
        TunesmithError,
        UnsafeArtifact,
        WeightsError,
    )
    from tunesmith.core.records import Budget, Dataset
    from tunesmith.core.space import Choice, Int, Linear, Log
    from tunesmith.predictor import Predictor

__all__ = [
    "Budget",
    "BudgetError",
    "Choice",
    "ConfigError",
    "DataError",
    "DataWarning",
    "Dataset",
    "Int",
    "Linear",
    "Log",
    "MissingExtra",
    "Predictor",
    "TextPrediction",
    "TunesmithError",
    "UnsafeArtifact",
    "WeightsError",
    "fit",
    "load",
    "resume",
    "scout",
]

_HOMES = {
    "fit": "api",
    "load": "api",
    "resume": "api",
    "scout": "api",
    "Predictor": "predictor",
    "TextPrediction": "api",
    "Budget": "core.records",
    "Dataset": "core.records",
    "Choice": "core.space",
    "Int": "core.space",
    "Linear": "core.space",
    "Log": "core.space",
    "BudgetError": "core.errors",
    "ConfigError": "core.errors",
    "DataError": "core.errors",
    "DataWarning": "core.errors",
    "MissingExtra": "core.errors",
    "TunesmithError": "core.errors",
    "UnsafeArtifact": "core.errors",
    "WeightsError": "core.errors",
}


def __getattr__(name: str) -> Any:
    """Public names, imported when first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tunesmith' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tunesmith.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
