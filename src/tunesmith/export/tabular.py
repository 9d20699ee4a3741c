"""Networks for tables as code: TabM, RealMLP, ResNet, FT-Transformer, and a plain loop of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _encoder, _tabular_networks
from tunesmith.export._data import Columns, columns_of, given
from tunesmith.export._rates import STEPS, rate_code
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

WARMUP, BETA, HEAVIEST = 0.05, 0.98, 10.0
MOST_LEVELS, FEW_LEVELS = 1000, 20
"""As the learner has them."""
COMMON = f'''\
def common_levels(cells: pd.Series) -> list[str]:
    """The words that stand in more than one row, of a column of few words all of them."""
    counts = cells[cells != ""].value_counts()
    if len(counts) >= {FEW_LEVELS}:
        counts = counts[counts > 1]
    return sorted(counts.index[:{MOST_LEVELS}])
'''
ROBUST = '''\
def scale_of(known: np.ndarray) -> dict:
    """The middle of a column, and the range of its middle half."""
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    spread = high - low if high > low else (known.max() - known.min()) / 2
    return {"center": middle, "spread": spread}


def scaled(values: np.ndarray, scale: dict) -> np.ndarray:
    """Numbers about 0, far ones drawn in smoothly."""
    away = (values - scale["center"]) / scale["spread"]
    return away / np.sqrt(1 + (away / 3) ** 2)
'''
QUANTILE = '''\
def scale_of(known: np.ndarray) -> dict:
    """The middle of a column, and its quantiles at equal steps."""
    steps = np.linspace(0, 1, min(256, max(2, len(known))))
    return {"center": np.median(known), "references": np.quantile(known, steps)}


def scaled(values: np.ndarray, scale: dict) -> np.ndarray:
    """Numbers as those of a normal distribution at their rank, the middle one of equals."""
    references = scale["references"]
    steps = np.linspace(0, 1, len(references))
    below = np.interp(-values, -references[::-1], -steps[::-1])
    rank = (np.interp(values, references, steps) - below) / 2
    return ndtri(np.clip(rank, 1e-5, 1 - 1e-5))
'''
CODE = '''\
@dataclass
class {name}:
    """A network for tables, trained as long as was found best."""

{fields}

    def raw(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Every number before scaling, by its name."""
{raw}
        return found

    def arrays(self, table: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor]:
        """Scaled numbers, a gap being 0, and codes: {codes_are}."""
        raw, numbers, codes = self.raw(table), [], []
        for name, scale in self.scales.items():
            gone = np.isnan(raw[name])
            values = scaled(np.where(gone, scale["center"], raw[name]), scale)
            numbers.append(np.where(gone, 0.0, values))
            if name in self.gaps:
                codes.append(gone)
{codes}
        sides = [
            np.stack(one, axis=1) if one else np.empty((len(table), 0))
            for one in (numbers, codes)
        ]
        return (
            torch.tensor(sides[0], dtype=torch.float32, device=DEVICE),
            torch.tensor(sides[1], dtype=torch.int64, device=DEVICE),
        )

    def network_of(self) -> Network:
        outputs = {outputs}
        network = Network(
{made}        )
        return network.to(DEVICE)

    def groups(self) -> list[dict]:
        """Parameters: without decay what is no matrix, and what embeds the inputs."""
        found = []
        for name, parameter in self.network.named_parameters():
            inside = name.startswith("features.") or "embedding" in name
            bare = inside or parameter.ndim < 2 or not name.endswith("weight")
            decay = 0.0 if bare else self.weight_decay
            lr = self.lr * self.network.rate(name)
            found.append({{"params": [parameter], "lr": lr, "weight_decay": decay}})
        return found

