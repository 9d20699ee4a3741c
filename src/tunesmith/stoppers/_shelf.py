from tunesmith.core.contracts import Stopper
from tunesmith.core.shelf import Shelf

stoppers: Shelf[Stopper] = Shelf("stoppers", "tunesmith.stoppers")
