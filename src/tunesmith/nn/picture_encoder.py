"""stand-in until the real one is merged"""

from __future__ import annotations

import torch
from torch import nn


class PictureEncoder(nn.Module):
    reads_pictures = True
    lora_targets: tuple[str, ...] = ()

    def __init__(self, widths: tuple[int, ...] = (8, 8, 16, 16), size: int = 32) -> None:
        super().__init__()
        self.widths, self.width, self.size = widths, widths[-1], size
        self.entry = nn.Conv2d(3, widths[0], 4, 4)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU())
            for a, b in zip(widths, widths[1:])
        )
        self._numbers = {}

    def stem(self, pixels):
        return self.entry((pixels.float() / 255 - 0.5).permute(0, 3, 1, 2))

    def context(self, hidden):
        return None

    def run(self, hidden, context, start=0, stop=None):
        for block in self.blocks[start:stop]:
            hidden = block(hidden)
        return hidden

    def pool(self, hidden, kind):
        return hidden.amax((2, 3)) if kind == "max" else hidden.mean((2, 3))

    @torch.no_grad()
    def shape_at(self, cut, size):
        if (cut, size) not in self._numbers:
            zero = torch.zeros(1, size, size, 3, dtype=torch.uint8)
            self._numbers[cut, size] = self.run(self.stem(zero), None, 0, cut).shape[1:]
        return self._numbers[cut, size]
