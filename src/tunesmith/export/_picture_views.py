"""Code that sees pictures otherwise in every epoch, as `nn/augment.py` does."""

from __future__ import annotations

from collections.abc import Mapping

SEEN = '''\
def seen_otherwise(pixels: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Pictures changed at random, (rows, side, side, 3)."""
    images = [Image.fromarray(one) for one in pixels]
    return np.stack([np.asarray(changed(image, dice)) for image in images])
'''
CROPPED = '''\
def cropped(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """A random part of six tenths or more, stretched to the whole."""
    side = image.width
    for _ in range(10):
        area = side * side * dice.uniform(0.6, 1)
        aspect = math.exp(dice.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if max(width, height) <= side:
            left, top = dice.uniform(0, side - width), dice.uniform(0, side - height)
            box = (left, top, left + width, top + height)
            return image.resize((side, side), Image.Resampling.BILINEAR, box=box)
    return image
'''
OPERATED = '''\
OPERATIONS = {
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
WEAKER = [name for name in OPERATIONS if name not in ("Invert", "SolarizeAdd")]


def operated(
    image: Image.Image, names: list[str], strength: float, dice: np.random.Generator
) -> Image.Image:
    """One of timm's operations, of a strength from 0 to 1, in a random direction."""
    name = names[dice.integers(len(names))]
    signed = strength if dice.random() < 0.5 else -strength
    operation = importlib.import_module("timm.data.auto_augment").NAME_TO_OP[name]
    told = OPERATIONS[name](signed)
    bilinear = Image.Resampling.BILINEAR
    return operation(image, *told, fillcolor=(128, 128, 128), resample=bilinear)
'''
FLIPS = '''\
def changed(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """A random part, or its mirror image."""
    part = cropped(image, dice)
    return ImageOps.mirror(part) if dice.random() < 0.5 else part
'''
CROPS = '''\
def changed(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """A random part."""
    return cropped(image, dice)
'''
RAND = '''\
def changed(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """Two strong operations, each with a chance of one half.

    Source: Cubuk et al., "RandAugment", NeurIPS 2020.
    """
    for _ in range(2):
        if dice.random() < 0.5:
            strength = float(np.clip(dice.normal(0.9, 0.05), 0, 1))
            image = operated(image, list(OPERATIONS), strength, dice)
    return image
'''
TRIVIAL = '''\
def changed(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """One operation, or none, of any strength.

    Source: Müller and Hutter, "TrivialAugment", ICCV 2021.
    """
    if dice.integers(len(WEAKER) + 1) == 0:
        return image
    return operated(image, WEAKER, dice.random(), dice)
'''
MIXED = '''\
def changed(image: Image.Image, dice: np.random.Generator) -> Image.Image:
    """Three chains of weak operations, mixed with each other and with the picture.

    Source: Hendrycks et al., "AugMix", ICLR 2020.
    """
    mixed = np.zeros((*image.size, 3))
    for weight in dice.dirichlet((1, 1, 1)):
        chain = image
        for _ in range(dice.integers(1, 4)):
            chain = operated(chain, WEAKER, dice.uniform(0, 0.3), dice)
        mixed += weight * np.asarray(chain)
    whole = Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))
    return Image.blend(image, whole, dice.beta(1, 1))
'''
HELPERS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "crops": (CROPPED, CROPS, SEEN),
    "flips-and-crops": (CROPPED, FLIPS, SEEN),
    "randaugment": (OPERATED, RAND, SEEN),
    "trivialaugment": (OPERATED, TRIVIAL, SEEN),
    "augmix": (OPERATED, MIXED, SEEN),
}
"""By the name of what is done to a picture."""
