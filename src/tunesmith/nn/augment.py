"""Pictures seen otherwise: cropped, mirrored, changed by random operations, partly erased.

The operations on pixels are timm's. What they are drawn by is a generator of the picture's own,
since timm draws from the state of the whole process, which threads share and a resumed run has not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import need

Pixels = NDArray[np.uint8]
"""Of one picture, (side, side, 3)."""
Policy = Literal["none", "crops", "flips-and-crops", "randaugment", "trivialaugment", "augmix"]
POLICIES: tuple[str, ...] = get_args(Policy)
GREY = 128
"""What comes in from outside the picture, and what is put over what is erased."""
CROP_AREA, CROP_ASPECT = (0.6, 1.0), (3 / 4, 4 / 3)
ERASED_AREA, ERASED_ASPECT = (0.02, 1 / 3), (0.3, 1 / 0.3)
TRIES = 10
STEADY_SHARE = 7 / 8
"""Of the side, what a view for testing sees of a picture."""
CORNERS = ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0))
MOST_STEADY = len(CORNERS) + 1
"""Views for testing of a picture that is not mirrored."""

_OPERATIONS: Mapping[str, Callable[[float], tuple[float, ...]]] = {
    "AutoContrast": lambda s: (),
    "Equalize": lambda s: (),
    "Invert": lambda s: (),
    "Rotate": lambda s: (30 * s,),
    "PosterizeIncreasing": lambda s: (max(1, 4 - int(4 * abs(s))),),
    "SolarizeIncreasing": lambda s: (256 - int(256 * abs(s)),),
    "SolarizeAdd": lambda s: (int(110 * abs(s)),),
    "ColorIncreasing": lambda s: (1 + 0.9 * s,),
    "ContrastIncreasing": lambda s: (1 + 0.9 * s,),
    "BrightnessIncreasing": lambda s: (1 + 0.9 * s,),
    "SharpnessIncreasing": lambda s: (1 + 0.9 * s,),
    "ShearX": lambda s: (0.3 * s,),
    "ShearY": lambda s: (0.3 * s,),
    "TranslateXRel": lambda s: (0.45 * s,),
    "TranslateYRel": lambda s: (0.45 * s,),
}
"""timm's operations, and what they are told for a strength from -1 to 1, as timm does for a
magnitude of 10 times that."""
_KEEP_COLOURS = tuple(name for name in _OPERATIONS if name not in ("Invert", "SolarizeAdd"))


@dataclass(frozen=True)
class Recipe:
    """How views are made: by which policy, with which chance of a part erased, drawn by which seed.
    Beside the policies there are "steady" and "steady-mirrored", which draw nothing: the views for
    testing, by number."""

    policy: str = "none"
    erase: float = 0.0
    seed: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether every view is the picture as it is."""
        return self.policy == "none" and not self.erase

    def tested_by(self) -> Recipe:
        """The recipe of the views by which a network that was trained so is to answer: mirrored
        ones only where it has seen such."""
        mirrors = self.policy == "flips-and-crops"
        return Recipe("steady-mirrored" if mirrors else "steady")


@dataclass(frozen=True)
class View:
    """One view of a picture, made whenever it is read, and every time the same: what is drawn hangs
    on the recipe, the number of the view and the picture. `side` is that of the view, in pixels; 0
    for that of the picture."""

    source: Pixels
    recipe: Recipe
    number: int
    side: int = 0
    ndim = 3

    def __len__(self) -> int:
        return self.side or len(self.source)

    def key(self) -> bytes:
        """What it is known by, without being made."""
        told = f"{self.recipe} {self.number} {len(self)}".encode()
        return hashlib.blake2b(self.source.tobytes() + told, digest_size=16).digest()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Pixels:
        return self.pixels()

    def pixels(self) -> Pixels:
        """The view, (side, side, 3)."""
        seed = int.from_bytes(self.key()[:8], "big")
        dice = np.random.Generator(np.random.PCG64(seed))
        return seen(self.source, self.recipe, self.number, len(self), dice)


def seen(
    pixels: Pixels, recipe: Recipe, number: int, side: int, dice: np.random.Generator
) -> Pixels:
    """A view of a picture by a recipe, at a side in pixels."""
    if recipe.is_plain and side == len(pixels):
        return pixels
    image = need("PIL.Image", extra="image").fromarray(np.ascontiguousarray(pixels))
    if recipe.policy.startswith("steady"):
        return np.asarray(_steady(image, number, recipe.policy == "steady-mirrored", side))
    image = _POLICIES[recipe.policy](image, side, dice)
    if image.size != (side, side):
        image = _resized(image, side, None)
    found = np.array(image, dtype=np.uint8)
    if recipe.erase and dice.random() < recipe.erase:
        top, left, height, width = _erased(side, dice)
        found[top : top + height, left : left + width] = GREY
    return found


def _resized(image: Any, side: int, box: Sequence[float] | None) -> Any:
    bilinear = need("PIL.Image", extra="image").Resampling.BILINEAR
    return image.resize((side, side), bilinear, box=box)


