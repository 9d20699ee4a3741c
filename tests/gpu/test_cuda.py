"""On a CUDA device: every adapter trains there, and a saved model answers alike on the processor.

Run by name: scripts/test -m gpu
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.nn import devices

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here"),
]

ON_THE_PROCESSOR = """
import sys
from pathlib import Path
import numpy as np
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame
from tunesmith.tasks import tasks
name, task, folder, out = sys.argv[1:]
data, target = tasks[task].example(np.random.default_rng(0))
other = "stars" if target == "label" else "label"
problem = frame(data.with_columns([n for n in data.names if n != other]), target, seed=0)
np.save(out, learners[name].load(Path(folder)).predict(problem.part("test")).array())
"""


def test_the_device_is_found() -> None:
    assert devices.device().type == "cuda"


@pytest.mark.parametrize(
    ("name", "pins"),
    [
        ("probe", {}),
        ("neural", {}),
        ("neural", {"adapter": "LoRA", "class_weights": True}),
        ("neural", {"adapter": "BitFit", "head": 128, "pooling": "attention"}),
    ],
)
def test_what_was_fitted_on_the_device_answers_alike_on_the_processor(
    example: Problem, checkpoint: str, tmp_path: Path, name: str, pins: dict[str, Any]
) -> None:
    if name == "neural":
        pins = {"epochs": 2, "lr": 1e-3, "batch_size": 8, **pins}
    if not example.classes:
        pins = {key: value for key, value in pins.items() if key != "class_weights"}
    config = default(learners[name].config, {"backbone": checkpoint, **pins})
    watch = Watch(Clock(), lambda score, progress: True)
    model = learners[name].fit(example, config, 0, watch)
    answers = model.predict(example.part("test")).array()
    model.save(tmp_path)
    out = tmp_path.parent / f"{tmp_path.name}.npy"
    subprocess.run(
        [sys.executable, "-c", ON_THE_PROCESSOR, name, example.task, str(tmp_path), str(out)],
        env={"CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )
    assert np.abs(np.load(out) - answers).max() <= 0.02 * max(1.0, np.abs(answers).max())