{head}
        torch.manual_seed(self.seed)
        dice = np.random.default_rng(self.seed)
        raw = self.raw(table)
        known = {{name: values[~np.isnan(values)] for name, values in raw.items()}}
        self.scales = {{
            name: scale_of(values)
            for name, values in known.items()
            if len(values) and values.min() < values.max()
        }}
        self.gaps = [name for name in self.scales if np.isnan(raw[name]).any()]
{learned}        numbers, codes = self.arrays(table)
        self.numbers = numbers.shape[1]
        self.levels = {levels}
{edges}        self.network = self.network_of()
{target}{steps}            answer = self.network(numbers[rows], codes[rows])
            members = answer.shape[1]
            answer = answer.flatten(0, 1)
            truths = wanted[rows].repeat_interleave(members)
{loss}
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
            optimizer.step()
        return self

    @torch.no_grad()
    def scores(self, table: pd.DataFrame) -> np.ndarray:
        self.network.eval()
        parts = zip(*(one.split(4096) for one in self.arrays(table)), strict=True)
        found = torch.cat([self.network(*part).double() for part in parts])
        return {answers}

    def save(self, folder: Path) -> None:
        told = {{key: one for key, one in self.__dict__.items() if key != "network"}}
        joblib.dump(told, folder / "columns.joblib")
        save_file(self.network.state_dict(), folder / "network.safetensors")

    def load(self, folder: Path) -> "{name}":
        # A joblib file can run code as it is opened: open none but your own.
        self.__dict__.update(joblib.load(folder / "columns.joblib"))
        self.network = self.network_of()
        self.network.load_state_dict(load_file(folder / "network.safetensors"))
        return self
