"""What a model makes of its columns, as tables, text, pictures, JSON and a page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.printable import inert
from tunesmith.core.runfolder import write_bytes
from tunesmith.explain.whole.credits import MeanCredit
from tunesmith.explain.whole.effects import Effect
from tunesmith.explain.whole.importance import Importance
from tunesmith.predictor.reports import Picture
from tunesmith.report import whole
from tunesmith.report.drawing import FORMATS
from tunesmith.report.page import fragment, page
from tunesmith.report.section import Chart

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GlobalExplanation:
    """What a model makes of its columns. `importance` has a line for each column, the most
    important first; `effects[column]` one for each point of it; `credits` is the mean absolute
    credit of each column, None where none was asked for; `facts` say of what they are, and under
    `left_out` what there was no time for."""

    importance: pd.DataFrame
    effects: Mapping[str, pd.DataFrame]
    credits: pd.DataFrame | None
    facts: Mapping[str, Any]

    @cached_property
    def charts(self) -> dict[str, Chart]:
        """Its pictures with the tables behind them: `importance`, `credits` where there are any,
        and one for each column whose effect is known, by its name."""
        return whole.charts(self.importance, self.effects, self.credits, self.facts)

    def hurried(self) -> str:
        """In words, what there was no time for; empty where there was for all."""
        left = self.facts.get("left_out", ())
        return f"There was no time for {'; '.join(left)}." if left else ""

    def plot(self, *names: str) -> Picture:
        """Some of `charts` as one picture; all where none is named.

        Raises:
            ConfigError: There is no such chart; names those that there are.
            MissingExtra: matplotlib is not installed.
        """
        for name in names:
            if name not in self.charts:
                told = did_you_mean(name, self.charts)
                raise ConfigError(f"There is no picture {name!r} of it.{told}")
        return Picture(*(self.charts[name] for name in names or self.charts))

    def html(self) -> str:
        """A page of its own, light and dark, with a table behind every picture."""
        section = whole.section(self.charts, int(self.facts["rows"]))
        measure = str(self.facts["measure"])
        said = f"By {measure}. {self.hurried()}".strip()
        return page([section], title=whole.TITLE, subtitle=said, folder="a saved model")

    def save(self, file: str | Path) -> Path:
        """Write it: the page, JSON, the importance as CSV, or all pictures as PNG or SVG, by the
        ending.

        Raises:
            ConfigError: The ending is none of these, or the file cannot be written.
        """
        place = Path(file)
        ways = {
            ".html": self.html,
            ".json": self.to_json,
            ".csv": self._csv,
        }
        ending = place.suffix.lower()
        if ending not in (*ways, *FORMATS):
            raise ConfigError(f"{place} must end in one of {', '.join((*ways, *FORMATS))}.")
        try:
            if ending in FORMATS:
                return self.plot().save(place)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(place, ways[ending]().encode(errors="backslashreplace"))
        except OSError as error:
            raise ConfigError(f"{place} cannot be written: {error.strerror}.") from error
        return place

    def _csv(self) -> str:
        names = [inert(str(name)) for name in self.importance["column"]]
        return str(self.importance.assign(column=names).to_csv(index=False, lineterminator="\n"))

    def _repr_html_(self) -> str:
        return fragment(tuple(self.charts.values()))

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
        lines += [self.hurried()] if self.hurried() else []
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

    heads = ["column", "kind", "importance", "low", "high", "between_shuffles", "shuffles"]
    lines = [
        (one.column, one.kind, one.value, one.low, one.high, one.between, one.shuffles)
        for one in found
    ]
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
