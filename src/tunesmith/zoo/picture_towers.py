"""Networks of pictures in transformers' format: how config.json and preprocessor_config.json become
one.

Of CLIP and SigLIP the part that reads pictures is taken, whether a folder holds it alone or the
whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError, WeightsError, did_you_mean, need
from tunesmith.core.runfolder import read_json
from tunesmith.zoo.weights import READING

TYPES: Mapping[str, str] = {
    "vit": "ViTModel",
    "deit": "DeiTModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "clip_vision_model": "CLIPVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
    "convnext": "ConvNextModel",
    "convnextv2": "ConvNextV2Model",
    "resnet": "ResNetModel",
    "swin": "SwinModel",
}
"""The class of each model type that can be taken apart."""
WHOLE: Mapping[str, str] = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Networks of pictures and texts, of which `vision_config` is the part for pictures."""
UNPOOLED = frozenset({"vit", "deit", "swin"})
"""What is pooled is chosen by the learner: these are made without a pooler of their own."""
SHAPE = """
    hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act layer_norm_eps
    image_size patch_size num_channels qkv_bias mlp_ratio layerscale_value use_swiglu_ffn
    num_register_tokens num_stages hidden_sizes depths layer_scale_init_value embedding_size
    layer_type downsample_in_first_stage downsample_in_bottleneck embed_dim num_heads window_size
    use_absolute_embeddings
"""
"""What of a config the networks of these families are built from. All else stays out: transformers
fetches and imports a kernel that `_attn_implementation` names, and `auto_map` names code."""
FIXED: Mapping[str, Mapping[str, Any]] = {
    "siglip_vision_model": {"vision_use_head": False},
    "dinov2": {"use_mask_token": False},
    "swin": {"drop_path_rate": 0.0},
}
"""As the networks of timm are made: without a pooler, without what only pretraining uses, and with
no blocks that are left out at random."""
KNOWN = "5.24"
"""The transformers that these networks were taken apart with."""
LARGEST_NUMBER, LONGEST_LIST = 100_000, 64


