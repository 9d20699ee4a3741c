"""Every trial runs to its end."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Stopper
from tunesmith.stoppers._shelf import stoppers


@stoppers.add("none")
class Never(Stopper):
    """Stops nothing."""

    def keeps(
        self,
        curve: Sequence[tuple[float, float]],
        finished: Sequence[Sequence[tuple[float, float]]],
    ) -> bool:
        return True
