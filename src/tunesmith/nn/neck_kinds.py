"""Which neck a network has, as a choice of a config: each kind with what is its own."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.architecture import MOST_WIDTH, Layer
from tunesmith.core.space import Choice, config

WIDTHS = Choice(64, 128, 256)


@config
class NoNeck:
    """What the blocks leave is pooled as it is."""

    def shape(self) -> dict[str, Any]:
        """As `Network` takes it."""
        return {}

    def layers(self) -> tuple[Layer, ...]:
        """As an architecture tells it."""
        return ()


@config
class Convolution:
    """A convolution over three neighbours, of pictures three by three: `nn/necks.py`."""

    kind: ClassVar[str] = "convolution"
    width: Annotated[int, WIDTHS, Field(ge=1, le=MOST_WIDTH)] = 128
    """How wide it is inside."""

    def shape(self) -> dict[str, Any]:
        return {"neck": self.kind, "neck_width": self.width}

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("conv", self.width, "gelu", "layer", residual=True),)


@config
class Attention:
    """Attention of each to all of its row: `nn/necks.py`."""

    kind: ClassVar[str] = "attention"
    width: Annotated[int, WIDTHS, Field(ge=1, le=MOST_WIDTH)] = 128
    """How wide it is inside."""

    def shape(self) -> dict[str, Any]:
        return {"neck": self.kind, "neck_width": self.width}

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("attention", self.width, "", "layer", residual=True),)


Neck = NoNeck | Convolution | Attention
