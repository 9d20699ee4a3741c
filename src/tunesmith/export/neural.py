"""Fine-tuning as code: an encoder of transformers, a head, and a plain loop of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _encoder, _losses
from tunesmith.export._data import columns_of, given
from tunesmith.export._features import dense
from tunesmith.export._rates import rate_code
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head
from tunesmith.zoo.backbones import blocks_of

POOLS = {
    "mean": "(tokens * inside).sum(dim=1) / inside.sum(dim=1)",
    "first": "tokens[:, 0]",
    "final": "tokens[torch.arange(len(tokens)), mask.sum(dim=1) - 1]",
    "max": "tokens.masked_fill(~inside, -torch.inf).amax(dim=1)",
}
NETWORK = '''\
class Network(torch.nn.Module):
    """An encoder, its tokens pooled to one vector, and a head."""

    def __init__(
        self, encoder: torch.nn.Module, other: int, outputs: int, drop: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.drop = torch.nn.Dropout(drop)
{layers}

    def pooled(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(rows, tokens) to (rows, width)."""
        tokens = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
{inside}        return {pool}

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, other: torch.Tensor
    ) -> torch.Tensor:
        """(rows, outputs)."""
        features = self.drop(torch.cat([self.pooled(ids, mask), other], dim=1))
        return {head}
'''
PLAIN_LAYERS = """\
        self.head = torch.nn.Linear(encoder.config.hidden_size + other, outputs)
        torch.nn.init.normal_(self.head.weight, std=0.02)
        torch.nn.init.zeros_(self.head.bias)"""
HIDDEN_LAYERS = """\
        self.hidden = torch.nn.Linear(encoder.config.hidden_size + other, {width})
        self.head = torch.nn.Linear({width}, outputs)
        torch.nn.init.normal_(self.head.weight, std=0.02)
        torch.nn.init.zeros_(self.head.bias)"""
PLAIN_HEAD = "self.head(features)"
HIDDEN_HEAD = "self.head(self.drop(torch.nn.functional.gelu(self.hidden(features))))"
CODE = '''\
@dataclass
class Neural:
    """Fine-tuning of a pretrained encoder."""

    checkpoint: str
    max_length: int
    trained_blocks: int
{fields}
    dropout: float
    lr: float
    layer_decay: float
    weight_decay: float
{rate_fields}    warmup: float
    batch_size: int
    epochs: int
    stop_after: float
    clip: float
    seed: int

    def build(self, encoder: torch.nn.Module, folder: Path) -> None:
        self.tokenizer = open_tokenizer(folder, self.max_length)
        self.pad = encoder.config.pad_token_id or 0
        network = Network(encoder, {other_width}, {outputs}, self.dropout)
        self.network = network.to(DEVICE)

    def groups(self) -> list[dict]:
        """What trains: the head, then block by block down, each at a lower rate."""
        network, count = self.network, self.trained_blocks
        network.encoder.requires_grad_(False)
        blocks = list(network.encoder.{blocks})
        top = blocks[len(blocks) - count :][::-1]
        for block in top:
            block.requires_grad_(True)
        head = {head_layers}
        layers = [head, *(list(block.parameters()) for block in top)]
{stem}        found = []
        for depth, layer in enumerate(layers):
            lr = self.lr * self.layer_decay**depth
            matrices = [p for p in layer if p.requires_grad and p.ndim > 1]
            others = [p for p in layer if p.requires_grad and p.ndim < 2]
            found.append({{"params": matrices, "lr": lr}})
            found.append({{"params": others, "lr": lr, "weight_decay": 0.0}})
        return [group for group in found if group["params"]]

