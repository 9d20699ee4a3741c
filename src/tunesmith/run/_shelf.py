from tunesmith.core.contracts import Runner
from tunesmith.core.shelf import Shelf

runners: Shelf[Runner] = Shelf("run", "tunesmith.run")
