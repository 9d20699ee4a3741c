"""A cell as code: frozen features of transformers, a plane over them, and the layers that were
found beside it, in a plain loop of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _encoder, _tuning
from tunesmith.export._data import columns_of, given
from tunesmith.export._features import Dense, dense
from tunesmith.export._linear_head import OTHER
from tunesmith.export._rates import STEPS, rate_code
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

MIXED, NONE, JOINT, ENDS = "mixed", "none", "+", ("max", "first", "final")
PLANE_RATE, WARMUP, LEAST_SCALE, BETA = 0.1, 0.06, 1e-4, 0.98
"""As `nn/cells.py`, `learners/_table_course.py`, `learners/_cell_course.py` and `nn/optim.py` have
them."""
ACTIVATIONS = {"gelu": "GELU()", "relu": "ReLU()", "silu": "SiLU()", "tanh": "Tanh()"}
NORMS = {"layer": "LayerNorm", "batch": "BatchNorm1d", "rms": "RMSNorm"}
VECTOR_OF = '''\
def vector_of(name: str, states: tuple, mask: torch.Tensor) -> torch.Tensor:
    """A pooled vector (rows, width): "mean:-2" is the mean over the tokens of the last
    layer but one; "max", "first" and "final" (token) are of the last."""
    kind, _, layer = name.partition(":")
    hidden, inside = states[int(layer or -1)], mask.unsqueeze(-1).bool()
    if kind == "mean":
        return (hidden * inside).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    if kind == "max":
        return hidden.masked_fill(~inside, -torch.inf).amax(dim=1)
    places = mask.sum(dim=1) - 1 if kind == "final" else torch.zeros_like(mask[:, 0])
    return hidden[torch.arange(len(hidden)), places]
'''
NETWORK = '''\
class Network(torch.nn.Module):
    """{about}"""

    def __init__(self, vectors: int, width: int, other: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(vectors * width))
        self.register_buffer("scale", torch.ones(vectors * width))
{shares}        self.drop = torch.nn.Dropout({dropout})
        self.plane = torch.nn.Linear({read} + other, outputs)
{layers}
    def joined(self, vectors: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """What the layers see: the vectors standardised, other numbers beside them."""
        rows = (vectors - self.center) / self.scale
{mix}        return torch.cat([rows, other], dim=1)

    def forward(self, vectors: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """(rows, outputs)."""
        rows = self.joined(vectors, other)
{forward}
'''
SHARES = """\
        self.shares = torch.nn.Parameter(torch.zeros(vectors))
"""
MIX = """\
        each = rows.unflatten(1, (len(self.shares), -1))
        rows = torch.einsum("rvw,v->rw", each, self.shares.softmax(dim=0))
"""
LAYERS = """\
        widths = [{read} + other, *[{width}] * {depth}]
        self.layers = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Linear(inside, {width}),
{norm}                torch.nn.{activation},
                torch.nn.Dropout({dropout}),
            )
            for inside in widths[:-1]
        )
        self.output = torch.nn.Linear({width}, outputs, bias=False)
        torch.nn.init.zeros_(self.output.weight)
