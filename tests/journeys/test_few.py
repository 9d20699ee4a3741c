"""Real sentences and real weights: what a network knows beforehand is what tells them apart."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

import tunesmith as ts

EXAMPLES = {
    "weather": [
        "It will rain for most of the afternoon.",
        "Snow fell on the hills last night.",
        "The storm brought strong winds from the west.",
        "Tomorrow will be sunny and warm.",
    ],
    "food": [
        "Add the onions and fry them in butter.",
        "This soup needs more salt and pepper.",
        "She baked a loaf of bread with walnuts.",
        "The restaurant serves grilled fish with lemon.",
    ],
    "money": [
        "The bank raised its interest rate again.",
        "He transferred the rent to my account.",
        "Shares fell after the company cut its dividend.",
        "My credit card was charged twice.",
    ],
}
NEW = {
    "Thick fog is expected in the morning.": "weather",
    "Hail damaged the roof during the thunderstorm.": "weather",
    "The temperature dropped below zero.": "weather",
    "Boil the pasta and grate some cheese.": "food",
    "Dessert was a chocolate cake with cherries.": "food",
    "We ate tomatoes and olives for lunch.": "food",
    "The loan must be paid back within a year.": "money",
    "Investors sold their bonds in a hurry.": "money",
    "I took cash from the machine.": "money",
}


@pytest.mark.parametrize("each", [1, 4])
def test_sentences_are_told_apart_by_words_that_no_example_has(
    tmp_path: Path, weights: str, each: int
) -> None:
    rows = [(text, label) for label, texts in EXAMPLES.items() for text in texts[:each]]
    table = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    with pytest.warns(match="none is left to validate on") if each == 1 else nullcontext():
        model = ts.fit(
            table,
            "label",
            trials=4,
            folder=tmp_path / "run",
            kinds={"text": "text"},
            space={"probe": {"backbone": weights}},
            offline=True,
        )
    answers = list(model.predict(list(NEW)))
    right = sum(str(a) == b for a, b in zip(answers, NEW.values(), strict=True))
    assert right >= (7 if each == 1 else 8)
    assert model.summary["best"]["backbone"] == weights
    if each == 4:
        low, high = model.summary["interval"]
        assert 0.4 < low <= model.summary["score"] <= high
