"""Fine-tuning on pictures as code: a network, a head, and a plain loop of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Recipe
from tunesmith.core.records import Problem
from tunesmith.export import _picture_views, _pictures, _tuning
from tunesmith.export._data import columns_of
from tunesmith.export._features import dense
from tunesmith.export._rates import rate_code
from tunesmith.zoo.backbones import backbone, blocks_of

NETWORK = '''\
class Network(torch.nn.Module):
    """A network of pictures, what it leaves pooled to one vector, and a head."""

    def __init__(
        self, encoder: torch.nn.Module, other: int, outputs: int, drop: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.drop = torch.nn.Dropout(drop)
{layers}

    def pooled(self, pictures: torch.Tensor) -> torch.Tensor:
        """(rows, 3, side, side) to (rows, width)."""
        hidden = features_of(self.encoder, pictures)
        return {pool}

    def forward(self, pictures: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """(rows, outputs)."""
        features = self.drop(torch.cat([self.pooled(pictures), other], dim=1))
        return {head}
'''
CODE = '''\
@dataclass
class Neural:
    """Fine-tuning of a pretrained network of pictures."""

{fields}{trained}{rates}
    def build(self, encoder: torch.nn.Module) -> None:
        network = Network(encoder, {other_width}, {outputs}, self.dropout)
        self.network = network.to(DEVICE)

    def pictures(self, pixels: np.ndarray) -> torch.Tensor:
        return normalised(pixels, self.channel_mean, self.channel_std)

{groups}
{head}
        torch.manual_seed(self.seed)
        dice = np.random.default_rng(self.seed)
        folder = place_of(self.checkpoint)
{fit_other}        self.build(open_network(self.architecture, self.arguments, folder))
        optimizer = {optimizer}
        peaks = [group["lr"] for group in optimizer.param_groups]
        pixels = squares(list(table[IMAGE]), self.size)
        other = {other}
{target}{start}        each = math.ceil(len(pixels) / self.batch_size)
        steps = each * self.epochs
        for step in range(round(each * self.stop_after) or steps):
            if step % each == 0:
                order = dice.permutation(len(pixels))
            start = step % each * self.batch_size
            chosen = order[start : start + self.batch_size]
            share = rate(step / steps, self.warmup)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            self.network.eval().drop.train()
{training}{seen}            answer = self.network(self.pictures({given}), other[chosen])
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
        found, paths = torch.zeros(len(table), {outputs}), list(table[IMAGE])
        other = {other}
        for start in range(0, len(paths), 64):
            rows = slice(start, start + 64)
            pictures = self.pictures(squares(paths[rows], self.size))
            found[rows] = self.network(pictures, other[rows]).cpu()
        return {answers}

    def save(self, folder: Path) -> None:
        save_model(self.network, str(folder / "network.safetensors"))
{save_other}
    def load(self, folder: Path) -> "Neural":
{load_other}        self.build(make_network(self.architecture, self.arguments))
        load_model(self.network, str(folder / "network.safetensors"))
        return self
'''
SOME = """\
            blocks = blocks_of(self.network.encoder)
            for block in blocks[len(blocks) - self.trained_blocks :]:
                block.train()
"""
WHOLE = """\
            self.network.encoder.train()
"""
SEEN = """\
            seen = seen_otherwise(pixels[chosen], dice)
"""
START = "        self.start_head(pixels, other, truth)\n"
START_HEAD = '''
    @torch.no_grad()
    def start_head(
        self, pixels: np.ndarray, other: torch.Tensor, truth: np.ndarray
    ) -> None:
        """Begin with the linear model that suits the network as it came.

        Source: Kumar et al., "Fine-Tuning can Distort Pretrained Features", ICLR 2022.
        """
        self.network.eval()
        parts = [pixels[start : start + 64] for start in range(0, len(pixels), 64)]
        seen = [self.network.pooled(self.pictures(part)).cpu() for part in parts]
        seen = torch.cat(seen)
'''


def recipe(problem: Problem, config: Mapping[str, Any]) -> Recipe:
    """The code of a fine-tuning on pictures."""
    columns = columns_of(problem)
    other, has_other = dense(columns), columns.has_dense
    encoder = backbone(str(config["backbone"])).encoder
    count = len(encoder.blocks)
    trained = blocks_of(config["depth"], count)
    layers, head = _tuning.layers(config, str(encoder.width))
    pool = config["pooling"] if config["pooling"] in ("max", "first") else "mean"
    network = NETWORK.format(
        layers=layers, head=head, pool=_pictures.pooled(pool, config, "hidden")
    )
    is_plain = config["augment"] == "none"
    training = "" if not trained else WHOLE if trained == count else SOME
    code = CODE.format(
        fields=_pictures.FIELDS,
        training=training,
        seen="" if is_plain else SEEN,
        given="pixels[chosen]" if is_plain else "seen",
        **_tuning.parts(
            problem,
            config,
            other,
            blocks="blocks_of(network.encoder)",
            is_whole=trained == count,
            start=START,
            start_head=START_HEAD,
        ),
    )
    kind = "LogisticRegression" if problem.classes else "Ridge"
    is_probed = config["head_start"] == "probe"
    _, _, hub = _pictures.checkpoint(config)
    return Recipe(
        "Neural",
        {**_pictures.settings(config), **_tuning.settings(problem, config, trained)},
        code,
        (
            *("import math", "from dataclasses import dataclass", *_pictures.imports(config), *hub),
            *((f"from sklearn.linear_model import {kind}",) if is_probed else ()),
            *(("import joblib", *other.imports) if has_other else ()),
        ),
        (
            *_pictures.packages(config),
            *(("joblib",) if has_other else ()),
            *(("huggingface_hub",) if hub else ()),
        ),
        (
            *(*_pictures.helpers(config), *_picture_views.HELPERS[config["augment"]]),
            *(network, rate_code(config["schedule"])),
            *(other.helpers if has_other else ()),
        ),
    )