{head}
        torch.manual_seed(self.seed)
        dice = np.random.default_rng(self.seed)
        folder = place_of(self.checkpoint)
{fit_other}        self.build(AutoModel.from_pretrained(folder), folder)
        optimizer = {optimizer}
        peaks = [group["lr"] for group in optimizer.param_groups]
        ids = [one.ids for one in self.tokenizer.encode_batch(list(table[TEXT]))]
        other = {other}
{target}{start}        each = math.ceil(len(ids) / self.batch_size)
        steps = each * self.epochs
        for step in range(round(each * self.stop_after) or steps):
            if step % each == 0:
                batches = shuffled([len(one) for one in ids], self.batch_size, dice)
            chosen = batches[step % each]
            share = rate(step / steps, self.warmup)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            self.network.eval().drop.train()
{inner}            batch, mask = padded([ids[row] for row in chosen], self.pad)
            answer = self.network(batch, mask, other[chosen])
{loss}
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
            optimizer.step()
        return self
{start_head}
    @torch.no_grad()
    def scores(self, table: pd.DataFrame) -> np.ndarray:
        self.network.eval()
        found = torch.zeros(len(table), {outputs})
        other = {other}
        for rows, ids, mask in token_batches(self.tokenizer, table[TEXT], 64, self.pad):
            found[rows] = self.network(ids, mask, other[rows]).cpu()
        return {answers}

    def save(self, folder: Path) -> None:
        self.network.encoder.config.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        save_model(self.network, str(folder / "network.safetensors"))
{save_other}
    def load(self, folder: Path) -> "Neural":
{load_other}        encoder = AutoModel.from_config(AutoConfig.from_pretrained(folder))
        self.build(encoder, folder)
        load_model(self.network, str(folder / "network.safetensors"))
        return self
'''
INNER = """\
            blocks = list(self.network.encoder.{blocks})
            for block in blocks[len(blocks) - self.trained_blocks :]:
                block.train()
"""
SHUFFLED = '''\
def shuffled(
    lengths: list[int], size: int, dice: np.random.Generator
) -> list[np.ndarray]:
    """Every row once, in random batches of texts of like length."""
    order = dice.permutation(len(lengths))
    pools = np.split(order, range(size * 64, len(order), size * 64))
    order = np.concatenate([pool[np.argsort(np.take(lengths, pool))] for pool in pools])
    batches = np.split(order, range(size, len(order), size))
    return [batches[place] for place in dice.permutation(len(batches))]
'''
ADAMW = """\
torch.optim.AdamW(
            self.groups(), betas=(0.9, self.beta2), weight_decay=self.weight_decay
        )"""
SGD = """\
torch.optim.SGD(
            self.groups(),
            momentum=self.momentum,
            nesterov=True,
            weight_decay=self.weight_decay,
        )"""
OPTIMIZERS = {"AdamW": ADAMW, "SGD": SGD}
START = "        self.start_head(ids, other, truth)\n"
START_HEAD = '''
    @torch.no_grad()
    def start_head(self, ids: list, other: torch.Tensor, truth: np.ndarray) -> None:
        """Begin with the linear model that suits the encoder as it came.

        Source: Kumar et al., "Fine-Tuning can Distort Pretrained Features", ICLR 2022.
        """
        self.network.eval()
        order = np.argsort([-len(one) for one in ids])
        seen = torch.zeros(len(ids), self.network.encoder.config.hidden_size)
        for rows in np.split(order, range(64, len(order), 64)):
            seen[rows] = self.network.pooled(
                *padded([ids[row] for row in rows], self.pad)
            ).cpu()
        center, scale = seen.mean(dim=0), seen.std(dim=0).clamp(min=1e-4)
        both = torch.cat([(seen - center) / scale, other.cpu()], dim=1).numpy()
{plane}
        weights = torch.tensor(weights, dtype=torch.float32)
        weights[:, : len(scale)] /= scale
        bias = torch.tensor(bias, dtype=torch.float32)
        bias -= weights[:, : len(scale)] @ center
        self.network.head.weight.copy_(weights)
        self.network.head.bias.copy_(bias)
