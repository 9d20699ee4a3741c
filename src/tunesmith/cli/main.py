"""The command `tunesmith`: one file per command, and one place where errors become words."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import textwrap
import time
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tunesmith.cli import STARTED
from tunesmith.cli.ablation import ablation
from tunesmith.cli.architecture import architecture
from tunesmith.cli.cache import cache
from tunesmith.cli.check import check
from tunesmith.cli.demo import demo
from tunesmith.cli.distill import distill
from tunesmith.cli.doctor import doctor
from tunesmith.cli.errors import errors
from tunesmith.cli.evaluate import evaluate
from tunesmith.cli.explain import explain
from tunesmith.cli.export import export
from tunesmith.cli.fit import fit
from tunesmith.cli.importance import importance
from tunesmith.cli.leaderboard import leaderboard
from tunesmith.cli.pick import pick
from tunesmith.cli.plot import plot
from tunesmith.cli.predict import predict
from tunesmith.cli.report import report
from tunesmith.cli.resume import resume
from tunesmith.cli.scout import scout
from tunesmith.cli.sheet import sheet
from tunesmith.cli.terms import terms
from tunesmith.cli.to_label import to_label
from tunesmith.cli.watch import runs, watch
from tunesmith.cli.weights import weights
from tunesmith.cli.zoo import zoo
from tunesmith.core.errors import DataWarning, TunesmithError
from tunesmith.core.runfolder import is_full

Misuse = typer.BadParameter.__mro__[1]
"""What typer raises for a command line that cannot be read. It lies in click, or in the copy of
click that newer versions of typer carry."""

app = typer.Typer(
    name="tunesmith",
    help="From labelled data to a fine-tuned, proven, saved model, within a budget of time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(fit)
app.command()(resume)
app.command()(scout)
app.command()(predict)
app.command()(evaluate)
app.command()(explain)
app.command()(errors)
app.command("to-label")(to_label)
app.command()(check)
app.command()(sheet)
app.command()(report)
app.command()(leaderboard)
app.command()(architecture)
app.command()(terms)
app.command()(importance)
app.command()(ablation)
app.command()(pick)
app.command()(distill)
app.command()(export)
app.command()(watch)
app.command()(runs)
app.command()(plot)
app.command()(zoo)
app.add_typer(weights, name="weights")
app.add_typer(cache, name="cache")
app.command()(demo)
app.command()(doctor)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"tunesmith {version('tunesmith')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and leave the process: status 0, 1 (our fault), 2 (can be put right) or
    130 (interrupted). Without arguments they are the process's own, and its clock counts."""
    # Waiting threads that spin make two threads slower than one beside any other work; this is
    # read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if arguments is None:
        # The process ends: nobody need look through its objects for what can be freed, which takes
        # a second where torch is loaded.
        atexit.register(gc.freeze)
    started = STARTED if arguments is None else time.monotonic()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        status = _run(sys.argv[1:] if arguments is None else list(arguments), started)
    sys.exit(status)


def _show_warning(message: Warning | str, category: type[Warning], *where: Any) -> None:
    if issubclass(category, DataWarning):
        _tell(f"note: {message}.")
    else:
        print(warnings.formatwarning(message, category, *where[:2]), end="", file=sys.stderr)


def _run(arguments: list[str], started: float) -> int:
    try:
        ended = app(args=arguments, prog_name="tunesmith", obj=started, standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        _leave_output()
        return 1
    except TunesmithError as error:
        _tell(f"error: {error}")
        return 2
    except Exception as error:
        return _tell_other(error)
    return ended if isinstance(ended, int) else 0


def _tell_other(error: Exception) -> int:
    """The exit status of an error that is not of ours, once told."""
    if isinstance(error, Misuse):
        _tell_misuse(error)
        return 2
    if isinstance(error, OSError) and is_full(error):
        _leave_output()
        _tell(f"error: Cannot write: {error}. Free some space, or write elsewhere.")
        return 2
    _tell_unexpected(error)
    return 1


def _leave_output() -> None:
    """Nobody takes what is written: let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_misuse(error: Any) -> None:
    """A command line that cannot be read; a bare command is answered with its help."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tunesmith"
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    message = error.format_message().strip()
    _tell(f"error: {message}{'' if message.endswith(('.', '?')) else '.'} See: {path} --help")


def _tell(paragraph: str) -> None:
    """One paragraph on standard error; long words (paths, URLs) are never broken."""
    if os.environ.get("TUNESMITH_DEBUG") == "1":
        traceback.print_exc()
    text = textwrap.fill(
        " ".join(paragraph.split()), 100, break_long_words=False, break_on_hyphens=False
    )
    print(text, file=sys.stderr)


def _tell_unexpected(error: Exception) -> None:
    again = "" if os.environ.get("TUNESMITH_DEBUG") == "1" else " with TUNESMITH_DEBUG=1"
    _tell(
        f"error: tunesmith failed in a way it should not: {type(error).__name__}: {error}. "
        f"Please report it, with the traceback of the same command run{again}."
    )
