"""What the code of networks of pictures of transformers differs in from that of timm's."""

from __future__ import annotations

from collections.abc import Mapping

LAYERS = "list(network.encoder.layers)"
STAGES = "[block for stage in network.encoder.stages for block in stage.layers]"
BLOCKS: Mapping[str, str] = {
    **dict.fromkeys(("ViTModel", "DeiTModel"), "list(network.layers)"),
    **dict.fromkeys(("Dinov2Model", "Dinov2WithRegistersModel"), "list(network.encoder.layer)"),
    **dict.fromkeys(("CLIPVisionModel", "SiglipVisionModel"), LAYERS),
    **dict.fromkeys(("ConvNextModel", "ConvNextV2Model", "ResNetModel"), STAGES),
    "SwinModel": "[block for stage in network.encoder.layers for block in stage.blocks]",
}
"""Where a network of each family keeps its blocks."""
STRETCHED = frozenset({"ViTModel", "DeiTModel", "CLIPVisionModel", "SiglipVisionModel"})
"""Those whose position embeddings are stretched to pictures of other sizes when that is asked."""
PACKAGES = ("torch", "transformers", "pillow", "safetensors")
NETWORK = '''\
def class_of(architecture: str) -> type:
    """A class of transformers."""
    if "transformers" not in sys.modules and find_spec("torchvision"):
        mend_torchvision()
    return getattr(importlib.import_module("transformers"), architecture)


def make_network(architecture: str, arguments: dict) -> torch.nn.Module:
    """A network of transformers, with random weights."""
    made = class_of(architecture)
    return made(made.config_class(**arguments){options})


def open_network(architecture: str, arguments: dict, folder: Path) -> torch.nn.Module:
    """The same with the weights of a folder."""
    made = class_of(architecture)
    config = made.config_class(**arguments)
    return made.from_pretrained(folder, config=config, dtype=torch.float32{options})


def features_of(network: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """What follows the last block, of (rows, 3, side, side)."""
    return {last}
'''


def network(name: str, *, is_unpooled: bool) -> str:
    """The functions that make a network of a class, open it, and ask it."""
    last = "network(pictures).last_hidden_state"
    if name in STRETCHED:
        last = "network(pictures, interpolate_pos_encoding=True).last_hidden_state"
    if name == "CLIPVisionModel":
        last = f"network.post_layernorm(\n        {last}\n    )"
    options = ""
    given = "folder, config=config, dtype=torch.float32"
    code = NETWORK
    if is_unpooled:
        options = ", add_pooling_layer=False"
        code = code.replace(f"({given}{{options}})", f"(\n        {given}{{options}}\n    )")
    return code.replace("{options}", options).replace("{last}", last)
