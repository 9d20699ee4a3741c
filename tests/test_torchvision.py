"""torchvision beside a torch for processors: found once, cured in every process, and only there."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("timm")

ALL = """
import sys
import tunesmith
assert "torch" not in sys.modules and "torchvision" not in sys.modules
import torch, torchvision, timm, transformers
from torchvision.ops import nms, roi_align
from transformers import BertModel
boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
assert nms(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5).tolist() == [1, 2]
assert nms(boxes[:0], torch.zeros(0), 0.5).tolist() == []
maps = torch.arange(64.0).reshape(1, 1, 8, 8).requires_grad_()
found = roi_align(maps, torch.tensor([[0.0, 0, 0, 4, 4]]), output_size=2, aligned=True)
found.sum().backward()
print([round(v, 3) for v in found.flatten().tolist()], float(maps.grad.sum()))
"""


def told(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_what_needs_torchvision_works_and_its_operators_are_right() -> None:
    assert told(ALL) == "[4.5, 6.5, 20.5, 22.5] 4.0"


def test_where_its_compiled_part_loads_nothing_is_done() -> None:
    code = """
import sys, torch
loaded = []
torch.ops.load_library = lambda path: loaded.append(path)
import tunesmith
from tunesmith import _torchvision
_torchvision._prepare()
assert loaded and not any(name.startswith("torchvision") for name in sys.modules)
"""
    told(code)
