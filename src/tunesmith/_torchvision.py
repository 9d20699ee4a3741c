"""torchvision beside a torch for processors alone.

The wheels of torchvision on the package index are linked against CUDA. With a torch that has none,
importing it fails, and takes timm, transformers and torchmetrics down with it. What these need of
it is Python. So, before torchvision is imported and only where its compiled part cannot be loaded,
stand-ins take the place of the modules that register that part, and its two operators which
detectors use are written in torch. Where the wheel matches torch, nothing is done.

Importing this costs nothing: neither torch nor torchvision is imported by it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

NAME = "torchvision"
REGISTERING = ("_meta_registrations", "_autograd_registrations")
_KEPT: list[Any] = []
"""The operators, which last as long as this holds them."""


class _Before(MetaPathFinder):
    """Finds nothing, but is asked first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        if fullname == NAME:
            sys.meta_path.remove(self)
            _prepare()


def watch() -> None:
    """Be asked before torchvision is imported, in this process."""
    is_watching = any(isinstance(finder, _Before) for finder in sys.meta_path)
    if NAME not in sys.modules and not is_watching:
        sys.meta_path.insert(0, _Before())


def _prepare() -> None:
    spec = importlib.util.find_spec(NAME)
    if spec is None or not spec.submodule_search_locations:
        return
    torch = importlib.import_module("torch")
    libraries = sorted(Path(spec.submodule_search_locations[0]).glob("_C*.*"))
    try:
        for library in libraries:
            torch.ops.load_library(str(library))
    except OSError:
        _stand_in()


def _stand_in() -> None:
    """Modules in place of those that need the compiled part, and two operators of it."""
    torch = importlib.import_module("torch")
    extension = ModuleType(f"{NAME}.extension")
    extension.__dict__.update(
        _load_library=lambda name: False,
        _has_ops=lambda: True,
        _assert_has_ops=lambda: None,
        _check_cuda_version=lambda: -1,
    )
    sys.modules[extension.__name__] = extension
    for name in REGISTERING:
        sys.modules[f"{NAME}.{name}"] = ModuleType(f"{NAME}.{name}")
    operators = torch.library.Library(NAME, "DEF")
    operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    operators.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
        "int pooled_width, int sampling_ratio, bool aligned) -> Tensor"
    )
    operators.impl("nms", _nms, "CPU")
    operators.impl("roi_align", _roi_align, "CompositeImplicitAutograd")
    _KEPT.append(operators)


def _nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Boxes (boxes, 4) that no better one overlaps by more than a threshold, best first."""
    torch = importlib.import_module("torch")
    order = scores.argsort(descending=True, stable=True)
    areas = (dets[:, 2] - dets[:, 0]) * (dets[:, 3] - dets[:, 1])
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(dets[best, :2], dets[rest, :2])
        high = torch.minimum(dets[best, 2:], dets[rest, 2:])
        inside = (high - low).clamp(min=0).prod(dim=1)
        order = rest[inside / (areas[best] + areas[rest] - inside) <= iou_threshold]
    return torch.stack(kept) if kept else order


def _roi_align(*given: Any) -> Any:
    """torchvision's own reference, as it is: compiling it takes half a minute."""
    reference = importlib.import_module(f"{NAME}.ops.roi_align")._roi_align
    return getattr(reference, "__wrapped__", reference)(*given)