"""
PLAIN = """\
        return self.plane(self.drop(rows))"""
DEEP = """\
        hidden = self.drop(rows)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.plane(rows) + self.output(hidden)"""
RESIDUAL = """\
        hidden = self.layers[0](self.drop(rows))
        for layer in self.layers[1:]:
            hidden = hidden + layer(hidden)
        return self.plane(rows) + self.output(hidden)"""
CODE = '''\
@dataclass
class Cell:
    """A network over what a frozen encoder makes of the texts, from the plane that suits
    it on."""

    checkpoint: str
    max_length: int
    reads: list[str]
    strength: float
    lr: float
    weight_decay: float
    batch_size: int
    epochs: int
    stop_after: float
    seed: int

    def open(self, folder: Path) -> None:
        encoder = of_transformers("AutoModel").from_pretrained(folder)
        self.encoder = encoder.eval().to(DEVICE)
        self.tokenizer = open_tokenizer(folder, self.max_length)

    def build(self) -> None:
        width = self.encoder.config.hidden_size
        network = Network(len(self.reads), width, {other_width}, {outputs})
        self.network = network.to(DEVICE)

    @torch.no_grad()
    def read(self, texts: list[str]) -> torch.Tensor:
        """Pooled vectors of several layers, side by side."""
        width = self.encoder.config.hidden_size
        found = torch.zeros(len(texts), len(self.reads) * width, device=DEVICE)
        pad = self.encoder.config.pad_token_id or 0
        for rows, ids, mask in token_batches(self.tokenizer, texts, 64, pad):
            states = self.encoder(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            ).hidden_states
            pooled = [vector_of(one, states, mask) for one in self.reads]
            found[rows] = torch.cat(pooled, dim=1)
        return found

    def groups(self) -> list[dict]:
        """{groups_about}"""
        found = []
        for {each}:
            lr = {rate}
            decay = self.weight_decay if parameter.ndim > 1 else 0.0
            found.append({{"params": [parameter], "lr": lr, "weight_decay": decay}})
        return found

{head}
        torch.manual_seed(self.seed)
        dice = np.random.default_rng(self.seed)
        self.open(place_of(self.checkpoint))
{fit_other}        self.build()
        vectors = self.read(list(table[TEXT]))
        other = {other}
{target}        self.start_plane(vectors, other, {start_given})
{steps}            answer = self.network(vectors[rows], other[rows])
{loss}
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
        return self

    @torch.no_grad()
    def start_plane(
{start_fields}
    ) -> None:
        """Begin with the linear model that suits what is read as it is."""
        network = self.network
        network.center.copy_(vectors.mean(dim=0))
        deviation = vectors.std(dim=0, correction=0)
        network.scale.copy_(deviation.clamp(min={least_scale}))
        both = network.joined(vectors, other).cpu().numpy()
{plane}
        network.plane.weight.copy_(torch.from_numpy(weights))
        network.plane.bias.copy_(torch.from_numpy(bias))

    @torch.no_grad()
    def scores(self, table: pd.DataFrame) -> np.ndarray:
        self.network.eval()
        vectors = self.read(list(table[TEXT]))
        other = {other}
        found = self.network(vectors, other).double().cpu()
        return {answers}

    def save(self, folder: Path) -> None:
        self.encoder.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        save_model(self.network, str(folder / "cell.safetensors"))
{save_other}
    def load(self, folder: Path) -> "Cell":
{load_other}        self.open(folder)
        self.build()
        load_model(self.network, str(folder / "cell.safetensors"))
        return self
'''
OTHER_WIDTH = "        self.width = self.other.transform({table}[:1]).shape[1]\n"
OTHER_VALUE = """\
torch.tensor(
            self.other.transform({table}), dtype=torch.float32, device=DEVICE
        )"""
START_PLAIN = """\
        self, vectors: torch.Tensor, other: torch.Tensor, truth: np.ndarray"""
START_WEIGHED = """\
        self,
        vectors: torch.Tensor,
        other: torch.Tensor,
        truth: np.ndarray,
        weights: np.ndarray,"""
CLASS_TARGET = "        wanted = torch.tensor(truth, device=DEVICE)\n"
BALANCED = """\
        counts = np.bincount(truth)
        heavier = len(truth) / ((counts > 0).sum() * counts[truth])
"""
NUMBER_TARGET = """\
        self.mean, self.deviation = float(truth.mean()), float(truth.std()) or 1.0
        truth = (truth - self.mean) / self.deviation
        wanted = torch.tensor(truth, dtype=torch.float32, device=DEVICE)
"""
COUNTED = """\
        counted = torch.tensor({counted}, dtype=torch.float32, device=DEVICE)
