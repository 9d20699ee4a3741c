"""Language models that read text: how bytes become a network and a tokenizer."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, WeightsError, did_you_mean, need
from tunesmith.core.records import Card
from tunesmith.core.runfolder import read_json, read_text
from tunesmith.zoo import picture_towers
from tunesmith.zoo.weights import read_tensors, refuse_larger, restored

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
    "gpt2",
    "llama",
    "qwen2",
    "qwen3",
)
WORDS_OF_SIZE = {"distilbert": ("n_layers", "dim"), "gpt2": ("n_layer", "n_embd")}
MASKS = ("[MASK]", "<mask>")
MOST_BLOCKS = 1000
"""Each costs memory before a byte of its weights is looked at; known encoders have up to 48."""
SHAPE = """
    vocab_size type_vocab_size embedding_size hidden_size num_hidden_layers num_attention_heads
    intermediate_size max_position_embeddings hidden_act hidden_activation layer_norm_eps
    hidden_dropout_prob attention_probs_dropout_prob initializer_range
    pad_token_id bos_token_id eos_token_id cls_token_id sep_token_id
    dim n_layers n_heads hidden_dim activation dropout attention_dropout
    relative_attention_num_buckets
    relative_attention max_relative_positions position_buckets norm_rel_ebd share_att_key
    pos_att_type position_biased_input conv_kernel_size conv_groups conv_act attention_head_size
    legacy
    norm_eps norm_bias attention_bias mlp_bias mlp_dropout embedding_dropout layer_types
    local_attention global_attn_every_n_layers rope_parameters rope_scaling rope_theta
    global_rope_theta local_rope_theta head_dim initializer_cutoff_factor
    n_embd n_layer n_head n_positions n_inner activation_function layer_norm_epsilon
    resid_pdrop embd_pdrop attn_pdrop scale_attn_weights scale_attn_by_inverse_layer_idx
    num_key_value_heads rms_norm_eps use_sliding_window sliding_window max_window_layers