def _mirrored(image: Any) -> Any:
    return image.transpose(need("PIL.Image", extra="image").Transpose.FLIP_LEFT_RIGHT)


def _steady(image: Any, number: int, mirrors: bool, side: int) -> Any:
    """View 0 is the picture as it is; the others see a part of it, or, where it `mirrors`, every
    second one the mirror image of the one before."""
    place, is_mirrored = divmod(number, 2) if mirrors else (number, 0)
    width = image.size[0]
    box = None
    if place:
        part = STEADY_SHARE * width
        across, down = ((width - part) * share for share in CORNERS[(place - 1) % len(CORNERS)])
        box = (across, down, across + part, down + part)
    image = _resized(image, side, box) if box or width != side else image
    return _mirrored(image) if is_mirrored else image


def _cropped(image: Any, side: int, dice: np.random.Generator) -> Any:
    """A random part, stretched to the whole.

    Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 6.
    """
    width = image.size[0]
    for _ in range(TRIES):
        across, down = _sides(width * width, CROP_AREA, CROP_ASPECT, dice)
        if across <= width and down <= width:
            left, top = dice.uniform(0, width - across), dice.uniform(0, width - down)
            return _resized(image, side, (left, top, left + across, top + down))
    return image


def _sides(
    area: float,
    shares: tuple[float, float],
    aspects: tuple[float, float],
    dice: np.random.Generator,
) -> tuple[float, float]:
    """Width and height of a random rectangle within an area."""
    part = area * dice.uniform(*shares)
    aspect = math.exp(dice.uniform(math.log(aspects[0]), math.log(aspects[1])))
    return math.sqrt(part * aspect), math.sqrt(part / aspect)


def _erased(side: int, dice: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of what is erased; nothing where no rectangle was found.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """
    for _ in range(TRIES):
        width, height = map(round, _sides(side * side, ERASED_AREA, ERASED_ASPECT, dice))
        if width < side and height < side:
            top, left = dice.integers(0, side - height + 1), dice.integers(0, side - width + 1)
            return int(top), int(left), height, width
    return 0, 0, 0, 0


def _changed(image: Any, name: str, strength: float, dice: np.random.Generator) -> Any:
    """One of timm's operations with a strength from 0 to 1, in a random direction."""
    operation = need("timm.data.auto_augment", extra="image").NAME_TO_OP[name]
    signed = strength if dice.random() < 0.5 else -strength
    bilinear = need("PIL.Image", extra="image").Resampling.BILINEAR
    told = _OPERATIONS[name](signed)
    return operation(image, *told, fillcolor=(GREY,) * 3, resample=bilinear)


def _one_of(names: Sequence[str], dice: np.random.Generator) -> str:
    return names[int(dice.integers(len(names)))]


def _plain(image: Any, side: int, dice: np.random.Generator) -> Any:
    return image


def _flips_and_crops(image: Any, side: int, dice: np.random.Generator) -> Any:
    found = _cropped(image, side, dice)
    return _mirrored(found) if dice.random() < 0.5 else found


def _rand_augment(image: Any, side: int, dice: np.random.Generator) -> Any:
    """Two operations, each with a chance of one half, of magnitude 9 ± 0.5 of 10.

    Source: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
    space", NeurIPS 2020; the numbers are those of timm's "rand-m9-mstd0.5-inc1".
    """
    names = tuple(_OPERATIONS)
    for _ in range(2):
        if dice.random() < 0.5:
            strength = float(np.clip(dice.normal(0.9, 0.05), 0, 1))
            image = _changed(image, _one_of(names, dice), strength, dice)
    return image


def _trivial_augment(image: Any, side: int, dice: np.random.Generator) -> Any:
    """One operation, or none, of any strength.

    Source: Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data
    Augmentation", ICCV 2021.
    """
    name = _one_of(("", *_KEEP_COLOURS), dice)
    return _changed(image, name, float(dice.random()), dice) if name else image


def _aug_mix(image: Any, side: int, dice: np.random.Generator) -> Any:
    """Three chains of one to three weak operations, mixed with each other and with the picture. The
    paper's loss, which wants answers to views of one picture to agree, is not part of it.

    Source: Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and
    Uncertainty", ICLR 2020.
    """
    pictures = need("PIL.Image", extra="image")
    mixed: NDArray[np.float32] = np.zeros((*image.size, 3), dtype=np.float32)
    for weight in dice.dirichlet((1.0, 1.0, 1.0)):
        chain = image
        for _ in range(int(dice.integers(1, 4))):
            chain = _changed(chain, _one_of(_KEEP_COLOURS, dice), float(dice.uniform(0, 0.3)), dice)
        mixed += np.float32(weight) * np.asarray(chain, dtype=np.float32)
    whole = pictures.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))
    return pictures.blend(image, whole, float(dice.beta(1.0, 1.0)))


_POLICIES: Mapping[str, Callable[[Any, int, np.random.Generator], Any]] = {
    "none": _plain,
    "crops": _cropped,
    "flips-and-crops": _flips_and_crops,
    "randaugment": _rand_augment,
    "trivialaugment": _trivial_augment,
    "augmix": _aug_mix,
}
