"""What the code of every fine-tuning shares: what trains and at which rates, optimisers, how a head
starts, the columns beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Setting
from tunesmith.core.records import Problem
from tunesmith.export import _losses
from tunesmith.export._data import given
from tunesmith.export._features import Dense
from tunesmith.export._writing import fit_head

GROUPS = '''\
    def groups(self) -> list[dict]:
        """What trains: the head, then block by block down, each at a lower rate."""
        network, count = self.network, self.trained_blocks
        network.encoder.requires_grad_(False)
        blocks = {blocks}
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
'''
PLAIN_LAYERS = """\
        self.head = torch.nn.Linear({width} + other, outputs)
        torch.nn.init.normal_(self.head.weight, std=0.02)
        torch.nn.init.zeros_(self.head.bias)"""
HIDDEN_LAYERS = """\
        self.hidden = torch.nn.Linear({width} + other, {hidden})
        self.head = torch.nn.Linear({hidden}, outputs)
        torch.nn.init.normal_(self.head.weight, std=0.02)
        torch.nn.init.zeros_(self.head.bias)"""
PLAIN_HEAD = "self.head(features)"
HIDDEN_HEAD = "self.head(self.drop(torch.nn.functional.gelu(self.hidden(features))))"
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
HEAD_FROM = """\
        center, scale = seen.mean(dim=0), seen.std(dim=0).clamp(min=1e-4)
        both = torch.cat([(seen - center) / scale, other.cpu()], dim=1).numpy()
{plane}
        weights = torch.tensor(weights, dtype=torch.float32)
        weights[:, : len(scale)] /= scale
        bias = torch.tensor(bias, dtype=torch.float32)
        bias -= weights[:, : len(scale)] @ center
        self.network.head.weight.copy_(weights)
        self.network.head.bias.copy_(bias)
"""
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
WIDTH = "        self.width = self.other.transform({table}[:1]).shape[1]\n"
RATE_FIELDS = """\
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
"""


WHOLE = {
    "neck": "NoNeck",
    "readout": "last",
    "blocks": 1.0,
    "skip": 0,
    "skipped": "",
    "heads_kept": 1.0,
    "width_kept": 1.0,
    "activation": "own",
    "norm": "own",
}
"""Of a config, what takes nothing away from a network."""


def why_not(config: Mapping[str, Any]) -> str:
    """Why a way of tuning cannot be written; empty where it can."""
    adapter, optimizer = config["adapter"]["kind"], config["optimizer"]["kind"]
    for name, whole in WHOLE.items():
        asked = config.get(name, whole)
        asked = asked["kind"] if isinstance(asked, Mapping) else asked
        if asked != whole:
            return f"there is no code for {name} = {asked!r}"
    if config["pooling"] in ("attention", "generalised"):
        return f"there is no code for {config['pooling']} pooling"
    if adapter != "Full":
        return f"there is no code for the adapter {adapter}"
    return "" if optimizer in OPTIMIZERS else f"there is no code for the optimiser {optimizer}"


def layers(config: Mapping[str, Any], width: str) -> tuple[str, str]:
    """The lines that make the head of an encoder of some width, and the expression that asks it."""
    if not config["head"]:
        return PLAIN_LAYERS.format(width=width), PLAIN_HEAD
    return HIDDEN_LAYERS.format(width=width, hidden=int(config["head"])), HIDDEN_HEAD


def settings(problem: Problem, config: Mapping[str, Any], trained: int) -> dict[str, Setting]:
    """How it is trained: what trains, the loss, the rates."""
    optimizer = config["optimizer"]
    boost = optimizer.get("boost", 1.0)
    found = {"trained_blocks": Setting(trained, "Of the top; those below stay frozen.")}
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


def parts(
    problem: Problem,
    config: Mapping[str, Any],
    other: Dense,
    *,
    blocks: str,
    is_whole: bool,
    start: str,
    start_head: str,
) -> dict[str, str]:
    """What fills the gaps of a class `Neural`. `blocks` is the expression for all blocks of
    `network.encoder`; `start` and `start_head` are the lines that begin with a probe's head, used
    where the config does."""
    has_other, classes = bool(other.rows), problem.classes
    listed = "\n".join(f"                {row}," for row in other.rows)
    is_probed = config["head_start"] == "probe"
    plane = NUMBER_PLANE
    if classes:
        plane = BINARY_PLANE if len(classes) == 2 else CLASSES_PLANE
    numbers = [] if classes else ["self.mean", "self.deviation"]
    is_adam = config["optimizer"]["kind"] == "AdamW"
    groups = GROUPS.format(
        blocks=blocks,
        head_layers="[*network.hidden.parameters(), *network.head.parameters()]"
        if config["head"]
        else "list(network.head.parameters())",
        stem=STEM if is_whole else "",
    )
    return {
        "trained": "    trained_blocks: int\n" + _fields(problem, config),
        "rates": RATE_FIELDS.format(
            rate_fields=f"    {'beta2' if is_adam else 'momentum'}: float\n"
        ),
        "other_width": "self.width" if has_other else "0",
        "outputs": "len(CLASSES)" if classes else "1",
        "groups": groups,
        "fit_other": (
            OTHER.format(rows=listed, table=other.table) + WIDTH.format(table=other.table)
        )
        if has_other
        else "",
        "optimizer": OPTIMIZERS[config["optimizer"]["kind"]],
        "other": OTHER_VALUE.format(table=other.table)
        if has_other
        else "torch.zeros(len(table), 0, device=DEVICE)",
        "target": _losses.target(problem, config),
        "start": start if is_probed else "",
        "start_head": start_head + HEAD_FROM.format(plane=plane) if is_probed else "",
        "loss": _losses.loss(problem, config),
        "head": fit_head("Neural", given(problem)),
        "answers": "found.double().softmax(dim=1).numpy()"
        if classes
        else "found[:, 0].double().numpy() * self.deviation + self.mean",
        "save_other": saved(numbers, has_other),
        "load_other": loaded(numbers, has_other),
    }


def _fields(problem: Problem, config: Mapping[str, Any]) -> str:
    if not problem.classes:
        return ""
    return "    label_smoothing: float\n" + ("    focal: float\n" if config["focal"] else "")


def saved(numbers: list[str], has_other: bool) -> str:
    lines = ""
    if numbers:
        lines += (
            "        told = json.dumps([self.mean, self.deviation])\n"
            '        (folder / "target.json").write_text(told)\n'
        )
    if has_other:
        lines += '        joblib.dump([self.other, self.width], folder / "other.joblib")\n'
    return lines


def loaded(numbers: list[str], has_other: bool) -> str:
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
