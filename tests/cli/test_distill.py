"""`tunesmith distill`, and `fit --distill`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]


def test_a_run_is_distilled_on_the_command_line(
    command: Command, table: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = ["--target", "label", "--trials", "2", "--learners", "majority,linear", "--quiet"]
    ran = command("fit", table, *options, "--distill", "--offline", "--folder", run)
    assert ran.status == 0
    assert "distilled into one linear" in ran.out
    ran = command("distill", run)
    assert ran.status == 0
    assert ran.out.splitlines()[-1] == f"saved in {run / 'distilled'}"
    told = json.loads(command("distill", run, "--unlabelled", table, "--json").out)
    assert told["learner"] == "linear"
    assert command("predict", run / "distilled", table).status == 0
    ran = command("distill", run, "--student", "majority")
    assert ran.status == 2
    assert "does not weigh rows" in ran.err
