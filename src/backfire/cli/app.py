"""The command line. Data goes to stdout, messages to stderr; exit codes are part of the interface.

0 all well · 1 a bug of ours · 2 wrong input, nothing written · 3 finished, but some arms or claims failed · 4 refused · 5 disk ·
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
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from backfire.cli.commands import all_commands
from backfire.cli.interruption import SIGNALS, Interrupted, end, listen, sentence, settle, unwind
from backfire.cli.terminal import forget, patient_streams, say, write_line
from backfire.errors import BackfireError, UserError, echo


def _show_version(wanted: bool) -> None:
    if wanted:
        from backfire.model import version

        write_line(f"backfire {version()}")
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version")] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the console script exits with it.

    With ``arguments``, of a caller in Python, Ctrl-C stays the caller's business.
    """
    os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever the user's screen
    with patient_streams(), _unwinding(program=arguments is None):
        try:
            code = _call(arguments)
            sys.stdout.flush()
            return code
        except Interrupted as ended:
            say(sentence())
            return int(str(ended.code))
        except KeyboardInterrupt:
            say(sentence())
            return 130
        except OSError as error:
            what = echo(error.filename) if error.filename else "cannot write"
            say(f"backfire: {what}: {error.strerror or error}")
            forget(sys.stdout)
            return 5


@contextlib.contextmanager
def _unwinding(program: bool) -> Iterator[None]:
    """Signals end the command in order; afterwards they end the ``program``, or are again what a caller in Python made them."""
    numbers = SIGNALS if program else SIGNALS[1:]
    before = [signal.getsignal(number) for number in numbers]
    with contextlib.suppress(ValueError):  # not the main thread
        listen(numbers, unwind)
    try:
        yield
    finally:
        settle()
        with contextlib.suppress(ValueError):
            for number, answer in zip(numbers, before, strict=True):
                signal.signal(number, end if program and answer is not signal.SIG_IGN else answer)


class _Command(TyperCommand):
    """A command that refuses an option of one value that is given twice, of which typer would take the last."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # the context is of typer, or of click in older ones
        given = list(args)  # reading takes them off the list
        rest = super().parse_args(ctx, args)
        last, _, order = self.make_parser(ctx).parse_args(given)
        for option, times in Counter([] if ctx.resilient_parsing else order).items():  # a shell that completes takes anything
            if times > 1 and not option.multiple and not getattr(option, "is_flag", False):
                name = max(option.opts, key=len)
                raise UserError(f"{name} is given {times} times, at last as {echo(last[option.name])}; it takes one value")
        return rest


def _program() -> typer.Typer:
    """The command line with every command there is."""
    program = typer.Typer(
        name="backfire",
        help="Why treated tumours come back: the body answers the drug. Illustrative, not clinically calibrated.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    program.callback()(_options)
    for function in all_commands():
        program.command(cls=_Command)(function)
    return program


def _call(arguments: Sequence[str] | None) -> int:
    try:
        given = _program()(args=list(arguments) if arguments is not None else None, prog_name="backfire", standalone_mode=False)
        return given if isinstance(given, int) else 0
    except typer.Abort:
        raise KeyboardInterrupt from None
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
