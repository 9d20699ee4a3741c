"""What a learner of tables says where there are no columns for it."""

from __future__ import annotations

from tunesmith.core.records import Problem

SAID = {"image": "pictures", "text": "texts"}


def only_contents(problem: Problem) -> str:
    """Where every input is a picture or a text: that there is nothing else. Empty otherwise."""
    kinds = {problem.data.column(name).kind for name in problem.inputs}
    if not kinds <= set(SAID):
        return ""
    said = " and ".join(SAID[kind] for kind in sorted(kinds))
    return f"there are only {said} here, no numbers, categories or dates"
