import json
import math
from itertools import product
from typing import Annotated

import numpy as np
import pytest

from tunesmith.core import space
from tunesmith.core.errors import ConfigError
from tunesmith.core.space import Choice, Int, Linear, Log, config
from tunesmith.learners.linear import LinearConfig
from tunesmith.learners.majority import MajorityConfig
from tunesmith.nn.adapters import BitFit, Full, LoRA
from tunesmith.nn.optim import SGD, AdamW, Lion


@config
class Slow:
    """A branch with one dimension."""

    decay: Annotated[float, Log(1e-4, 1e-1)] = 1e-2


@config
class Fast:
    """A branch with one dimension and one plain field."""

    momentum: Annotated[float, Linear(0.5, 0.99)] = 0.9
    nesterov: bool = True


@config
class Head:
    """A nested config that has a field called kind."""

    kind: Annotated[str, Choice("mean", "max")] = "mean"


@config
class Whole:
    """Every sort of field."""

    lr: Annotated[float, Log(1e-5, 1e-3)] = 1e-4
    layers: Annotated[int, Int(1, 12)] = 4
    optimizer: Slow | Fast = Slow(decay=0.05)
    head: Head = Head(kind="max")
    note: str = ""
    sizes: tuple[int, ...] = (1, 2)


CONFIGS = [Whole, LinearConfig, MajorityConfig, Full, LoRA, BitFit, AdamW, SGD, Lion]


def draw(generator):
    """Answer each question with a random value of its range."""

    def ask(path, mark):
        if isinstance(mark, Choice):
            return mark.values[generator.integers(len(mark.values))]
        if isinstance(mark, Int):
            return int(generator.integers(mark.low, mark.high + 1))
        return float(generator.uniform(mark.low, mark.high))

    return ask


@pytest.mark.parametrize("cls", CONFIGS, ids=lambda cls: cls.__name__)
def test_every_config_comes_back_from_json(cls):
    generator = np.random.default_rng(0)
    for value in [cls(), *(space.sample(cls, draw(generator)) for _ in range(20))]:
        text = json.dumps(space.to_dict(value), allow_nan=False)
        assert space.from_dict(cls, json.loads(text)) == value


@pytest.mark.parametrize("cls", CONFIGS, ids=lambda cls: cls.__name__)
def test_the_first_trial_is_the_default_config(cls):
    assert space.default(cls) == cls()


@pytest.mark.parametrize("cls", CONFIGS, ids=lambda cls: cls.__name__)
def test_every_default_lies_in_its_range(cls):
    ranges = space.space(cls)
    for path, value in space.flatten(cls()).items():
        assert ranges[path].allows(value), path


def test_the_space_names_every_dimension_by_its_path():
    assert space.space(Whole) == {
        "lr": Log(1e-5, 1e-3),
        "layers": Int(1, 12),
        "optimizer": Choice("Slow", "Fast"),
        "optimizer.Slow.decay": Log(1e-4, 1e-1),
        "optimizer.Fast.momentum": Linear(0.5, 0.99),
        "head.kind": Choice("mean", "max"),
    }


@pytest.mark.parametrize(
    ("branch", "inner"), [("Slow", "optimizer.Slow.decay"), ("Fast", "optimizer.Fast.momentum")]
)
def test_only_dimensions_of_the_branch_taken_are_asked_for(branch, inner):
    asked = []

    def ask(path, mark):
        asked.append(path)
        return branch if path == "optimizer" else draw(np.random.default_rng(0))(path, mark)

    value = space.sample(Whole, ask)
    assert type(value.optimizer).__name__ == branch
    assert asked == ["lr", "layers", "optimizer", inner, "head.kind"]
    assert list(space.flatten(value)) == asked


def test_a_pinned_value_is_not_asked_for_and_a_pinned_range_is_narrower():
    asked = {}

    def ask(path, mark):
        asked[path] = mark
        return draw(np.random.default_rng(0))(path, mark)

    pins = {"lr": 5e-4, "layers": Int(2, 3), "optimizer": "Fast", "note": "mine"}
    value = space.sample(Whole, ask, pins)
    assert (value.lr, value.note) == (5e-4, "mine")
    assert isinstance(value.optimizer, Fast)
    assert set(asked) == {"layers", "optimizer.Fast.momentum", "head.kind"}
    assert asked["layers"] == Int(2, 3)


