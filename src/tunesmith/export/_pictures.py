"""What the code of networks of pictures shares: files as squares of pixels, a network of timm,
what its blocks leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith import zoo
from tunesmith.core.contracts import Setting
from tunesmith.core.errors import TunesmithError
from tunesmith.core.records import Problem
from tunesmith.data.archives import INSIDE
from tunesmith.data.pictures import DATA_URI
from tunesmith.data.readers._bytes import is_url
from tunesmith.export import _encoder, _picture_towers
from tunesmith.export._data import columns_of
from tunesmith.modalities.pictures import MISSING
from tunesmith.zoo import picture_towers
from tunesmith.zoo.backbones import backbone
from tunesmith.zoo.pictures import resizing

IMPORTS = (
    "import importlib",
    "import sys",
    "import torch",
    "from importlib.util import find_spec",
    "from pathlib import Path",
    "from types import ModuleType",
    "from PIL import Image, ImageOps",
    "from safetensors.torch import load_model, save_model",
)
PACKAGES = ("torch", "torchvision", "timm", "pillow", "safetensors")
BLOCKS: Mapping[str, str] = {
    **_picture_towers.BLOCKS,
    **dict.fromkeys(
        ("EfficientNet", "MobileNetV3"), "[block for stage in network.blocks for block in stage]"
    ),
    "ResNet": "[*network.layer1, *network.layer2, *network.layer3, *network.layer4]",
    "VGG": "list(network.features)",
    "ConvNeXt": "[block for stage in network.stages for block in stage.blocks]",
    "SwinTransformer": "[block for stage in network.layers for block in stage.blocks]",
    **dict.fromkeys(
        ("VisionTransformer", "VisionTransformerDistilled", "Eva"), "list(network.blocks)"
    ),
}
"""Where a network of each family keeps its blocks."""
AS_THEY_ARE: Mapping[str, Any] = {
    "erase": 0.0,
    "mix": "none",
    "progressive": False,
    "tta": 1,
}
"""Of a config, where pictures are seen as they are."""
SQUARES = '''\
def as_rgb(image: Image.Image) -> Image.Image:
    """In colours: what is clear is white, 16 bits become 8."""
    if image.mode.startswith("I"):
        numbers = np.asarray(image, dtype=np.float32)
        scale = 257 if image.mode != "I" or numbers.max() > 255 else 1
        image = Image.fromarray((numbers / scale).round().clip(0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.new("RGB", clear.size, "white")
        image.paste(clear, mask=clear.getchannel("A"))
    return image.convert("RGB")


def square(path: str, side: int) -> np.ndarray:
    """The middle of a picture, its shorter side resized; shape (side, side, 3)."""
    with Image.open(path) as image:
        if image.format in ("JPEG", "MPO"):  # decoded at a part of its size
            scale = 2 * side / min(image.size)
            size = [max(1, round(length * scale)) for length in image.size]
            image.draft("RGB", tuple(size))
        image = as_rgb(ImageOps.exif_transpose(image))
    width, height = image.size
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    bicubic = Image.Resampling.BICUBIC
    small = image.resize((side, side), bicubic, box=box, reducing_gap=3.0)
    return np.asarray(small, dtype=np.uint8)


def squares(paths: list[str], side: int) -> np.ndarray:
    """Pictures as (rows, side, side, 3), from 0 to 255; one that is missing is grey."""
    grey = np.full((side, side, 3), {missing}, dtype=np.uint8)
    return np.stack([square(path, side) if path else grey for path in paths])
'''
MEND = '''\
def mend_torchvision() -> None:
    """Let torchvision be imported where it was built for CUDA and torch was not."""
    place = Path(find_spec("torchvision").submodule_search_locations[0])
    try:
        for library in place.glob("_C*.*"):
            torch.ops.load_library(str(library))
    except OSError:
        names = ("extension", "_meta_registrations", "_autograd_registrations")
        for name in names:
            sys.modules[f"torchvision.{name}"] = ModuleType(name)
        extension = sys.modules["torchvision.extension"]
        extension._load_library = lambda name: False
        extension._has_ops = lambda: False
        extension._assert_has_ops = lambda: None
        extension._check_cuda_version = lambda: -1
'''
NETWORK = '''\
def make_network(architecture: str, arguments: dict) -> torch.nn.Module:
    """A network of timm without its classifier, with random weights."""
    if "timm" not in sys.modules:
        mend_torchvision()
    timm = importlib.import_module("timm")
    return timm.create_model(architecture, num_classes=0, **arguments)


def open_network(architecture: str, arguments: dict, folder: Path) -> torch.nn.Module:
    """The same with the weights of a folder."""
    network, found = make_network(architecture, arguments), {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    network.load_state_dict({name: found[name] for name in network.state_dict()})
    return network.float()


def features_of(network: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """What follows the last block, of (rows, 3, side, side)."""
    return network.forward_features(pictures)
'''
READING = '''\
def normalised(pixels: np.ndarray, mean: list[float], std: list[float]) -> torch.Tensor:
    """Pixels as the network wants them, (rows, 3, side, side)."""
    rows = torch.from_numpy(pixels).to(DEVICE).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(one, device=DEVICE)[:, None, None] for one in (mean, std))
    return (rows - mean) / std


def blocks_of(network: torch.nn.Module) -> list[torch.nn.Module]:
    """From the bottom up."""
    return {blocks}
'''


def why_not(problem: Problem, config: Mapping[str, Any]) -> str:
    """Why the pictures of a problem, or the network of a config, cannot be written; empty where
    they can."""
    inputs = problem.data.with_columns(problem.inputs)
    if len(inputs.of_kind("image")) > 1 or inputs.of_kind("text"):
        return "there is no code for pictures beside texts, or beside other pictures"
    for field, usual in AS_THEY_ARE.items():
        if config.get(field, usual) != usual:
            return (
                f"there is no code for {field} {config[field]}: a script sees pictures as they are"
            )
    cells = [cell for cell in problem.data.values(columns_of(problem).image) if cell]
    if any(is_url(c) or c.startswith(DATA_URI) or INSIDE.fullmatch(c) for c in cells):
        return "its pictures lie in an archive, at URLs or in the table: a script reads files"
    try:
        encoder = backbone(str(config["backbone"])).encoder
    except TunesmithError as error:
        return str(error)
    kind = type(encoder.model).__name__
    return "" if kind in BLOCKS else f"there is no code for networks of the kind {kind}"


def settings(config: Mapping[str, Any]) -> dict[str, Setting]:
    """What says which network it is, and how it sees pictures."""
    base = backbone(str(config["backbone"]))
    shape = base.encoder.shape
    size = int(base.encoder.readable(int(config["size"]) or base.encoder.size))
    place, _, _ = checkpoint(config)
    return {
        "checkpoint": place,
        "architecture": Setting(*_architecture(config)),
        "arguments": Setting(arguments(config)),
        "size": Setting(size, "Pixels of a picture's side."),
        "channel_mean": Setting([float(one) for one in shape["pretrained_cfg"]["mean"]]),
        "channel_std": Setting([float(one) for one in shape["pretrained_cfg"]["std"]]),
    }


FIELDS = """\
    checkpoint: str
    architecture: str
    arguments: dict
    size: int
    channel_mean: list[float]
    channel_std: list[float]