def is_one(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a network of pictures in transformers' format."""
    return config.get("model_type") in {*TYPES, *WHOLE}


def described(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The model type of the part that reads pictures, and the numbers that it is made from.

    Raises:
        WeightsError: It is of no family known here, or a number is out of range.
    """
    kind = str(config.get("model_type"))
    if kind in WHOLE:
        kind, config = WHOLE[kind], config.get("vision_config") or {}
    place = folder / "config.json"
    if kind not in TYPES:
        raise WeightsError(
            f"{place} holds a model of type {kind!r}, which is no network of pictures known here."
            f"{did_you_mean(kind, (*TYPES, *WHOLE))}"
        )
    kept = {key: config[key] for key in SHAPE.split() if config.get(key) is not None}
    for key, value in kept.items():
        several = value if isinstance(value, list) else [value]
        if len(several) > LONGEST_LIST or not all(map(_is_small, several)):
            raise WeightsError(f"{place}: {key} is out of range.")
    return {"model_type": kind, **kept}


def _is_small(value: Any) -> bool:
    if isinstance(value, bool | str):
        return True
    return isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER


def blank(told: Mapping[str, Any], folder: Path) -> Any:
    """The network that `described` told of, with random weights.

    Raises:
        WeightsError: There is no such network.
    """
    try:
        model = _class(told)(_settings(told), **options(told))
    except Exception as error:  # each family says in its own way what it cannot be built from
        raise _no_network(told, folder, error) from error
    refuse_other_layout(model)
    return model


def refuse_other_layout(model: Any) -> None:
    """Refuse a network whose parts have other names than in the transformers that is known here.

    Raises:
        WeightsError: They have.
    """
    from tunesmith.nn.picture_towers import TOWERS

    try:
        TOWERS[type(model).__name__].blocks(model)
    except AttributeError as error:
        raise WeightsError(
            f"transformers {version('transformers')} builds a {type(model).__name__} otherwise "
            f'than is known here ({error}): pip install "transformers>={KNOWN},<6".'
        ) from error


def filled(told: Mapping[str, Any], tensors: Mapping[str, Any], folder: Path) -> Any:
    """The same with the weights of a checkpoint, under their names of today or of old.

    Raises:
        WeightsError: Weights are missing or have another shape.
    """
    import torch

    with _silent():
        try:
            model, found = _class(told).from_pretrained(
                None,
                config=_settings(told),
                state_dict=dict(tensors),
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **options(told),
            )
        except Exception as error:  # as above
            raise _no_network(told, folder, error) from error
    for why, names in (
        ("is missing", sorted(found["missing_keys"])),
        ("has another shape", sorted(str(one[0]) for one in found["mismatched_keys"])),
    ):
        if names:
            raise WeightsError(f"{folder}: of its tensors {names[0]!r} {why}.")
    return model


def _class(told: Mapping[str, Any]) -> Any:
    return getattr(need("transformers", extra="text"), TYPES[told["model_type"]])


def numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    """What its config is made from."""
    kept = {key: value for key, value in told.items() if key in SHAPE.split()}
    return kept | dict(FIXED.get(told["model_type"], {}))


def _settings(told: Mapping[str, Any]) -> Any:
    configs = need("transformers", extra="text").AutoConfig
    return configs.for_model(told["model_type"], **numbers(told))


def options(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the class is given beside its config."""
    return {"add_pooling_layer": False} if told["model_type"] in UNPOOLED else {}


def _no_network(told: Mapping[str, Any], folder: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{folder / 'config.json'} describes no network of type {told['model_type']!r} "
        f"({type(error).__name__}: {error})."
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without transformers' progress bar, and its table of the tensors that are left over."""
    logging = need("transformers", extra="text").utils.logging
    level, had_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bar:
            logging.enable_progress_bar()


def pictures_of(folder: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    """How a folder says that its pictures are read, in timm's words: `input_size`, and `mean` and
    `std` of pixels from 0 to 1.

    Raises:
        WeightsError: It does not say.
    """
    given = _processor(folder)
    size = _side(given, told)
    if not given.get("do_normalize", True):
        mean, std = [0.0] * 3, [1.0] * 3
    elif "image_mean" in given and "image_std" in given:
        mean, std = given["image_mean"], given["image_std"]
    else:
        raise WeightsError(f"{folder}: {READING[0]} tells no image_mean and image_std.")
    # Pixels from 0 to 255 times the factor are normalised; here those from 0 to 1 are.
    factor = float(given.get("rescale_factor") or 1 / 255) if given.get("do_rescale", True) else 1.0
    unit = 255 * factor
    return {
        "input_size": [3, size, size],
        "mean": [one / unit for one in mean],
        "std": [one / unit for one in std],
    }


def _processor(folder: Path) -> dict[str, Any]:
    for name in READING:
        if not (folder / name).is_file():
            continue
        try:
            found = read_json(folder / name)
        except DataError as error:
            raise WeightsError(str(error)) from error
        found = found.get("image_processor", found) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise WeightsError(f"{folder / name} describes no reading of pictures.")
        return found
    raise WeightsError(
        f"{folder} has no {READING[0]}, which says how its pictures are normalised. Put that of "
        "the checkpoint beside config.json."
    )


def _side(given: Mapping[str, Any], told: Mapping[str, Any]) -> Any:
    """Pixels of a picture's side: as it is cropped, else resized, else as the network was made."""
    places = ["crop_size"] if given.get("do_center_crop") else []
    for place in [*places, "size"]:
        size = given.get(place)
        if isinstance(size, Mapping):
            size = next((size[k] for k in ("height", "shortest_edge") if size.get(k)), None)
        if size:
            return size
    size = told.get("image_size", 224)
    return size[0] if isinstance(size, list) else size