def test_a_pin_of_another_branch_takes_that_branchs_own_defaults():
    assert space.default(Whole, {"optimizer": "Fast"}).optimizer == Fast()
    assert space.default(Whole, {"optimizer.Slow.decay": 0.1}).optimizer == Slow(decay=0.1)


def test_a_range_without_the_default_begins_at_its_first_value():
    assert space.default(Whole, {"layers": Int(6, 8)}).layers == 6
    assert space.default(Whole, {"optimizer": Choice("Fast")}).optimizer == Fast()


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ({"lrr": 0.1}, "Whole has no field 'lrr'. Did you mean 'lr'?"),
        ({"optimizer": "Fsat"}, "optimizer cannot be 'Fsat'. Did you mean 'Fast'?"),
        ({"head.kind": "min"}, "head.kind cannot be 'min'."),
        ({"layers": "many"}, "Whole.layers cannot be 'many'"),
        ({"optimizer": Choice("Slowly")}, "optimizer cannot be 'Slowly'. Did you mean 'Slow'?"),
        ({"optimizer.Fast.momentum": "much"}, "Fast.momentum cannot be 'much'"),
    ],
)
def test_a_wrong_pin_is_refused_by_name(pins, message):
    with pytest.raises(ConfigError) as caught:
        space.check_pins(Whole, pins)
    assert message in str(caught.value)


def test_a_right_pin_is_let_through():
    space.check_pins(
        Whole,
        {"lr": Log(1e-4, 2e-4), "optimizer.Fast.momentum": 0.6, "note": "n", "layers": 3},
    )
    space.check_pins(Whole, {"optimizer.Fast.nesterov": False})


def test_an_unknown_field_and_an_infinite_number_are_refused():
    with pytest.raises(ConfigError, match=r"Whole has no field 'lyers'\. Did you mean 'layers'\?"):
        space.make(Whole, {"lyers": 3})
    for value in (math.inf, math.nan):
        with pytest.raises(ConfigError, match=r"Whole\.lr cannot be"):
            space.make(Whole, {"lr": value})


def test_an_unknown_branch_is_refused_when_read_back():
    plain = space.to_dict(Whole())
    plain["optimizer"]["kind"] = "Slowly"
    with pytest.raises(ConfigError, match=r"optimizer cannot be 'Slowly'\. Did you mean 'Slow'"):
        space.from_dict(Whole, plain)
    del plain["optimizer"]["kind"]
    with pytest.raises(ConfigError, match=r"optimizer cannot be ''"):
        space.from_dict(Whole, plain)


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        Whole().lr = 1.0


@pytest.mark.parametrize(
    ("mark", "inside", "outside"),
    [
        (Log(1e-3, 1.0), [1e-3, 0.5, 1, 1.0], [1e-4, 1.1, math.nan, "0.5", True, None]),
        (Linear(-1.0, 1.0), [-1.0, 0, 1.0], [-1.1, math.inf, "0", False]),
        (Int(1, 3), [1, 2, 3], [0, 4, 2.0, True, "2"]),
        (Choice("a", None, 2), ["a", None, 2], ["b", 3]),
    ],
)
def test_a_range_holds_its_ends_and_nothing_beyond(mark, inside, outside):
    assert all(mark.allows(value) for value in inside)
    assert not any(mark.allows(value) for value in outside)


def test_an_empty_range_is_refused():
    for build, low, high in product((Log, Linear, Int), (2,), (1, 2)):
        with pytest.raises(ConfigError):
            build(low, high)
    with pytest.raises(ConfigError):
        Log(0.0, 1.0)
    with pytest.raises(ConfigError):
        Choice()


def test_numbers_beyond_a_choice_may_be_meant_and_words_may_not() -> None:
    space.check_pins(Whole, {"optimizer": Choice("Fast")})
    with pytest.raises(ConfigError, match="Known: "):
        space.check_pins(Whole, {"optimizer": Choice("Fast", "Fsat")})
