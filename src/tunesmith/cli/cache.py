"""`tunesmith cache`: what frozen networks answered, kept for later trials and fits."""

from __future__ import annotations

import time

import typer

from tunesmith.cli.options import Json
from tunesmith.cli.tables import Table, show, show_json, size

cache = typer.Typer(no_args_is_help=True, help="The activation store: show it, clear it.")


@cache.command("show")
def show_cache(as_json: Json = False) -> None:
    """Say where the activation store lies, how much it holds and may hold."""
    from tunesmith.nn.shards import open_store

    store = open_store()
    spaces = store.listing()
    facts = {
        "folder": str(store.folder),
        "bytes": store.size_bytes(),
        "most_bytes": store.most_bytes,
        "spaces": spaces,
    }
    if as_json:
        show_json(facts)
        return
    held, most = size(store.size_bytes() / 1e6), size(store.most_bytes / 1e6)
    print(f"{store.folder}: {held} of at most {most}")
    if spaces:
        heads = ("backbone", "what", "precision", "files", "size", "last used")
        rows = tuple(
            (
                str(one.get("backbone", "?")),
                str(one.get("what", "?")),
                str(one.get("precision", "?")),
                str(one["shards"]),
                size(one["bytes"] / 1e6),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(one["used"])),
            )
            for one in spaces
        )
        show(Table("Activations", heads, rows, frozenset({"files", "size"})))


@cache.command()
def clear() -> None:
    """Delete the activation store. Whatever is needed again is computed again."""
    from tunesmith.nn.shards import open_store

    store = open_store()
    print(f"{size(store.clear() / 1e6)} deleted from {store.folder}")
