"""Every trial runs to its end."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Curve, Point, Stopper
from tunesmith.stoppers._shelf import stoppers


@stoppers.add("none")
class Never(Stopper):
    """Stops nothing."""

    def keeps(self, curve: Sequence[Point], others: Sequence[Curve], number: int) -> bool:
        return True
