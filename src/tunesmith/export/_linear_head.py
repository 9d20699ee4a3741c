"""What the code of the probes shares: what is read out, the linear model, what stands beside."""

from __future__ import annotations

from collections.abc import Mapping

READOUTS: Mapping[str, tuple[str, ...]] = {
    "several": ("mean -1", "mean -2", "mean -4", "max"),
    "last": ("mean -1",),
    "ends": ("mean -1", "final", "max"),
    "deep": ("mean -1", "mean -2", "mean -3", "mean -4", "max", "first"),
}
"""As `nn/features.py` has them."""

LOGISTIC = """\
LogisticRegression(
            C=self.strength, class_weight=self.class_weight, max_iter=1000
        )"""
OTHER = """\
        self.other = ColumnTransformer(
            [
{rows}
            ]
        ).fit({table})
"""
