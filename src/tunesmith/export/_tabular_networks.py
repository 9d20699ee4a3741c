"""Networks for tables in plain torch, as `nn/tabular.py` has them: numbers and codes in, logits of
shape (rows, members, outputs) out. `features` is the module `Features` of a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.core.contracts import Setting
from tunesmith.export._writing import call

ONE_HOT, EMBEDDED = 40, 16
"""As the learner has them."""
FEATURES = f'''\
class Features(torch.nn.Module):
    """Numbers, {{about}}, and categories, one-hot or embedded, side by side; `chunks`
    are the widths of what each column becomes."""

    {{head}} -> None:
        super().__init__()
        self.levels = levels
        self.embeddings = torch.nn.ModuleDict(
            {{{{
                str(place): torch.nn.Embedding(count, {EMBEDDED})
                for place, count in enumerate(levels)
                if count > {ONE_HOT}
            }}}}
        )
        for embedding in self.embeddings.values():
            torch.nn.init.normal_(embedding.weight, std={EMBEDDED**-0.5})
{{numbers}}
        self.chunks += [{EMBEDDED} if count > {ONE_HOT} else count for count in levels]

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
{{forward}}
        for place, count in enumerate(self.levels):
            column = codes[:, place]
            if count > {ONE_HOT}:
                parts.append(self.embeddings[str(place)](column))
            else:
                parts.append(torch.nn.functional.one_hot(column, count).float())
        return torch.cat(parts, dim=1)
'''
EMBEDDED_FORWARD = """\
        parts = [self.numbers(numbers).flatten(1)] if numbers.shape[1] else []"""
PLAIN_FORWARD = """\
        parts = [numbers]"""
PIECEWISE = """\
        self.chunks = [width] * len(numbers)
        if numbers:
            with warnings.catch_warnings(action="ignore"):  # of numbers with one bin
                self.numbers = PiecewiseLinearEmbeddings(
                    numbers, width, activation=False, version="B"
                )"""
PERIODIC = """\
        self.chunks = [width] * numbers
        if numbers:
            self.numbers = PeriodicEmbeddings(
                numbers,
                width,
                n_frequencies=frequencies,
                frequency_init_scale=sigma,
                lite=False,
            )"""
PLAIN = """\
        self.chunks = [1] * numbers"""
BINS = '''\
def bins(
    numbers: np.ndarray, most: int, dice: np.random.Generator
) -> list[torch.Tensor]:
    """Edges of bins for each column: half of them by rows, half by distinct values."""
    rows, width = numbers.shape
    if rows > 50_000:
        numbers = numbers[dice.choice(rows, 50_000, replace=False)]
    count = max(16, min(most, rows // 8, 16_000 // max(1, width)))
    steps, found = np.linspace(0, 1, count // 2 + 1), []
    for column in numbers.T:
        by_rows = np.quantile(column, steps)
        by_values = np.quantile(np.unique(column), steps)
        edges = np.unique(np.concatenate([by_rows, by_values]).astype(np.float32))
        edges = edges if len(edges) > 1 else np.float32([edges[0], edges[0] + 1])
        found.append(torch.from_numpy(edges))
    return found
'''
TABM = '''\
class Network(torch.nn.Module):
    """TabM: MLPs that share their matrices and have scalings of their own.

    Source: Gorishniy et al., "TabM", ICLR 2025.
    """

    def __init__(
        self,
        features: Features,
        outputs: int,
        members: int,
        width: int,
        blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.features = features
        self.view = tabm.EnsembleView(k=members)
        self.backbone = tabm.make_tabm_backbone(
            d_in=sum(features.chunks),
            n_blocks=blocks,
            d_block=width,
            dropout=dropout,
            k=members,
            start_scaling_init="{start}",
            start_scaling_init_chunks=features.chunks,
        )
        self.output = tabm.LinearEnsemble(width, outputs, k=members)

    def rate(self, name: str) -> float:
        return 1.0

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return self.output(self.backbone(self.view(self.features(numbers, codes))))
'''
REALMLP = '''\
class Network(torch.nn.Module):
    """RealMLP: a learned scale of each input, and biases that learn slowly.

    Source: Holzmüller et al., "Better by Default", NeurIPS 2024, section 3.
    """

    def __init__(
        self, features: Features, outputs: int, width: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self.features = features
        inside = sum(features.chunks)
        self.scale = torch.nn.Parameter(torch.ones(inside))
        layers = []
        for _ in range(blocks):
            linear = torch.nn.Linear(inside, width)
            torch.nn.init.normal_(linear.weight, std=inside**-0.5)
            curve = torch.nn.SELU() if outputs > 1 else torch.nn.Mish()
            layers += [linear, curve, torch.nn.Dropout(dropout)]
            inside = width
        self.layers = torch.nn.Sequential(*layers)
        self.output = torch.nn.Linear(inside, outputs)
        torch.nn.init.zeros_(self.output.weight)

    def rate(self, name: str) -> float:
        """The learning rate of a parameter as a multiple of that of the others."""
        if name == "scale":
            return 6.0
        is_late = name.endswith("bias") and not name.startswith("features.")
        return 0.1 if is_late else 1.0

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        inside = self.layers(self.features(numbers, codes) * self.scale)
        return self.output(inside).unsqueeze(1)
'''
RESNET = '''\
class Network(torch.nn.Module):
    """Residual blocks with batch norm.

    Source: Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021.
    """

    def __init__(
        self, features: Features, outputs: int, width: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self.features = features
        self.body = ResNet(
            d_in=sum(features.chunks),
            d_out=outputs,
            n_blocks=blocks,
            d_block=width,
            d_hidden=None,
            d_hidden_multiplier=2.0,
            dropout1=dropout,
            dropout2=0.0,
        )

    def rate(self, name: str) -> float:
        return 1.0

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return self.body(self.features(numbers, codes)).unsqueeze(1)
'''
TRANSFORMER = '''\
class Network(torch.nn.Module):
    """FT-Transformer: a token for each column, and attention among them.

    Source: Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021.
    """

    def __init__(
        self,
        numbers: int,
        levels: list[int],
        outputs: int,
        width: int,
        blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        with warnings.catch_warnings(action="ignore"):  # of the names of settings
            self.body = FTTransformer(
                n_cont_features=numbers,
                cat_cardinalities=levels,
                d_out=outputs,
                n_blocks=blocks,
                d_block=width,
                attention_n_heads=8,
                attention_dropout=dropout,
                ffn_d_hidden=None,
                ffn_d_hidden_multiplier=4 / 3,
                ffn_dropout=dropout / 2,
                residual_dropout=0.0,
            )

    def rate(self, name: str) -> float:
        return 1.0

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        numbers = numbers if numbers.shape[1] else None
        codes = codes if codes.shape[1] else None
        return self.body(numbers, codes).unsqueeze(1)
'''
CLASSES = {"TabM": TABM, "RealMLP": REALMLP, "ResNet": RESNET, "FTTransformer": TRANSFORMER}


@dataclass(frozen=True)
class NetworkCode:
    """The classes of a network, how it is made of `self.edges` (or how many numbers), of
    `self.levels` and of settings, and what that needs."""

    helpers: tuple[str, ...]
    made: str
    cuts: bool
    settings: Mapping[str, Setting]
    imports: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True)
class NumbersCode:
    """The class `Features` by how it embeds numbers, what it is made with, and what it needs."""

    helpers: tuple[str, ...]
    arguments: tuple[str, ...]
    settings: Mapping[str, Setting]
    imports: tuple[str, ...] = ()
    start: str = "normal"
    """How the scalings of TabM begin."""
    cuts: bool = False


def _features(about: str, given: Sequence[str], numbers: str, forward: str) -> str:
    head = call("def __init__", ["self", *given], taken=13, indent=1)
    return FEATURES.format(about=about, head=head, numbers=numbers, forward=forward)


def _numbers_code(numbers: Mapping[str, Any]) -> NumbersCode:
    counted = ("numbers: int", "levels: list[int]")
    arguments = ("self.numbers", "self.levels")
    if numbers["kind"] == "Plain":
        helper = _features("as they are", counted, PLAIN, PLAIN_FORWARD)
        return NumbersCode((helper,), arguments, {}, start="random-signs")
    width = {"number_width": Setting(numbers["width"], "Of what a number becomes.")}
    if numbers["kind"] == "Periodic":
        about = "by sines and cosines of learned frequencies"
        named = (*counted, "width: int", "frequencies: int", "sigma: float")
        return NumbersCode(
            (_features(about, named, PERIODIC, EMBEDDED_FORWARD),),
            (*arguments, "self.number_width", "self.frequencies", "self.sigma"),
            {
                **width,
                "frequencies": Setting(numbers["frequencies"]),
                "sigma": Setting(numbers["sigma"], "Spread of the frequencies at first."),
            },
            ("from rtdl_num_embeddings import PeriodicEmbeddings",),
        )
    given = ("numbers: list[torch.Tensor]", "levels: list[int]", "width: int")
    return NumbersCode(
        (BINS, _features("by their place among bins", given, PIECEWISE, EMBEDDED_FORWARD)),
        ("self.edges", "self.levels", "self.number_width"),
        {**width, "bins": Setting(numbers["bins"], "At most, of a number.")},
        ("import warnings", "from rtdl_num_embeddings import PiecewiseLinearEmbeddings"),
        cuts=True,
    )


IMPORTS = {
    "TabM": ("import tabm",),
    "RealMLP": (),
    "ResNet": ("from rtdl_revisiting_models import ResNet",),
    "FTTransformer": ("import warnings", "from rtdl_revisiting_models import FTTransformer"),
}
PACKAGES = ("tabm", "rtdl_num_embeddings", "rtdl_revisiting_models")


def network_code(network: Mapping[str, Any]) -> NetworkCode:
    """The code of a network by its config."""
    kind = str(network["kind"])
    names = [*(["members"] if kind == "TabM" else []), "width", "blocks", "dropout"]
    settings = {name: Setting(network[name]) for name in names}
    own = ["outputs", *(f"self.{name}" for name in names)]
    if kind == "FTTransformer":
        numbers = NumbersCode((), ("self.numbers", "self.levels"), {})
        made = [*numbers.arguments, *own]
    else:
        numbers = _numbers_code(network["numbers"])
        made = [call("Features", numbers.arguments, taken=13, indent=3), *own]
    imports = (*numbers.imports, *IMPORTS[kind])
    return NetworkCode(
        (*numbers.helpers, CLASSES[kind].replace("{start}", numbers.start)),
        _call(made),
        numbers.cuts,
        {**settings, **numbers.settings},
        imports,
        tuple(name for name in PACKAGES if any(name in line for line in imports)),
    )


def _call(arguments: list[str]) -> str:
    return "".join(f"            {one},\n" for one in arguments)
