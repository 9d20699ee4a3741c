"""What a learner of tables says where there are no columns for it."""

from __future__ import annotations

from tunesmith.core.records import Problem

SAID = {"image": "pictures", "text": "texts"}


def only_contents(problem: Problem) -> str:
    """Where every input is a picture, or every one a text: that there is nothing else. Empty
    otherwise, as words beside pictures are columns too."""
    kinds = {problem.data.column(name).kind for name in problem.inputs}
    if len(kinds) != 1 or not kinds <= set(SAID):
        return ""
    return f"there are only {SAID[kinds.pop()]} here, no numbers, categories or dates"
