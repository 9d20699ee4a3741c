"""What the code of networks shares: a checkpoint opened with transformers, texts as padded ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith import zoo
from tunesmith.core.contracts import Setting
from tunesmith.core.errors import TunesmithError
from tunesmith.core.runfolder import read_json

IMPORTS = (
    "import importlib",
    "import sys",
    "import torch",
    "from tokenizers import Tokenizer",
)
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors")
BLOCKS: Mapping[str, str] = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "electra", "mpnet", "deberta-v2"), "encoder.layer"
    ),
    **dict.fromkeys(("modernbert", "llama", "qwen2", "qwen3"), "layers"),
    "distilbert": "transformer.layer",
    "gpt2": "h",
}
"""Where a model of each family keeps its blocks."""
OFFSETS = dict.fromkeys(("roberta", "xlm-roberta", "mpnet"), 2)
"""Positions that a family keeps for itself."""
DEVICE = """\
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
"""
TRANSFORMERS = '''\
def of_transformers(name: str) -> type:
    """A class of transformers, which looks for torchvision once, when it is imported: texts
    do not need it, and one that was built for another torch would stop them."""
    is_hidden = not {"transformers", "torchvision"} & {*sys.modules}
    if is_hidden:
        sys.modules["torchvision"] = None
    found = getattr(importlib.import_module("transformers"), name)
    if is_hidden:
        del sys.modules["torchvision"]
    return found
'''
TOKENS = '''\
def token_batches(tokenizer: Tokenizer, texts: list[str], size: int, pad: int) -> list:
    """Batches of texts of like length: their rows, and ids and mask (rows, tokens)."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = np.argsort([-len(one) for one in ids], kind="stable")
    return [
        (rows, *padded([ids[row] for row in rows], pad))
        for rows in np.split(order, range(size, len(order), size))
        if len(rows)
    ]
'''
PADDED = '''\
def padded(ids: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids filled up to the longest, and 1 where they are not filling; (rows, tokens) each."""
    found = torch.full((len(ids), max(map(len, ids))), pad)
    mask = torch.zeros_like(found)
    for row, one in enumerate(ids):
        found[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    return found.to(DEVICE), mask.to(DEVICE)
'''
TOKENIZER = '''\
def open_tokenizer(folder: Path, max_length: int) -> Tokenizer:
    """The tokenizer of a checkpoint, which cuts texts to a length and does not pad."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer
'''
PLACE_LOCAL = '''\
def place_of(checkpoint: str) -> Path:
    """The folder of a checkpoint."""
    return Path(checkpoint)
'''
PLACE_HUB = '''\
def place_of(checkpoint: str) -> Path:
    """The folder of a checkpoint: of this machine, or OWNER/NAME@REVISION of the hub."""
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    name, _, revision = checkpoint.partition("@")
    return Path(snapshot_download(name, revision=revision))
'''


def why_not(config: Mapping[str, Any]) -> str:
    """Why the checkpoint of a config cannot be opened by a script; empty where it can."""
    try:
        folder = zoo.folder(str(config["backbone"]))
    except TunesmithError as error:
        return str(error)
    family = read_json(folder / "config.json").get("model_type")
    if family not in BLOCKS:
        return f"there is no code for checkpoints of the family {family!r}"
    return "" if (folder / "tokenizer.json").is_file() else f"{folder} has no tokenizer.json"


def checkpoint(config: Mapping[str, Any]) -> tuple[Setting, str, tuple[str, ...], str]:
    """The setting that names the checkpoint, the function that finds its folder with its imports,
    and where its blocks are."""
    card = zoo.card_for(str(config["backbone"]))
    folder = zoo.folder(str(config["backbone"]))
    blocks = BLOCKS[str(read_json(folder / "config.json")["model_type"])]
    scheme, _, rest = card.source.partition(":")
    if scheme == "hub":
        about = "A folder of this machine, or OWNER/NAME@REVISION of the Hugging Face hub."
        found = ("from huggingface_hub import snapshot_download",)
        return Setting(rest, about), PLACE_HUB, found, blocks
    about = f"The folder of {' '.join(card.name.split())}: config.json, weights, tokenizer.json."
    return Setting(str(folder), about), PLACE_LOCAL, (), blocks


def length(config: Mapping[str, Any]) -> int:
    """Tokens of a text that are read."""
    told = read_json(zoo.folder(str(config["backbone"])) / "config.json")
    most = int(told.get("max_position_embeddings") or told.get("n_positions") or 512)
    return min(int(config["max_length"]), most - OFFSETS.get(str(told["model_type"]), 0))


def block_count(config: Mapping[str, Any]) -> int:
    """Blocks of the checkpoint."""
    told = read_json(zoo.folder(str(config["backbone"])) / "config.json")
    names = ("num_hidden_layers", "n_layers", "n_layer")
    return next(int(told[name]) for name in names if told.get(name))
