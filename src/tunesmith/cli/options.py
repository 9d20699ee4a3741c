"""Options written as text, read into what the Python call takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.core.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="One JSON object as the last thing printed.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or a saved model.")]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="CSV, TSV, Parquet, JSON lines, Excel; path, URL or pattern; a folder of pictures.",
    ),
]


def target(given: Sequence[str]) -> str | list[str]:
    """The column to predict, or several of 0 and 1, as they were given."""
    return given[0] if len(given) == 1 else list(given)


def names(text: str | None) -> list[str] | None:
    """`a,b` as a list; None where nothing was given."""
    if text is None:
        return None
    return [word.strip() for word in text.split(",") if word.strip()]


def kinds(pairs: Sequence[str]) -> dict[str, str] | None:
    """`COLUMN=KIND` pairs; the last `=` counts, since a column may carry one in its name.

    Raises:
        ConfigError: One of them has no `=`.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        column, equals, kind = pair.rpartition("=")
        if not (column and equals and kind):
            raise ConfigError(
                f"--kind {pair!r} is not COLUMN=KIND. Write for example --kind age=number."
            )
        found[column] = kind
    return found or None


def pins(pairs: Sequence[str]) -> dict[str, dict[str, Any]] | None:
    """`LEARNER.FIELD=VALUE` pairs by learner and dotted field; a value is JSON, else text.

    Raises:
        ConfigError: One of them is not of this form.
    """
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        learner, dot, field = path.partition(".")
        if not (learner and dot and field and equals):
            raise ConfigError(
                f"--set {pair!r} is not LEARNER.FIELD=VALUE. "
                "Write for example --set neural.lr=1e-4."
            )
        found.setdefault(learner, {})[field] = _value(text)
    return found or None


def space(file: str | None, pairs: Sequence[str]) -> dict[str, dict[str, Any]] | None:
    """What is fixed or narrowed by a file and by `--set`, which has the last word.

    Raises:
        ConfigError: The file cannot be read as a table of learners.
    """
    found = {} if file is None else _read_space(Path(file))
    for learner, fields in (pins(pairs) or {}).items():
        found.setdefault(learner, {}).update(fields)
    return found or None


def _read_space(file: Path) -> dict[str, dict[str, Any]]:
    import yaml

    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--space {file} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"--space {file} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(read, dict) or not all(isinstance(one, dict) for one in read.values()):
        raise ConfigError(
            f"--space {file} must hold a table of fields for each learner, such as: "
            'neural: {lr: "log(1e-5, 1e-3)", batch_size: [16, 32]}'
        )
    return {str(learner): dict(fields) for learner, fields in read.items()}


def costs(text: str | None) -> dict[str, Any] | list[Any] | None:
    """Costs from a YAML or JSON file, or written out on the spot. Labels and costs stay text as
    they stand: a label `no` is no false.

    Raises:
        ConfigError: It cannot be read as a table.
    """
    import yaml

    if text is None:
        return None
    what = "--costs" if text.lstrip()[:1] in ("{", "[") else f"--costs {text}"
    try:
        written = text if what == "--costs" else Path(text).read_text(encoding="utf-8")
        read = yaml.load(written, Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{what} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(read, dict | list):
        raise ConfigError(
            f"{what} must hold a table of costs by true label, then by answer, such as: "
            "{good: {bad: 5}, bad: {good: 1}}"
        )
    return read


def architecture(text: str) -> Any:
    """`on`, `off` and `start:FILE` as the Python call has them; the rest as it stands."""
    if text.startswith("start:"):
        return {"start": text.removeprefix("start:")}
    return {"on": True, "off": False}.get(text, text)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
