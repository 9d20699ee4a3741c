from collections.abc import Mapping

from tunesmith.core.contracts import Searcher
from tunesmith.core.errors import ConfigError
from tunesmith.core.shelf import Shelf
from tunesmith.core.space import Range

searchers: Shelf[Searcher] = Shelf("search", "tunesmith.search")


def check(name: str, ranges: Mapping[str, Range], goals: int) -> None:
    """Refuse to begin a search that cannot search these dimensions.

    Raises:
        ConfigError: Says why it cannot.
    """
    reason = searchers[name].refuses(ranges, goals)
    if reason:
        raise ConfigError(f"The search {name!r} cannot be used here: {reason}.")
