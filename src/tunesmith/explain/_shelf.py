"""The shelf of explainers."""

from tunesmith.core.explaining import Explainer
from tunesmith.core.shelf import Shelf

explainers: Shelf[Explainer] = Shelf("explain", "tunesmith.explain")
