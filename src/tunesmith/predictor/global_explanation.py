"""What a model makes of its columns, as tables, as text and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.explain.whole.credits import MeanCredit
from tunesmith.explain.whole.effects import Effect
from tunesmith.explain.whole.importance import Importance

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GlobalExplanation:
    """What a model makes of its columns. `importance` has a line for each column, the most
    important first; `effects[column]` one for each point of it; `credits` is the mean absolute
    credit of each column, None where none was asked for; `facts` say of what they are."""

    importance: pd.DataFrame
    effects: Mapping[str, pd.DataFrame]
    credits: pd.DataFrame | None
    facts: Mapping[str, Any]

    def to_json(self) -> str:
        """All of it as one JSON object."""
        return json.dumps(self.told(), allow_nan=False)

    def told(self) -> dict[str, Any]:
        """All of it as JSON says it."""
        return {
            **self.facts,
            "importance": _lines(self.importance),
            "effects": {name: _lines(frame) for name, frame in self.effects.items()},
            "credits": None if self.credits is None else _lines(self.credits),
        }

    def __str__(self) -> str:
        facts = self.facts
        lines = [f"{facts['measure']} ({facts['rows']:,} rows, {facts['repeats']} shuffles)"]
        wide = max((len(name) for name in self.importance["column"]), default=0)
        for row in _lines(self.importance):
            about = "" if (row["low"] or 0) > 0 else "  may be nothing"
            ends = f"[{row['low']:.4f}, {row['high']:.4f}]"
            lines.append(f"  {row['column']:<{wide}}  {row['importance']:9.4f} {ends}{about}")
        for name, frame in self.effects.items():
            ranked = sorted(_lines(frame), key=lambda line: float(line["mean"]))
            ends = ", ".join(
                f"{one['mean']:.4g} at {one['shown']}" for one in (ranked[0], ranked[-1])
            )
            lines.append(f"{facts['output']} by {name}: {ends}")
        return "\n".join(lines)


def _lines(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int) or value is None else str(value)


def importance_frame(found: Sequence[Importance]) -> pd.DataFrame:
    """A line for each column."""
    import pandas as pd

    heads = ["column", "kind", "importance", "low", "high", "between_shuffles"]
    lines = [(one.column, one.kind, one.value, one.low, one.high, one.between) for one in found]
    return pd.DataFrame(lines, columns=heads)


def effect_frame(found: Effect) -> pd.DataFrame:
    import pandas as pd

    low, high = np.percentile(found.rows, [10, 90], axis=0)
    frame = pd.DataFrame(
        {
            "point": found.points,
            "shown": found.shown,
            "mean": found.mean,
            "low": low,
            "high": high,
            "local": found.local,
            "share": found.shares,
        }
    )
    frame.attrs["rows"] = found.rows
    return frame


def credit_frame(found: Sequence[MeanCredit]) -> pd.DataFrame:
    import pandas as pd

    heads = ["column", "credit", "low", "high", "signed"]
    lines = [(one.column, one.value, one.low, one.high, one.signed) for one in found]
    return pd.DataFrame(lines, columns=heads)