'''
RAW_NUMBERS = """\
        found = {name: table[name].to_numpy(float) for name in NUMBERS}"""
RAW_DATES = """\
        for name in DATES:
            hours = ((table[name] - pd.Timestamp(0)) / pd.Timedelta(hours=1)).to_numpy()
            found[f"{name}: day"], found[f"{name}: hour"] = np.divmod(hours, 24)"""
CATEGORY_CODES = """\
        for name, known in self.words.items():
            places = {word: place for place, word in enumerate([*known, None, ""])}
            new = len(known)
            codes.append(np.array([places.get(word, new) for word in table[name]]))"""
DATE_CODES = """\
        for name in DATES:
            codes.append(table[name].dt.day_of_week.fillna(7).to_numpy(int))
            codes.append((table[name].dt.month - 1).fillna(12).to_numpy(int))"""
EDGES = """\
        self.edges = bins(numbers.cpu().numpy(), self.bins, dice)
"""
CLASS_TARGET = """\
        wanted = torch.tensor(truth, device=DEVICE)
"""
HEAVIER = f"""\
        counts = np.maximum(np.bincount(truth, minlength=len(CLASSES)), 1)
        heavier = np.minimum(len(truth) / (len(counts) * counts), {HEAVIEST})
        heavier = torch.tensor(heavier, dtype=torch.float32, device=DEVICE)
"""
NUMBER_TARGET = """\
        self.mean, self.deviation = float(truth.mean()), float(truth.std()) or 1.0
        wanted = (truth - self.mean) / self.deviation
        wanted = torch.tensor(wanted, dtype=torch.float32, device=DEVICE)
"""
CLASS_LOSS = """\
            loss = torch.nn.functional.cross_entropy(
                answer, truths, label_smoothing=self.label_smoothing{weights}
            )"""
NUMBER_LOSS = """\
            loss = torch.nn.functional.mse_loss(answer[:, 0], truths)"""


@exporters.add("tabular")
class TabularExporter(Exporter):
    """A network for tables with the epochs that were settled."""

    slower = 2.0

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        columns = columns_of(problem)
        if columns.texts:
            return "there is no code for texts in a network for tables"
        if not columns.has_dense:
            return "there are no columns that it reads"
        if problem.weights is not None:
            return "there is no code for row weights in a network for tables"
        if not config["clip"]:
            return "there is no code for gradients without a limit"
        return "" if config["stop_after"] else "its epochs were never settled"

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        columns, classes = columns_of(problem), problem.classes
        network = _tabular_networks.network_code(config["network"])
        settings = {**network.settings, **_settings(problem, config)}
        name = f"{config['network']['kind']}Network"
        code = CODE.format(
            name=name,
            fields="\n".join(f"    {key}: {_kind(one)}" for key, one in settings.items()),
            head=fit_head(name, given(problem)),
            made=network.made,
            outputs="len(CLASSES)" if classes else "1",
            edges=EDGES if network.cuts else "",
            target=_target(problem, config),
            loss=_loss(problem, config),
            answers="found.softmax(dim=2).mean(dim=1).cpu().numpy()"
            if classes
            else "found.mean(dim=1)[:, 0].cpu().numpy() * self.deviation + self.mean",
            steps=STEPS.format(beta=BETA, warmup=WARMUP),
            **_columns(columns),
        )
        is_robust = config["scaling"] == "robust"
        helpers = [
            *(_encoder.DEVICE, *((COMMON,) if columns.categories else ())),
            *(ROBUST if is_robust else QUANTILE).split("\n\n\n"),
            *(*network.helpers, rate_code(config["schedule"])),
        ]
        imports = (
            *("import joblib", "import math", "import torch"),
            *("from dataclasses import dataclass", *network.imports),
            "from safetensors.torch import load_file, save_file",
            *(() if is_robust else ("from scipy.special import ndtri",)),
        )
        packages = ("joblib", "torch", "safetensors", *network.packages)
        packages += () if is_robust else ("scipy",)
        whole = tuple(one if one.endswith("\n") else f"{one}\n" for one in helpers)
        return Recipe(name, settings, code, imports, packages, whole)


def _kind(setting: Setting) -> str:
    return type(setting.value).__name__


def _columns(columns: Columns) -> dict[str, str]:
    """What the code does with columns of each kind."""
    raw = [RAW_NUMBERS if columns.numbers else "        found = {}"]
    codes, told, counts = [], ["whether a number is missing"], ["[2] * len(self.gaps)"]
    if columns.categories:
        codes.append(CATEGORY_CODES)
        told.append("of categories")
        counts.append("[len(known) + 2 for known in self.words.values()]")
    if columns.dates:
        raw.append(RAW_DATES)
        codes.append(DATE_CODES)
        told.append("weekdays, months")
        counts.append("[8, 13] * len(DATES)")
    learned = "        self.words = {name: common_levels(table[name]) for name in CATEGORIES}\n"
    levels = " + ".join(counts)
    if len(f"        self.levels = {levels}") > 88:
        lines = "".join(f"            *{one},\n" for one in _bracketed(counts))
        levels = f"[\n{lines}        ]"
    return {
        "raw": "\n".join(raw),
        "codes": "\n".join(codes),
        "codes_are": ", ".join(told),
        "learned": learned if columns.categories else "",
        "levels": levels,
    }


def _bracketed(counts: list[str]) -> list[str]:
    return [f"({one})" if " * " in one else one for one in counts]


def _settings(problem: Problem, config: Mapping[str, Any]) -> dict[str, Setting]:
    rows = len(problem.folds[0][0] if problem.folds else problem.parts["train"])
    size = config["batch_size"]
    size = size or int(min(1024, max(32, 2 ** round(math.log2(2.5 * math.sqrt(rows))))))
    found = {}
    if problem.classes:
        about = "Share of the target that is spread over all classes."
        found["label_smoothing"] = Setting(config["label_smoothing"], about)
    return found | {
        "lr": Setting(config["lr"], "Peak learning rate."),
        "weight_decay": Setting(config["weight_decay"]),
        "batch_size": Setting(size),
        "epochs": Setting(config["epochs"], "Of the schedule."),
        "stop_after": Setting(
            config["stop_after"], "Epochs after which the validation rows were answered best."
        ),
        "clip": Setting(config["clip"], "Longest gradient."),
        "seed": Setting(problem.seed),
    }


def _target(problem: Problem, config: Mapping[str, Any]) -> str:
    if not problem.classes:
        return NUMBER_TARGET
    return CLASS_TARGET + (HEAVIER if config["balanced"] else "")


def _loss(problem: Problem, config: Mapping[str, Any]) -> str:
    if not problem.classes:
        return NUMBER_LOSS
    return CLASS_LOSS.format(weights=", weight=heavier" if config["balanced"] else "")