"""


def arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of the network, as `zoo/pictures.py` makes it."""
    shape = backbone(str(config["backbone"])).encoder.shape
    if is_tower(config):
        return picture_towers.numbers(shape)
    return {**shape["model_args"], **resizing(shape["architecture"])}


def checkpoint(config: Mapping[str, Any]) -> tuple[Setting, str, tuple[str, ...]]:
    """The setting that names the checkpoint, and the function that finds its folder with its
    imports."""
    card = zoo.card_for(str(config["backbone"]))
    scheme, _, rest = card.source.partition(":")
    if scheme == "hub":
        about = "A folder of this machine, or OWNER/NAME@REVISION of the Hugging Face hub."
        hub = ("from huggingface_hub import snapshot_download",)
        return Setting(rest, about), _encoder.PLACE_HUB, hub
    about = f"The folder of {' '.join(card.name.split())} with its weights as safetensors."
    return (
        Setting(str(zoo.folder(str(config["backbone"]))), about),
        _encoder.PLACE_LOCAL,
        (),
    )


def is_tower(config: Mapping[str, Any]) -> bool:
    """Whether the network is one of transformers."""
    return "model_type" in backbone(str(config["backbone"])).encoder.shape


def _architecture(config: Mapping[str, Any]) -> tuple[str, str]:
    if is_tower(config):
        return family(config), "The class of transformers."
    shape = backbone(str(config["backbone"])).encoder.shape
    return str(shape["architecture"]), "As timm calls it."


def family(config: Mapping[str, Any]) -> str:
    return type(backbone(str(config["backbone"])).encoder.model).__name__


def pooled(kind: str, config: Mapping[str, Any], hidden: str) -> str:
    """The expression that makes one vector a picture of what a block leaves."""
    encoder = backbone(str(config["backbone"])).encoder
    layout, own = encoder.family.layout, encoder.family.own_tokens(encoder.model)
    if layout == "tokens" or family(config) == "SwinModel":  # a row of places in transformers
        if kind == "first" and own:
            return f"{hidden}[:, 0]"
        places = f"{hidden}[:, {own}:]" if own else hidden
        return f"{places}.{'amax' if kind == 'max' else 'mean'}(dim=1)"
    axes = "(1, 2)" if layout == "channels last" else "(2, 3)"
    return f"{hidden}.{'amax' if kind == 'max' else 'mean'}(dim={axes})"


def helpers(config: Mapping[str, Any]) -> tuple[str, ...]:
    _, place, _ = checkpoint(config)
    return (
        _encoder.DEVICE,
        place,
        SQUARES.replace("{missing}", str(MISSING)),
        MEND,
        *_each(network_code(config)),
        *_each(READING.replace("{blocks}", BLOCKS[family(config)])),
    )


def _each(code: str) -> list[str]:
    """The functions of some code, each of which may get another name where two networks differ."""
    return [f"{one.strip()}\n" for one in code.split("\n\n\n")]


def network_code(config: Mapping[str, Any]) -> str:
    """The functions that make a network, open it, and ask it."""
    if not is_tower(config):
        return NETWORK
    shape = backbone(str(config["backbone"])).encoder.shape
    return _picture_towers.network(family(config), is_unpooled=bool(picture_towers.options(shape)))


def imports(config: Mapping[str, Any]) -> tuple[str, ...]:
    of_timm = () if is_tower(config) else ("from safetensors.torch import load_file",)
    return (*IMPORTS, *of_timm)


def packages(config: Mapping[str, Any]) -> tuple[str, ...]:
    return _picture_towers.PACKAGES if is_tower(config) else PACKAGES


def left(config: Mapping[str, Any]) -> str:
    """The expression for the hidden state in what a block gives back."""
    return "left[0]" if family(config) == "SwinModel" else "left"