"""
LOSS = """\
            loss = torch.nn.functional.cross_entropy(answer, wanted[rows])"""
COUNTED_LOSS = """\
            loss = torch.nn.functional.cross_entropy(
                answer, wanted[rows], reduction="none"
            )
            loss = (counted[rows] * loss).mean()"""
NUMBER_LOSS = """\
            loss = torch.nn.functional.mse_loss(answer[:, 0], wanted[rows])"""
COUNTED_NUMBER_LOSS = """\
            loss = (counted[rows] * (answer[:, 0] - wanted[rows]) ** 2).mean()"""
LOGISTIC = """\
        plane = LogisticRegression({options})
        plane.fit(both, truth{weights})
"""
OPTIONS = "C=self.strength, max_iter=200"
BALANCED_OPTIONS = """
            C=self.strength, max_iter=200, class_weight="balanced"
        """
BINARY_PLANE = (
    LOGISTIC
    + """\
        weights = np.concatenate([-plane.coef_ / 2, plane.coef_ / 2])
        bias = np.concatenate([-plane.intercept_ / 2, plane.intercept_ / 2])"""
)
CLASSES_PLANE = (
    LOGISTIC
    + """\
        weights, bias = np.zeros((len(CLASSES), both.shape[1])), np.full(len(CLASSES), -30.0)
        weights[plane.classes_], bias[plane.classes_] = plane.coef_, plane.intercept_"""
)
NUMBER_PLANE = """\
        plane = Ridge(alpha=1 / self.strength).fit(both, truth{weights})
        weights, bias = plane.coef_[None], np.array([plane.intercept_])"""


@exporters.add("cell")
class CellExporter(Exporter):
    """A found cell over a frozen encoder, trained as it was found best."""

    slower = 3.0

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        if columns_of(problem).image:
            return "there is no code for a cell over pictures"
        if config["search"] != NONE:
            return "its search has not settled what it found"
        return _encoder.why_not(config)

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        columns = columns_of(problem)
        other, has_other = dense(columns), columns.has_dense
        checkpoint, place, found, _ = _encoder.checkpoint(config)
        reads = _reads(config)
        kind = "LogisticRegression" if problem.classes else "Ridge"
        imports = [
            *("import math", "from dataclasses import dataclass", *_encoder.IMPORTS, *found),
            "from safetensors.torch import load_model, save_model",
            f"from sklearn.linear_model import {kind}",
            *(("import joblib", *other.imports) if has_other else ()),
            *(("import json",) if not problem.classes else ()),
        ]
        settings = {
            "checkpoint": checkpoint,
            "max_length": Setting(_encoder.length(config), "Tokens of a text that are read."),
            "reads": Setting(reads, "Pooled vectors that are read: mean:-1 is the last layer's."),
            **_settings(problem, config),
        }
        return Recipe(
            "Cell",
            settings,
            _code(problem, config, other),
            tuple(imports),
            (*_encoder.PACKAGES, *(("joblib",) if has_other else ())),
            (
                *(_encoder.DEVICE, _encoder.TRANSFORMERS, place, _encoder.TOKENIZER),
                *(_encoder.PADDED, _encoder.TOKENS),
                *(VECTOR_OF, _network(config, len(reads)), rate_code("cosine")),
                *(other.helpers if has_other else ()),
            ),
        )


def _reads(config: Mapping[str, Any]) -> list[str]:
    """The vectors that a config reads, layers counted from the last, each once; those of layers
    that are not kept are the nearest that is."""
    from tunesmith.nn.features import parts

    means = [f"mean:-{1 + number * config['every']}" for number in range(config["layers"])]
    ends = [] if config["ends"] == NONE else config["ends"].split(JOINT)
    told = config["reads"] or JOINT.join([*means, *ends])
    count = _encoder.block_count(config)
    named = (
        kind if kind in ENDS else f"{kind}:{layer - count - 1}"
        for kind, layer in parts(count, told)
    )
    return list(dict.fromkeys(named))


def _settings(problem: Problem, config: Mapping[str, Any]) -> dict[str, Setting]:
    return {
        "strength": Setting(config["strength"], "Inverse strength of the plane's penalty."),
        "lr": Setting(config["lr"], "Peak learning rate."),
        "weight_decay": Setting(config["weight_decay"]),
        "batch_size": Setting(config["batch_size"]),
        "epochs": Setting(config["epochs"], "Of the schedule."),
        "stop_after": Setting(
            config["stop_after"], "Epochs after which the validation rows were answered best."
        ),
        "seed": Setting(problem.seed),
    }


def _network(config: Mapping[str, Any], vectors: int) -> str:
    """The class of the network, with what the config has of it and nothing else."""
    is_mixed = config["joined"] == MIXED and vectors > 1
    depth, width, dropout = config["depth"], config["width"], config["dropout"]
    read = "width" if is_mixed else "vectors * width"
    norm = "" if config["norm"] == NONE else f"torch.nn.{NORMS[config['norm']]}({width}),"
    layers = LAYERS.format(
        read=read,
        width=width,
        depth=depth,
        dropout=dropout,
        norm=f"                {norm}\n" if norm else "",
        activation=ACTIVATIONS[config["activation"]],
    )
    how = "mixed by learned shares" if is_mixed else "side by side"
    beside = "then layers beside a plane" if depth else "then a plane"
    return NETWORK.format(
        about=f"Vectors {how}, {beside}.",
        shares=SHARES if is_mixed else "",
        dropout=dropout,
        read=read,
        layers=layers if depth else "",
        mix=MIX if is_mixed else "",
        forward=(RESIDUAL if config["residual"] and depth > 1 else DEEP) if depth else PLAIN,
    )


def _code(problem: Problem, config: Mapping[str, Any], other: Dense) -> str:
    has_other, classes = bool(other.rows), problem.classes
    has_weights, balanced = problem.weights is not None, bool(classes) and config["balanced"]
    listed = "\n".join(f"                {row}," for row in other.rows)
    target = CLASS_TARGET if classes else NUMBER_TARGET
    if balanced:
        target += BALANCED
    counted = " * ".join([*(["weights"] if has_weights else []), *(["heavier"] * balanced)])
    target += COUNTED.format(counted=counted) if counted else ""
    loss = (COUNTED_LOSS if counted else LOSS) if classes else NUMBER_LOSS
    if counted and not classes:
        loss = COUNTED_NUMBER_LOSS
    plane = NUMBER_PLANE
    if classes:
        plane = BINARY_PLANE if len(classes) == 2 else CLASSES_PLANE
    saved = [] if classes else ["self.mean", "self.deviation"]
    rate = f'self.lr * ({PLANE_RATE} if name.startswith("plane") else 1.0)'
    return CODE.format(
        other_width="self.width" if has_other else "0",
        outputs="len(CLASSES)" if classes else "1",
        groups_about="What trains: the plane slowly beside layers; matrices alone decay."
        if config["depth"]
        else "What trains: matrices alone decay.",
        rate=rate if config["depth"] else "self.lr",
        each="name, parameter in self.network.named_parameters()"
        if config["depth"]
        else "parameter in self.network.parameters()",
        head=fit_head("Cell", given(problem)),
        fit_other=(
            OTHER.format(rows=listed, table=other.table) + OTHER_WIDTH.format(table=other.table)
        )
        if has_other
        else "",
        other=OTHER_VALUE.format(table=other.table)
        if has_other
        else "torch.zeros(len(table), 0, device=DEVICE)",
        target=target,
        start_given="truth, weights" if has_weights else "truth",
        start_fields=START_WEIGHED if has_weights else START_PLAIN,
        steps=STEPS.format(beta=BETA, warmup=WARMUP),
        loss=loss,
        least_scale=LEAST_SCALE,
        plane=plane.format(
            options=BALANCED_OPTIONS if balanced else OPTIONS,
            weights=", sample_weight=weights" if has_weights else "",
        ),
        answers="found.softmax(dim=1).numpy()"
        if classes
        else "found[:, 0].numpy() * self.deviation + self.mean",
        save_other=_tuning.saved(saved, has_other),
        load_other=_tuning.loaded(saved, has_other),
    )
