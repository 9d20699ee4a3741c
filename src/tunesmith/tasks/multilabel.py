"""Each row has several labels, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Task
from tunesmith.core.multilabel import packed, unpacked
from tunesmith.core.records import Column, Dataset
from tunesmith.data.label_cells import recognised
from tunesmith.tasks._shelf import tasks
from tunesmith.tasks.classification import in_order, reviews

LOPSIDED = 10.0
ROWS_OF_ONE_SET = 20
"""From so many rows on a set of labels has a stratum of its own."""


@tasks.add("multilabel")
class Multilabel(Task):
    """Several labels a row; cells hold them as `core.multilabel` packs them."""

    def claim(self, column: Column, values: NDArray[Any]) -> tuple[float, str]:
        if values.dtype != object:
            return 0.0, f"the target {column.name!r} does not hold words"
        form, reason = recognised(values)
        if form is None:
            return 0.0, f"the target {column.name!r} holds one label a cell"
        return 1.0, (
            f"the target {column.name!r} holds several labels a row, {form}: {reason}; --task "
            "classification takes each cell as one label"
        )

    def classes(self, values: NDArray[Any]) -> tuple[str, ...]:
        return in_order({label for cell in values for label in unpacked(cell)})

    def metric(self, values: NDArray[Any], classes: Sequence[str]) -> tuple[str, str]:
        counts = _counts(values)
        most, middle = max(counts.values()), float(np.median([counts[c] for c in classes]))
        if most > LOPSIDED * middle:
            return "f1_macro", (
                f"the commonest label stands in {most:,} rows and the middle one in {middle:,.0f}: "
                "this counts every label alike"
            )
        return "f1_micro", (
            "precision and recall of all labels pooled: rows without a label do not make it high, "
            "as they do an accuracy"
        )

    def metrics(self, classes: Sequence[str]) -> tuple[str, ...]:
        f1 = ("f1_micro", "f1_macro", "f1_samples")
        more = ("precision_micro", "recall_micro", "roc_auc_ovr", "log_loss")
        return (*f1, "average_precision", "subset_accuracy", "hamming_loss", *more)

    def strata(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """The set of labels where enough rows have it, else the rarest label of the row: both the
        sets that are common and the labels that are rare keep their shares."""
        sets = Counter(values.tolist())
        counts = _counts(values)

        def stratum(cell: str) -> str:
            labels = unpacked(cell)
            if sets[cell] >= ROWS_OF_ONE_SET or not labels:
                return cell
            return min(labels, key=lambda label: (counts[label], label))

        named = {cell: stratum(cell) for cell in sets}
        _, codes = np.unique([named[cell] for cell in values], return_inverse=True)
        return np.asarray(codes, dtype=np.int64)

    def example(self, generator: np.random.Generator) -> tuple[Dataset, str]:
        data = reviews(generator, rows=120)
        good, north = data.values("label") == "good", data.values("shop") == "north"
        old = data.values("age") > 45
        cells = np.empty(len(data), dtype=object)
        marks = zip(good, north & good, old, strict=True)
        cells[:] = [
            packed(n for n, there in zip(("good", "near", "old"), m, strict=True) if there)
            for m in marks
        ]
        columns = (*data.columns, Column("labels", "category", "made up"))
        whole = Dataset(data.source, columns, {**data.cells, "labels": cells}, data.lines)
        return whole.with_columns(("text", "age", "shop", "labels")), "labels"


def _counts(values: NDArray[Any]) -> Counter[str]:
    """In how many rows each label stands."""
    return Counter(label for cell in values for label in unpacked(cell))
