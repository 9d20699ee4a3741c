"""Fine-tuning as code: an encoder of transformers, a head, and a plain loop of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _encoder, _neural_pictures, _pictures, _tuning
from tunesmith.export._data import columns_of
from tunesmith.export._features import Dense, dense
from tunesmith.export._rates import rate_code
from tunesmith.export._shelf import exporters
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
CODE = '''\
@dataclass
class Neural:
    """Fine-tuning of a pretrained encoder."""

    checkpoint: str
    max_length: int
{trained}{rates}
    def build(self, encoder: torch.nn.Module, folder: Path) -> None:
        self.tokenizer = open_tokenizer(folder, self.max_length)
        self.pad = encoder.config.pad_token_id or 0
        network = Network(encoder, {other_width}, {outputs}, self.dropout)
        self.network = network.to(DEVICE)

{groups}
{head}
        torch.manual_seed(self.seed)
        dice = np.random.default_rng(self.seed)
        folder = place_of(self.checkpoint)
{fit_other}        self.build(of_transformers("AutoModel").from_pretrained(folder), folder)
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
{load_other}        config = of_transformers("AutoConfig").from_pretrained(folder)
        self.build(of_transformers("AutoModel").from_config(config), folder)
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
'''


@exporters.add("neural")
class NeuralExporter(Exporter):
    """A fine-tuned encoder, trained as it was found best."""

    slower = 4.0

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        if why := _tuning.why_not(config):
            return why
        if columns_of(problem).image:
            return _pictures.why_not(problem, config)
        if config["pooling"] not in POOLS:
            return f"there is no code for {config['pooling']} pooling"
        return _encoder.why_not(config)

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        columns = columns_of(problem)
        if columns.image:
            return _neural_pictures.recipe(problem, config)
        other, has_other = dense(columns), columns.has_dense
        checkpoint, place, found, blocks = _encoder.checkpoint(config)
        is_probed = config["head_start"] == "probe"
        kind = "LogisticRegression" if problem.classes else "Ridge"
        imports = [
            *("import math", "from dataclasses import dataclass", *_encoder.IMPORTS, *found),
            "from safetensors.torch import load_model, save_model",
            *((f"from sklearn.linear_model import {kind}",) if is_probed else ()),
            *(("import joblib", *other.imports) if has_other else ()),
        ]
        layers, head = _tuning.layers(config, "encoder.config.hidden_size")
        network = NETWORK.format(
            layers=layers,
            head=head,
            inside="        inside = mask.unsqueeze(-1).bool()\n"
            if config["pooling"] in ("mean", "max")
            else "",
            pool=POOLS[config["pooling"]],
        )
        return Recipe(
            "Neural",
            {
                "checkpoint": checkpoint,
                "max_length": Setting(_encoder.length(config), "Tokens of a text that are read."),
                **_tuning.settings(problem, config, _trained(config)[0]),
            },
            _code(problem, config, blocks, other),
            tuple(imports),
            (*_encoder.PACKAGES, *(("joblib",) if has_other else ())),
            (
                *(_encoder.DEVICE, _encoder.TRANSFORMERS, place, _encoder.TOKENIZER),
                *(_encoder.PADDED, _encoder.TOKENS),
                *(SHUFFLED, network, rate_code(config["schedule"])),
                *(other.helpers if has_other else ()),
            ),
        )


def _trained(config: Mapping[str, Any]) -> tuple[int, bool]:
    """How many blocks train, and whether all do, the embeddings with them."""
    count = _encoder.block_count(config)
    trained = blocks_of(config["depth"], count)
    return trained, trained == count


def _code(problem: Problem, config: Mapping[str, Any], blocks: str, other: Dense) -> str:
    filled = _tuning.parts(
        problem,
        config,
        other,
        blocks=f"list(network.encoder.{blocks})",
        is_whole=_trained(config)[1],
        start=START,
        start_head=START_HEAD,
    )
    inner = INNER.format(blocks=blocks) if config["inner_dropout"] else ""
    return CODE.format(inner=inner, **filled)
