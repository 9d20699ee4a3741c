"""What the doctor says of this machine, and the zoo of the bytes on it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., Any]


def test_the_doctor_knows_this_machine(command: Command) -> None:
    ran = command("doctor", "--json")
    assert ran.status == 0
    facts = json.loads(ran.out)
    assert facts["python"] == platform.python_version()
    assert 1 <= facts["cores"] <= (os.cpu_count() or 1)
    assert facts["memory_bytes"] > 2**28
    assert facts["packages"]["numpy"]
    assert facts["extras"]["text"]["install"] == 'pip install "tunesmith[text]"'
    assert "all-MiniLM-L6-v2" in facts["weights"]


def test_the_doctor_measures_the_speed_of_products(command: Command) -> None:
    pytest.importorskip("torch")
    ran = command("doctor", "--json")
    assert json.loads(ran.out)["devices"]["gflops"]["fp32"] > 0.5


def test_the_zoo_says_licence_and_whether_the_bytes_are_here(command: Command) -> None:
    cards = json.loads(command("zoo", "--json").out)
    assert len(cards) >= 2
    for card in cards.values():
        assert card["license"]
        assert isinstance(card["here"], bool)
    shown = command("zoo").out
    assert all(name in shown for name in cards)


def test_weights_of_no_checkpoint_are_refused_with_the_nearest_name(command: Command) -> None:
    ran = command("weights", "path", "all-minlm-L6")
    assert ran.status == 2
    assert "all-MiniLM-L6-v2" in ran.err
