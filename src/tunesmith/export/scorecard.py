"""The scorecard as code, cut and fitted anew in plain numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export._data import columns_of, given
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

HELPERS = (
    '''\
def likelihood(rows: float, goods: float) -> float:
    """Log likelihood of rows that all have the share of good ones that they have."""
    sides = ((goods, goods / max(1, rows)), (rows - goods, 1 - goods / max(1, rows)))
    return sum(count * math.log(share) for count, share in sides if count > 0)
''',
    '''\
def together(one: tuple, other: tuple) -> tuple:
    """Two bins as one: their members, rows, and good rows."""
    return tuple(a + b for a, b in zip(one, other, strict=True))
''',
    '''\
def monotone(bins: list[tuple], sign: int) -> list[tuple]:
    """Bins joined until the share of good rows only rises (sign 1) or falls (-1)."""
    found = []
    for one in bins:
        found.append(one)
        while len(found) > 1:
            last, before = (goods / max(1, rows) for _, rows, goods in found[:-3:-1])
            if sign * (last - before) > 0:
                break
            found[-2:] = [together(*found[-2:])]
    return found
''',
    '''\
def merged(bins: list[tuple], most: int, fewest: float) -> list[tuple]:
    """Neighbours joined, those first that differ least, until few and large enough."""
    bins = list(bins)
    while len(bins) > 1:
        small = {i for i, (_, rows, _) in enumerate(bins) if rows < fewest}
        if len(bins) <= most and not small:
            break
        places = [i for i in range(len(bins) - 1) if not small or {i, i + 1} & small]

        def lost(i: int) -> float:
            pair = together(bins[i], bins[i + 1])
            apart = likelihood(*bins[i][1:]) + likelihood(*bins[i + 1][1:])
            return apart - likelihood(*pair[1:])

        place = min(places, key=lost)
        bins[place : place + 2] = [together(bins[place], bins[place + 1])]
    return bins
''',
)
CODE = '''\
@dataclass
class Scorecard:
    """Columns in a few bins, each worth whole points; the points added up are the answer."""

    bins: int
    least_share: float
    monotone: bool
    strength: float
    base_points: float
    base_odds: float
    double_odds: float

{head}
        counted = {counted}
        self.favoured = int(np.bincount(truth, counted, minlength=2).argmax())
        good = truth == self.favoured
        self.card = {{}}
        columns = []
        for name in table.columns:
            cut = self.cut(table[name], good, counted)
            codes = self.codes(table[name], cut)
            rows = np.bincount(codes, counted, minlength=cut["count"])
            goods = np.bincount(codes, counted * good, minlength=cut["count"])
            odds = (goods + 0.5) / (rows - goods + 0.5)
            sides = counted[good].sum() + 0.5, counted[~good].sum() + 0.5
            evidence = np.log(odds) - math.log(sides[0] / sides[1])
            evidence[rows == 0] = 0
            if rows[-1] < {fewest_missing}:
                evidence[-1] = 0
            if len(set(evidence)) > 1:
                self.card[name] = {{**cut, "evidence": evidence}}
                columns.append(evidence[codes])
        features = np.stack([*columns, np.ones(len(good))], axis=1)
        weights = self.weights(features, np.where(good, 1, -1), counted)
        factor, offset = self.scale()
        kept = sum(weight > 1e-6 for weight in weights[:-1])
        share = (factor * weights[-1] + offset) / max(1, kept)
        self.base = 0 if kept else round(share)
        for name, weight in zip(list(self.card), weights[:-1], strict=True):
            cut = self.card.pop(name)
            if weight > 1e-6:
                points = factor * weight * cut.pop("evidence") + share
                self.card[name] = {{**cut, "points": [round(one) for one in points]}}
        return self

    def scale(self) -> tuple[float, float]:
        """Points are offset + factor times the log odds."""
        factor = self.double_odds / math.log(2)
        return factor, self.base_points - factor * math.log(self.base_odds)

    def cut(self, column: pd.Series, good: np.ndarray, counted: np.ndarray) -> dict:
        """Where a column is cut: edges of a number or date, groups of words."""
        fewest = self.least_share * counted.sum()
        if column.dtype == object:
            place = {{level: i for i, level in enumerate(dict.fromkeys(column))}}
            levels, whole = list(place), np.average(good, weights=counted)
            codes = column.map(place).to_numpy()
            every = self.counted(codes, good, counted, len(place))
            bins = [one for one in every if levels[one[0][0]]]
            bins.sort(key=lambda one: (one[2] + 5 * whole) / (one[1] + 5))
            bins = merged(bins, self.bins, fewest)
            groups = [[levels[i] for i in members] for members, _, _ in bins]
            return {{"groups": groups, "count": len(groups) + 1}}
        numbers = self.numbers(column)
        known = ~np.isnan(numbers)
        values, edges = numbers[known], []
        if len(values):
            places = np.linspace(0, 1, {fine} + 1)[1:-1]
            fine = np.unique(np.quantile(values, places, method="higher"))
            fine = fine[fine > values.min()]
            codes = np.searchsorted(fine, values, side="right")
            bins = self.counted(codes, good[known], counted[known], len(fine) + 1)
            if self.monotone:
                ways = [monotone(bins, sign) for sign in (1, -1)]
                bins = max(ways, key=lambda way: sum(likelihood(*b[1:]) for b in way))
            bins = merged(bins, self.bins, fewest)
            ends = np.cumsum([len(members) for members, _, _ in bins])[:-1]
            edges = [float(fine[end - 1]) for end in ends]
        return {{"edges": edges, "count": len(edges) + 2}}

    def counted(
        self, codes: np.ndarray, good: np.ndarray, counted: np.ndarray, count: int
    ) -> list[tuple]:
        rows = np.bincount(codes, counted, minlength=count)
        goods = np.bincount(codes, counted * good, minlength=count)
        return [((i,), float(rows[i]), float(goods[i])) for i in range(count)]

    def numbers(self, column: pd.Series) -> np.ndarray:
        """Numbers as they are, dates in seconds."""
        if column.dtype.kind == "M":
            column = (column - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
        return column.to_numpy(float)

    def codes(self, column: pd.Series, cut: dict) -> np.ndarray:
        """The bin of each cell; the last is for what is missing or new."""
        last = cut["count"] - 1
        if "groups" in cut:
            place = {{word: i for i, group in enumerate(cut["groups"]) for word in group}}
            return np.array([place.get(word, last) for word in column])
        numbers = self.numbers(column)
        gone = np.isnan(numbers)
        found = np.searchsorted(cut["edges"], np.where(gone, 0, numbers), side="right")
        return np.where(gone, last, found)

    def weights(
        self, features: np.ndarray, sign: np.ndarray, counted: np.ndarray
    ) -> np.ndarray:
        """Logistic regression whose weights are not below zero, the bias last."""

        def loss(plane: np.ndarray) -> tuple[float, np.ndarray]:
            margin = sign * (features @ plane)
            held = np.append(plane[:-1], 0) / self.strength
            slope = features.T @ (-counted * sign * expit(-margin)) + held
            value = counted @ np.logaddexp(0, -margin) + 0.5 * held @ plane
            return value / counted.sum(), slope / counted.sum()

        width = features.shape[1] - 1
        share = np.clip(np.average(sign > 0, weights=counted), 1e-6, 1 - 1e-6)
        start = np.append(np.full(width, 0.5), math.log(share / (1 - share)))
        bounds = [(0, None)] * width + [(None, None)]
        return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        points = np.full(len(table), self.base)
        for name, cut in self.card.items():
            points = points + np.array(cut["points"])[self.codes(table[name], cut)]
        factor, offset = self.scale()
        good = expit((points - offset) / factor)
        return np.column_stack([1 - good, good] if self.favoured else [good, 1 - good])

    def save(self, folder: Path) -> None:
        told = {{"favoured": self.favoured, "base": self.base, "card": self.card}}
        (folder / "scorecard.json").write_text(json.dumps(told))

    def load(self, folder: Path) -> "Scorecard":
        told = json.loads((folder / "scorecard.json").read_text())
        self.favoured, self.base = told["favoured"], told["base"]
        self.card = told["card"]
        return self
'''
ABOUT = {
    "bins": "Most bins of a column, besides that of missing cells.",
    "least_share": "A bin holds at least such a share of the rows.",
    "monotone": "Points only rise, or only fall, along a number.",
    "strength": "Inverse strength of the regularisation, as the validation rows chose it.",
    "base_points": "Points at the base odds.",
    "base_odds": "Odds, of the commoner class, at the base points.",
    "double_odds": "So many points more double the odds.",
}
FINE, FEWEST_MISSING = 24, 20
"""As the learner has them."""


@exporters.add("scorecard")
class ScorecardExporter(Exporter):
    """Monotone bins, weight of evidence, whole points."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        if columns_of(problem).texts:
            return "a scorecard has no points for text"
        return "" if config.get("strength") else "its strength was never settled"

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        settings = {name: Setting(config[name], about) for name, about in ABOUT.items()}
        imports = (
            "import json",
            "import math",
            "from dataclasses import dataclass",
            "from scipy.optimize import minimize",
            "from scipy.special import expit",
        )
        code = CODE.format(
            fine=FINE,
            fewest_missing=FEWEST_MISSING,
            head=fit_head("Scorecard", given(problem)),
            counted="weights" if problem.weights is not None else "np.ones(len(truth))",
        )
        return Recipe("Scorecard", settings, code, imports, ("scipy",), HELPERS)