"""
"""What of a config the networks of these families are built from. All else stays out: transformers
fetches and imports a kernel that `_attn_implementation` names, and `auto_map` names code."""


@dataclass(frozen=True)
class Tokenizer:
    """Text to ids at full length, special tokens included. `spec` is the tokenizer's JSON, `key`
    its hash; `spans` says which characters of a text each id stands for, (0, 0) of those that stand
    for none; `mask_id` is that of the token for a word that is hidden, None where there is none."""

    spec: str
    key: str
    encode: Callable[[list[str]], list[list[int]]]
    spans: Callable[[str], list[tuple[int, int]]]
    mask_id: int | None = None


def tokenizer(spec: str) -> Tokenizer:
    """A tokenizer from its JSON; it neither cuts nor pads. Where it adds no special tokens, an
    empty text is one of them."""
    tokenizers = need("tokenizers", extra="text")
    made = tokenizers.Tokenizer.from_str(spec)
    made.no_truncation()
    made.no_padding()
    added = made.get_added_tokens_decoder()
    nothing = [min((number for number, token in added.items() if token.special), default=0)]

    def encode(texts: list[str]) -> list[list[int]]:
        return [found.ids or nothing for found in made.encode_batch(list(map(_whole, texts)))]

    def spans(text: str) -> list[tuple[int, int]]:
        found = made.encode(_whole(text))
        return list(found.offsets) if found.ids else [(0, 0)]

    mask = next((n for n, token in added.items() if token.content in MASKS), None)
    return Tokenizer(spec, hashlib.sha256(spec.encode()).hexdigest(), encode, spans, mask)


def _whole(text: str) -> str:
    """A text that the tokenizer can be given, of as many letters: half of a surrogate pair is
    none."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder.

    Raises:
        WeightsError: It has none that can be read as data.
    """
    file = folder / "tokenizer.json"
    if file.is_file():
        need("tokenizers", extra="text")
        try:
            return tokenizer(read_text(file))
        except DataError as error:
            raise WeightsError(str(error)) from error
        except Exception as error:  # tokenizers has no kind of its own
            raise WeightsError(f"{file} holds no tokenizer: {error}.") from error
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
    """The config.json of a checkpoint folder, of a family known here, and of a network no larger
    than the weights beside it. Takes no memory for that network.

    Raises:
        WeightsError: It is missing, broken, of another family, or asks for more than there is.
    """
    import torch

    config = _config_alone(folder)
    with torch.device("meta"):
        model = from_config(config, str(folder / "config.json")).model
    refuse_larger(folder, sum(one.nbytes for one in (*model.parameters(), *model.buffers())))
    return config


def _config_alone(folder: Path) -> dict[str, Any]:
    try:
        config = read_json(folder / "config.json")
    except DataError as error:
        raise WeightsError(str(error)) from error
    check_family(config, str(folder))
    return config


def check_family(config: Mapping[str, Any], place: str) -> None:
    """Refuse a model type that is not one of these encoder families.

    Raises:
        WeightsError: Names the type and the nearest family.
    """
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise WeightsError(
            f"{place} holds a model of type {family!r}, which is not an encoder known here."
            f"{did_you_mean(family, (*FAMILIES, *picture_towers.TYPES, *picture_towers.WHOLE))}"
        )


def from_config(config: Mapping[str, Any], place: str = "The config") -> Encoder:
    """A network of this shape with random weights; runs no code and fetches nothing that the
    config names.

    Raises:
        WeightsError: It is of another family, or no network has this shape.
    """
    from tunesmith.nn.encoder import Encoder

    check_family(config, place)
    transformers = need("transformers", extra="text")
    kept = {key: value for key, value in config.items() if key in SHAPE.split()}
    try:
        for key in kept.keys() & {"num_hidden_layers", "n_layers", "n_layer"}:
            if not 1 <= kept[key] <= MOST_BLOCKS:
                raise ValueError(f"{key} is {kept[key]}, allowed are 1 to {MOST_BLOCKS}")
        settings = transformers.AutoConfig.for_model(config["model_type"], **kept)
        pad = settings.pad_token_id or 0  # some decoders have none, or -1; it is never looked at
        settings.pad_token_id = pad if 0 <= pad < settings.vocab_size else 0
        model = transformers.AutoModel.from_config(settings, trust_remote_code=False)
    except Exception as error:  # each family says in its own way what it cannot be built from
        raise WeightsError(
            f"{place} describes no network of type {config['model_type']!r} "
            f"({type(error).__name__}: {error})."
        ) from error
    if "pooler" in dict(model.named_children()):
        model.pooler = None  # what is pooled is chosen by the learner
    return Encoder(model)


def load(folder: Path, pattern: str = "*.safetensors") -> Encoder:
    """The network of a checkpoint folder with its weights.

    Raises:
        WeightsError: Weights are missing or do not fit the config.
    """
    need("transformers", extra="text")
    encoder, found = blank(read_config(folder)), read_tensors(folder, pattern)
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


_ALONE = threading.Lock()
"""What draws weights is replaced for the whole process meanwhile: two at once would not put it
back."""


def blank(config: Mapping[str, Any]) -> Encoder:
    """A network of this shape whose weights are about to be read from a file: none are drawn, which
    takes a second for a large vocabulary."""
    need("transformers", extra="text")
    try:
        from transformers.initialization import no_init_weights
    except ImportError:  # moved by another version: the same network, a little later
        return from_config(config)
    with _ALONE, no_init_weights():
        return from_config(config)


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
    config = _config_alone(folder)
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


def restore(folder: Path) -> Encoder:
    """The network that was saved in a folder, on the fastest device; see `weights.restored`.

    Raises:
        WeightsError: Weights are missing or do not fit.
    """
    return restored(folder, load)  # type: ignore[no-any-return]
