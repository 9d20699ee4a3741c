"""`tunesmith weights`: bring the bytes of a checkpoint, or say where they are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tunesmith.cli.zoo import zoo

weights = typer.Typer(no_args_is_help=True, help="Fetch the bytes of a checkpoint, once.")
weights.command("list")(zoo)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `tunesmith zoo` lists.")]


@weights.command()
def fetch(name: Name) -> None:
    """Bring the bytes of a checkpoint onto this machine, check them, and print their folder."""
    from tunesmith import zoo as shelf

    card = shelf.card_for(name)
    print(f"fetching {card.name}", file=sys.stderr)
    print(shelf.fetch(name))


@weights.command()
def path(name: Name) -> None:
    """Print the folder that holds the bytes of a checkpoint; opens no socket."""
    from tunesmith import zoo as shelf

    print(shelf.folder(name))
