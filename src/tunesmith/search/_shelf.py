from tunesmith.core.contracts import Searcher
from tunesmith.core.shelf import Shelf

searchers: Shelf[Searcher] = Shelf("search", "tunesmith.search")
