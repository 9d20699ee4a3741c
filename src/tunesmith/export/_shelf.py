from tunesmith.core.contracts import Exporter
from tunesmith.core.shelf import Shelf

exporters: Shelf[Exporter] = Shelf("exporters", "tunesmith.export")
