"""Each row has one label, of two or of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Task
from tunesmith.core.records import Column, Dataset
from tunesmith.data.label_cells import recognised
from tunesmith.tasks._shelf import tasks

FEW_NUMBERS = 20
RARE = 0.2
LOPSIDED = 10.0


def label_of(value: Any) -> str | None:
    """A cell as a label: text as it is, whole numbers without a point, None where missing."""
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return None if value is None else str(value)


def labels(values: NDArray[Any]) -> NDArray[np.object_]:
    """The cells of a target column as labels, shape (rows,)."""
    found = np.empty(len(values), dtype=object)
    found[:] = [label_of(value) for value in values]
    return found


def in_order(found: Collection[str]) -> tuple[str, ...]:
    """Labels by the alphabet, or by size where all are numbers."""
    try:
        return tuple(sorted(found, key=lambda label: (float(label), label)))
    except ValueError:
        return tuple(sorted(found))


@tasks.add("classification")
class Classification(Task):
    """One label a row."""

    def claim(self, column: Column, values: NDArray[Any]) -> tuple[float, str]:
        if column.kind != "number":
            count = len({value for value in values if value is not None})
            form, why_not = recognised(values)
            more = f"; {why_not}; --task multilabel parts them all the same" if why_not else ""
            told = f"the target {column.name!r} holds {count:,} labels{more}"
            return (1.0 if form is None else 0.5), told
        known = values[~np.isnan(values)]
        distinct = np.unique(known)
        whole = bool((distinct == np.round(distinct)).all())
        if whole and len(distinct) <= min(FEW_NUMBERS, max(2, len(known) // 5)):
            told = ", ".join(str(int(value)) for value in distinct[:5])
            more = ", …" if len(distinct) > 5 else ""
            return 0.9, (
                f"the target {column.name!r} holds only {len(distinct)} distinct whole numbers "
                f"({told}{more}), taken as labels; --task regression takes them as amounts"
            )
        return 0.1, f"the target {column.name!r} holds {len(distinct):,} distinct numbers"

    def classes(self, values: NDArray[Any]) -> tuple[str, ...]:
        return in_order({value for value in labels(values) if value is not None})

    def metric(self, values: NDArray[Any], classes: Sequence[str]) -> tuple[str, str]:
        counts = sorted(Counter(value for value in values if value is not None).values())
        share = counts[0] / sum(counts)
        if len(counts) == 2 and share < RARE:
            return "roc_auc", (
                f"only {100 * share:.1f} % of the rows have the rarer label: accuracy would reward "
                "never answering it"
            )
        if len(counts) > 2 and counts[-1] > LOPSIDED * float(np.median(counts)):
            return "f1_macro", (
                f"the largest class has {counts[-1]:,} rows and the middle one "
                f"{np.median(counts):,.0f}: this counts every class alike"
            )
        return "accuracy", "the classes are not far from balanced, and everybody can read it"

    def metrics(self, classes: Sequence[str]) -> tuple[str, ...]:
        shared = ("accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "log_loss", "mcc")
        if len(classes) == 2:
            ranked = ("roc_auc", "average_precision", "ks", "lift_at_5%", "brier")
            return (*shared, "precision", "recall", "f1", *ranked)
        return (*shared, "precision_macro", "recall_macro", "roc_auc_ovr")

    def strata(self, values: NDArray[Any]) -> NDArray[np.int64]:
        _, codes = np.unique(values.astype(str), return_inverse=True)
        return codes.astype(np.int64)

    def example(self, generator: np.random.Generator) -> tuple[Dataset, str]:
        return reviews(generator, rows=120), "label"


GOOD = ("lovely", "soft", "warm", "perfect", "great")
BAD = ("awful", "cheap", "torn", "scratchy", "poor")
PLAIN = ("dress", "coat", "shirt", "fabric", "size", "colour", "button", "sleeve")


def reviews(generator: np.random.Generator, rows: int) -> Dataset:
    """Made-up reviews whose words decide the label, with a number, a category and a score that
    depends on all of them."""
    good = generator.random(rows) < 0.5
    words = [
        " ".join([*generator.choice(GOOD if g else BAD, 2), *generator.choice(PLAIN, 6)])
        for g in good
    ]
    age = generator.integers(18, 80, rows).astype(np.float64)
    shop = generator.choice(["north", "south"], rows).astype(object)
    cells: dict[str, NDArray[Any]] = {
        "text": np.array(words, dtype=object),
        "age": age,
        "shop": shop,
        "label": np.array(["good" if g else "bad" for g in good], dtype=object),
        "stars": 1.0 + 3.0 * good + age / 80 + (shop == "north"),
    }
    kinds: dict[str, Any] = {
        "text": "text",
        "age": "number",
        "shop": "category",
        "label": "category",
        "stars": "number",
    }
    columns = tuple(Column(name, kind, "made up") for name, kind in kinds.items())
    return Dataset("reviews", columns, cells, np.arange(2, rows + 2, dtype=np.int64))
