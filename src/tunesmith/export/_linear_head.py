"""What the code of the probes shares: the linear model, and what stands beside the features."""

from __future__ import annotations

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
