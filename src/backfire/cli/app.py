"""The command line. Data goes to stdout, messages to stderr; exit codes are part of the interface.

0 all well · 1 a bug of ours · 2 wrong input, nothing written · 3 finished, but some arms failed · 4 refused · 5 disk ·
6 those who computed are gone · 130, 143 interrupted. Heavy libraries are imported by the command that needs them, so
that ``--help`` is fast.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from backfire.cli.commands import all_commands
from backfire.cli.terminal import say, write_line
from backfire.errors import BackfireError, echo


def _show_version(wanted: bool) -> None:
    if wanted:
        from backfire.model import version

        write_line(f"backfire {version()}")
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version")] = False,
) -> None:
    pass


def _interrupted(number: int, _: object) -> NoReturn:
    say("interrupted; what is written is whole, run the command again")
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the console script exits with it."""
    os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever the user's screen
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  a closed stream
        setattr(sys, name, stream)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show × shows ?
    with contextlib.suppress(ValueError):  # not the main thread: signals are the caller's
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup a hang-up is to be ignored
                signal.signal(number, _interrupted)
    try:
        code = _call(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # the reader has gone; point stdout elsewhere so that the interpreter's own flush stays silent
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        say("interrupted; what is written is whole, run the command again")
        return 130
    except OSError as error:
        say(f"backfire: cannot write: {error.strerror or error}")
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  its own flush would fail again
        return 5


def _program() -> typer.Typer:
    """The command line with every command there is."""
    program = typer.Typer(
        name="backfire",
        help="Why treated tumours come back: the body answers the drug. Illustrative, not clinically calibrated.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    program.callback()(_options)
    for function in all_commands():
        program.command()(function)
    return program


def _call(arguments: Sequence[str] | None) -> int:
    try:
        given = _program()(args=list(arguments) if arguments is not None else None, prog_name="backfire", standalone_mode=False)
        return given if isinstance(given, int) else 0
    except typer.Abort:
        return 130
    except BackfireError as error:
        say(f"backfire: {error}" if "\n" not in str(error) else str(error))
        return error.exit_code
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:
        # wrong words on the command line: typer brings click's errors under changing names, all with show()
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return 2
        say(f"backfire: a bug of ours: {type(error).__name__}: {echo(error)}\n  the whole story: {_log(error)}")
        return 1


def _log(error: Exception) -> str:
    """Where the traceback was kept."""
    handle, path = tempfile.mkstemp(prefix="backfire-", suffix=".log", text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))
    return path
