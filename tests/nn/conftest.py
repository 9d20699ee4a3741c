"""A tiny random encoder, and a toy problem that it can learn within a second on one core."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tunesmith.nn.batches import Rows  # noqa: E402
from tunesmith.nn.loop import Settings  # noqa: E402
from tunesmith.nn.network import Network  # noqa: E402

WIDTH = 16
VOCABULARY = 40


class Block(nn.Module):
    """Single-head attention and a small map, each added to its normed input."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)
        self.map = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU())

    def forward(self, hidden, outside):
        x = self.norm(hidden)
        scores = self.query(x) @ self.key(x).transpose(1, 2) / math.sqrt(WIDTH)
        hidden = hidden + scores.masked_fill(outside, -1e9).softmax(dim=-1) @ self.value(x)
        return hidden + self.map(hidden)


class TinyEncoder(nn.Module):
    """What is needed of a backbone: a stem, ordered blocks and what lies between them."""

    width = WIDTH
    lora_targets = ("query", "value")

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.stem_norm = nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))

    def stem(self, input_ids, attention_mask):
        return self.stem_norm(self.embedding(input_ids))

    def context(self, hidden, attention_mask):
        return attention_mask[:, None, :] == 0

    def finished(self, hidden):
        return hidden

    def run(self, hidden, context, start=0, stop=None):
        for block in self.blocks[start:stop]:
            hidden = block(hidden, context)
        return hidden


@pytest.fixture(scope="session", autouse=True)
def _imported_once():
    """Seconds that would else be charged to the first test to use them."""
    import peft  # noqa: F401
    import torch._dynamo  # noqa: F401


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def build():
    """A function that makes a network of three blocks, by default for two classes."""

    def make(
        seed=0,
        *,
        pool="mean",
        dense=2,
        outputs=2,
        hidden=0,
        dropout=0.0,
        blocks=3,
        mixed=0,
        neck="none",
    ):
        torch.manual_seed(seed)
        return Network(
            TinyEncoder(blocks),
            pool=pool,
            dense=dense,
            outputs=outputs,
            hidden=hidden,
            dropout=dropout,
            mixed=mixed,
            neck=neck,
            neck_width=8,
        )

    return make


@pytest.fixture
def toy():
    """64 rows of 2 to 14 tokens, and their class: which half of the vocabulary they use more."""
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 64)
    ids = []
    for label in truth:
        low = 2 if label else VOCABULARY // 2
        words = generator.integers(low, low + VOCABULARY // 2 - 2, generator.integers(2, 15))
        noise = generator.integers(2, VOCABULARY, len(words))
        ids.append(np.where(generator.random(len(words)) < 0.2, noise, words).astype(np.int32))
    dense = generator.normal(size=(64, 2)).astype(np.float32)
    return Rows(ids, dense, pad_id=0), truth


@pytest.fixture
def settings(toy):
    """A function that gives the loop's settings with some changed."""
    plain = Settings(
        truth=toy[1],
        classes=2,
        batch_size=16,
        smoothing=0.0,
        class_weights=None,
        clip=0.0,
        rate=lambda progress: 1.0,
        progress=lambda number: 0.0,
        micro_batch=16,
        precision="fp32",
    )
    return lambda **changes: replace(plain, **changes)