'''
BINARY_PLANE = """\
        plane = LogisticRegression(C=0.01, max_iter=60).fit(both, truth)
        weights = np.concatenate([-plane.coef_ / 2, plane.coef_ / 2])
        bias = np.concatenate([-plane.intercept_ / 2, plane.intercept_ / 2])"""
CLASSES_PLANE = """\
        plane = LogisticRegression(C=0.01, max_iter=60).fit(both, truth)
        weights, bias = np.zeros((len(CLASSES), both.shape[1])), np.full(len(CLASSES), -10.0)
        weights[plane.classes_], bias[plane.classes_] = plane.coef_, plane.intercept_"""
NUMBER_PLANE = """\
        plane = Ridge(alpha=100.0).fit(both, (truth - self.mean) / self.deviation)
        weights, bias = plane.coef_[None], np.array([plane.intercept_])"""
STEM = """\
        network.encoder.requires_grad_(True)
        seen = {id(p) for layer in layers for p in layer}
        layers.append([p for p in network.encoder.parameters() if id(p) not in seen])
"""
OTHER = """\
        self.other = ColumnTransformer(
            [
{rows}
            ]
        ).fit({table})
"""
OTHER_VALUE = """\
torch.tensor(
            self.other.transform({table}), dtype=torch.float32, device=DEVICE
        )"""


@exporters.add("neural")
class NeuralExporter(Exporter):
    """A fine-tuned encoder, trained as it was found best."""

    slower = 4.0

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        adapter, optimizer = config["adapter"]["kind"], config["optimizer"]["kind"]
        if adapter != "Full":
            return f"there is no code for the adapter {adapter}"
        if optimizer not in OPTIMIZERS:
            return f"there is no code for the optimiser {optimizer}"
        if config["pooling"] not in POOLS:
            return f"there is no code for {config['pooling']} pooling"
        return _encoder.why_not(config)

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        columns = columns_of(problem)
        other, has_other = dense(columns), columns.has_dense
        checkpoint, place, found, blocks = _encoder.checkpoint(config)
        is_probed = config["head_start"] == "probe"
        kind = "LogisticRegression" if problem.classes else "Ridge"
        imports = [
            *("import math", "from dataclasses import dataclass", *_encoder.IMPORTS, *found),
            "from transformers import AutoConfig",
            "from safetensors.torch import load_model, save_model",
            *((f"from sklearn.linear_model import {kind}",) if is_probed else ()),
            *(("import joblib", *other.imports) if has_other else ()),
        ]
        network = NETWORK.format(
            layers=HIDDEN_LAYERS.format(width=int(config["head"]))
            if config["head"]
            else PLAIN_LAYERS,
            head=HIDDEN_HEAD if config["head"] else PLAIN_HEAD,
            inside="        inside = mask.unsqueeze(-1).bool()\n"
            if config["pooling"] in ("mean", "max")
            else "",
            pool=POOLS[config["pooling"]],
        )
        return Recipe(
            "Neural",
            _settings(problem, config, checkpoint),
            _code(problem, config, blocks, other.rows, other.table),
            tuple(imports),
            (*_encoder.PACKAGES, *(("joblib",) if has_other else ())),
            (
                *(_encoder.DEVICE, place, _encoder.TOKENIZER, _encoder.PADDED, _encoder.TOKENS),
                *(SHUFFLED, network, rate_code(config["schedule"])),
                *(other.helpers if has_other else ()),
            ),
        )


def _trained(config: Mapping[str, Any]) -> tuple[int, bool]:
    """How many blocks train, and whether all do, the embeddings with them."""
    count = _encoder.block_count(config)
    trained = blocks_of(config["depth"], count)
    return trained, trained == count


def _settings(
    problem: Problem, config: Mapping[str, Any], checkpoint: Setting
) -> dict[str, Setting]:
    optimizer = config["optimizer"]
    boost = optimizer.get("boost", 1.0)
    found = {
        "checkpoint": checkpoint,
        "max_length": Setting(_encoder.length(config), "Tokens of a text that are read."),
        "trained_blocks": Setting(_trained(config)[0], "Of the top; those below stay frozen."),
    }
    if problem.classes:
        about = "Share of the target that is spread over all classes."
        found["label_smoothing"] = Setting(config["label_smoothing"], about)
        if config["focal"]:
            about = "Gamma of the focal loss: rows that are answered well count less."
            found["focal"] = Setting(config["focal"], about)
    found |= {
        "dropout": Setting(config["dropout"], "Before the head."),
        "lr": Setting(config["lr"] * boost, "Peak learning rate, of the head."),
        "layer_decay": Setting(config["layer_decay"], "Rate of a block, by that of the one above."),
        "weight_decay": Setting(optimizer["weight_decay"]),
    }
    for name in ("beta2", "momentum"):
        if name in optimizer:
            found[name] = Setting(optimizer[name])
    return found | {
        "warmup": Setting(config["warmup"], "Share of the schedule in which the rate rises."),
        "batch_size": Setting(config["batch_size"]),
        "epochs": Setting(config["epochs"], "Of the schedule."),
        "stop_after": Setting(
            config["stop_after"], "Epochs after which the validation rows were answered best."
        ),
        "clip": Setting(config["clip"], "Longest gradient."),
        "seed": Setting(problem.seed),
    }


def _code(
    problem: Problem,
    config: Mapping[str, Any],
    blocks: str,
    rows: tuple[str, ...],
    table: str,
) -> str:
    has_other, classes = bool(rows), problem.classes
    outputs = "len(CLASSES)" if classes else "1"
    listed = "\n".join(f"                {row}," for row in rows)
    is_probed = config["head_start"] == "probe"
    plane = NUMBER_PLANE
    if classes:
        plane = BINARY_PLANE if len(classes) == 2 else CLASSES_PLANE
    saved = [] if classes else ["self.mean", "self.deviation"]
    is_adam = config["optimizer"]["kind"] == "AdamW"
    return CODE.format(
        fields=_fields(problem, config),
        rate_fields=f"    {'beta2' if is_adam else 'momentum'}: float\n",
        other_width="self.width" if has_other else "0",
        outputs=outputs,
        blocks=blocks,
        head_layers="[*network.hidden.parameters(), *network.head.parameters()]"
        if config["head"]
        else "list(network.head.parameters())",
        stem=STEM if _trained(config)[1] else "",
        fit_other=(OTHER.format(rows=listed, table=table) + WIDTH.format(table=table))
        if has_other
        else "",
        optimizer=OPTIMIZERS[config["optimizer"]["kind"]],
        other=OTHER_VALUE.format(table=table)
        if has_other
        else "torch.zeros(len(table), 0, device=DEVICE)",
        target=_losses.target(problem, config),
        start=START if is_probed else "",
        start_head=START_HEAD.format(plane=plane) if is_probed else "",
        inner=INNER.format(blocks=blocks) if config["inner_dropout"] else "",
        loss=_losses.loss(problem, config),
        head=fit_head("Neural", given(problem)),
        answers="found.double().softmax(dim=1).numpy()"
        if classes
        else "found[:, 0].double().numpy() * self.deviation + self.mean",
        save_other=_saved(saved, has_other),
        load_other=_loaded(saved, has_other),
    ).replace("trained_blocks: int\n\n    dropout", "trained_blocks: int\n    dropout")


def _fields(problem: Problem, config: Mapping[str, Any]) -> str:
    if not problem.classes:
        return ""
    return "    label_smoothing: float" + ("\n    focal: float" if config["focal"] else "")


WIDTH = "        self.width = self.other.transform({table}[:1]).shape[1]\n"


def _saved(numbers: list[str], has_other: bool) -> str:
    lines = ""
    if numbers:
        lines += (
            "        told = json.dumps([self.mean, self.deviation])\n"
            '        (folder / "target.json").write_text(told)\n'
        )
    if has_other:
        lines += '        joblib.dump([self.other, self.width], folder / "other.joblib")\n'
    return lines


def _loaded(numbers: list[str], has_other: bool) -> str:
    lines = ""
    if numbers:
        lines += (
            '        told = json.loads((folder / "target.json").read_text())\n'
            "        self.mean, self.deviation = told\n"
        )
    if has_other:
        lines += (
            "        # A joblib file can run code as it is opened: open none but your own.\n"
            '        self.other, self.width = joblib.load(folder / "other.joblib")\n'
        )
    return lines
