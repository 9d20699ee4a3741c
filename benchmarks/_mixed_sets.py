"""Four data sets whose rows mix kinds of columns, each as a table (paths of pictures in it), its
target, and the kinds of its columns.

DATA holds Fashion-MNIST's four .gz files (Debian's package dataset-fashion-mnist) and the folder
`package` of emoji-datasource-twitter (`npm pack emoji-datasource-twitter@16.0.0`), at any depth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from mixed import clothes, films
from pictures_learning import fashion
from PIL import Image

LEARN, TEST = 1_500, 1_000
WORDS: Mapping[str, tuple[str, ...]] = {
    "tshirt": ("short", "cotton", "summer", "sleeves"),
    "trouser": ("legs", "long", "denim"),
    "pullover": ("warm", "wool", "sleeves"),
    "dress": ("long", "summer", "evening"),
    "coat": ("warm", "buttons", "winter"),
    "sandal": ("summer", "feet", "open"),
    "shirt": ("cotton", "buttons", "sleeves"),
    "sneaker": ("feet", "sport", "rubber"),
    "bag": ("strap", "leather", "evening"),
    "boot": ("feet", "winter", "leather"),
}
"""No word tells one class from all others."""
PLAIN = ("nice", "as shown", "delivered soon", "size fits", "a gift", "bought again", "good price")
PRICES = (12, 30, 35, 45, 90, 25, 28, 60, 40, 80)
SAID, GONE, NOISE = 0.7, 0.1, 40.0
"""How likely the words are of the class; the share of cells missing; the deviation of the noise."""


@dataclass(frozen=True)
class Mixed:
    """A table with rows to learn from, then rows that test; `groups` are the columns of a kind."""

    rows: pd.DataFrame
    target: str
    groups: Mapping[str, list[str]]
    kinds: Mapping[str, str]
    learn: int
    metric: str


def made(data: Path, folder: Path) -> Mixed:
    """Pictures of clothes under noise, a few words that several classes share, and a price that
    several classes have; a tenth of the pictures and of the texts are missing."""
    dice = np.random.default_rng(0)
    pixels, labels = fashion(data, "train", LEARN + TEST)
    classes = list(WORDS)
    paths, texts, prices = [], [], []
    for number, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        grey = picture + dice.normal(0, NOISE, picture.shape)
        file = folder / f"{number}.png"
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(file)
        paths.append(None if dice.random() < GONE else str(file))
        said = label if dice.random() < SAID else classes[dice.integers(len(classes))]
        words = [dice.choice(WORDS[said]), dice.choice(PLAIN), dice.choice(WORDS[said])]
        texts.append(None if dice.random() < GONE else " ".join(words))
        prices.append(round(PRICES[classes.index(label)] * float(np.exp(dice.normal(0, 0.35))), 2))
    rows = pd.DataFrame({"image": paths, "text": texts, "price": prices, "label": labels})
    groups = {"pictures": ["image"], "texts": ["text"], "columns": ["price"]}
    kinds = {"image": "image", "text": "text", "price": "number"}
    return Mixed(rows, "label", groups, kinds, LEARN, "accuracy")


def emoji(data: Path, folder: Path) -> Mixed:
    """To which of nine groups an emoji belongs, by its picture, its name, and the version of
    Unicode that brought it."""
    (told,) = data.rglob("package/emoji.json")
    every = [one for one in json.loads(told.read_text()) if one["category"] != "Component"]
    order = np.random.default_rng(0).permutation(len(every))
    found = [
        {
            "image": str(told.parent / "img" / "twitter" / "64" / every[row]["image"]),
            "name": every[row]["name"].lower(),
            "version": float(every[row]["added_in"]),
            "group": every[row]["category"],
        }
        for row in order
        if every[row]["has_img_twitter"]
    ]
    groups = {"pictures": ["image"], "texts": ["name"], "columns": ["version"]}
    kinds = {"image": "image", "name": "text", "version": "number"}
    return Mixed(pd.DataFrame(found), "group", groups, kinds, 1_000, "accuracy")


def drawn(rows: pd.DataFrame, target: str, texts: list[str], metric: str) -> Mixed:
    """So many rows of a table of texts and other columns."""
    some = rows.sample(2_500 + 2_000, random_state=0).reset_index(drop=True)
    columns = [name for name in rows.columns if name not in (*texts, target)]
    kinds = dict.fromkeys(texts, "text")
    kinds |= {name: "category" for name in columns if rows[name].dtype.kind not in "if"}
    return Mixed(some, target, {"texts": texts, "columns": columns}, kinds, 2_500, metric)


def reviews(data: Path, folder: Path) -> Mixed:
    """Whether a piece of clothing was recommended, by title and text of the review beside the age
    of who wrote it, votes, division, department and class."""
    return drawn(*clothes("recommended"), ["Title", "Review Text"], "roc_auc")


def ratings(data: Path, folder: Path) -> Mixed:
    """How a film was rated, by its title and genres beside age, gender and occupation of who saw
    it."""
    rows, target = films()
    return drawn(rows, target, ["title", "genres"], "roc_auc_ovr")


SETS: Mapping[str, Callable[[Path, Path], Mixed]] = {
    "made": made,
    "emoji": emoji,
    "reviews": reviews,
    "films": ratings,
}
