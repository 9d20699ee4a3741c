"""The report of a model: its facts told as sections, and these as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.runfolder import write_bytes
from tunesmith.report import drawing
from tunesmith.report.board import board_of
from tunesmith.report.facts import Facts
from tunesmith.report.page import fragment, page
from tunesmith.report.section import Block, Chart, Section, Table, Tiles, charts
from tunesmith.report.sections import sections
from tunesmith.report.sections.card import licences
from tunesmith.report.sections.glance import glance
from tunesmith.report.sections.leaderboard import board
from tunesmith.report.written import as_json, as_markdown

FORMS = (".html", ".json", ".md")
FEW_ROWS = 10
"""Of a leaderboard in a notebook's cell."""


@dataclass(frozen=True)
class Report:
    """What is told of a model, in sections: as a page, as JSON, as a model card in Markdown."""

    facts: Facts
    sections: tuple[Section, ...]

    @staticmethod
    def of(facts: Facts) -> Report:
        return Report(facts, sections(facts))

    @property
    def title(self) -> str:
        return f"Report: {self.facts.target}"

    def html(self) -> str:
        """One page that fetches nothing."""
        where = str(self.facts.folder)
        subtitle = f"{self.facts.model.get('task', '')} of {self.facts.target!r}, run {where}"
        return page(self.sections, title=self.title, subtitle=subtitle, folder=where)

    def json(self) -> dict[str, Any]:
        """Every section with all its numbers."""
        return as_json(self.sections, title=self.title, folder=str(self.facts.folder))

    def markdown(self) -> str:
        """A model card."""
        return as_markdown(self.sections, self.title, dict(_front(self.facts)))

    def write(self, file: Path) -> Path:
        """Write it in the form that the ending of the file says.

        Raises:
            ConfigError: The file ends otherwise, or lies inside a saved model.
            DataError: It cannot be written.
        """
        check_place(file)
        if file.suffix.lower() == ".html":
            text = self.html()
        elif file.suffix.lower() == ".json":
            text = json.dumps(self.json(), indent=1, ensure_ascii=False, allow_nan=False)
        else:
            text = self.markdown()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, text.encode(errors="backslashreplace"))
        return file

    def picture(self, *names: str) -> Picture:
        """Charts by their names, one below the other; all where none is named.

        Raises:
            ConfigError: There is no such chart; names those that there are.
            MissingExtra: matplotlib is not installed.
        """
        known = charts(self.sections)
        for name in names:
            if name not in known:
                raise ConfigError(f"There is no picture {name!r} of it.{did_you_mean(name, known)}")
        if not known:
            raise ConfigError(f"There is nothing to draw of {self.facts.folder}.")
        return Picture(*(known[name] for name in names or known))

    def _repr_html_(self) -> str:
        return fragment([block for one in self.sections for block in one.blocks])


class Picture:
    """A chart, shown in a notebook, or saved as PNG or SVG."""

    def __init__(self, *charts: Chart) -> None:
        self.charts = charts
        self.figure = drawing.figure(charts)
        """Of matplotlib, to be changed before it is saved."""

    def save(self, file: str | Path) -> Path:
        """Raises:
        ConfigError: The file does not end in .png or .svg.
        """
        drawing.write(self.figure, Path(file))
        return Path(file)

    def _repr_png_(self) -> bytes:
        return drawing.content(self.figure, "png")

    def _repr_mimebundle_(self, **asked: Any) -> dict[str, Any]:
        says = " ".join(chart.says for chart in self.charts)
        return {"image/png": self._repr_png_(), "text/plain": says}


class Leaderboard(list[dict[str, Any]]):
    """Trials, best first; a table in a notebook."""

    def __init__(self, rows: list[dict[str, Any]], metric: str) -> None:
        super().__init__(rows)
        self.metric = metric

    def _repr_html_(self) -> str:
        return fragment([board(self, self.metric)])


def check_place(file: Path) -> None:
    """Raises:
    ConfigError: A report cannot be written there.
    """
    if file.suffix.lower() not in FORMS or file.is_dir():
        raise ConfigError(f"{file} must be a file that ends in one of {', '.join(FORMS)}.")
    inside = next(
        (one for one in file.absolute().parents if (one / "manifest.json").is_file()), None
    )
    if inside is not None:
        raise ConfigError(
            f"{file} lies inside the saved model {inside}, which would not open with another file "
            "in it. Write the report elsewhere, with --out FILE (file=)."
        )


def usual_place(folder: Path, place: Path) -> Path:
    """Where the report of a run folder lies; of a saved model alone beside it."""
    if folder != place:
        return folder / "report.html"
    return folder.absolute().with_name(f"{folder.absolute().name}-report.html")


def in_short(facts: Facts) -> str:
    """A model in a notebook's cell: the numbers that are read first, and the best trials."""
    blocks: list[Block] = [one for one in glance(facts).blocks if isinstance(one, Tiles)]
    rows = board_of(facts.summary)[:FEW_ROWS]
    table = board(rows, facts.metric)
    blocks.append(Table(f"The best {len(rows)} trials", table.heads, table.rows))
    return fragment(blocks)


def _front(facts: Facts) -> Iterator[tuple[str, Any]]:
    """What a hub reads at the head of a model card."""
    weights = list(licences(facts))
    if weights:
        yield "license", ", ".join(dict.fromkeys(str(one[1]) for one in weights))
        yield "base_model", [str(one[0]) for one in weights]
    yield "library_name", "tunesmith"
    yield "tags", [str(facts.model.get("task", "")), "tunesmith"]
    yield "metrics", [facts.metric]
    score: Mapping[str, Any] = facts.summary
    low, high = score.get("interval") or (None, None)
    yield "results", {"value": score.get("score"), "low": low, "high": high}
