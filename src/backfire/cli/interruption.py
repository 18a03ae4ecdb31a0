"""Signals that ask a process to end, from its first tenth of a second on; imports next to nothing, so that it is there early.

An exception that a signal raises can get lost: in the middle of an import Python prints it as ignored, or a library takes
it for one of its own. Therefore an import that is under way is not unwound but ended with the process. Whatever backfire
writes is whole even if it is killed, so nothing can be lost by that. Anywhere else ``Interrupted`` passes through all
``except Exception`` to ``main``, and progress bars, locks and workers are put away on its way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType

TYPE_CHECKING = False  # as in typing, which takes too long to import
if TYPE_CHECKING:
    import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))

PATIENCE = 5.0
"""Seconds for ending in order. A bare ``except:`` of a library may swallow the exception, and then nothing would end."""
_IMPATIENT: list[threading.Timer] = []


class Interrupted(SystemExit):
    """A signal asked this process to end; the code is 128 and its number: 130 after Ctrl-C."""


def end(number: int, _: FrameType | None) -> None:
    """End this process here and now, its terminal in order."""
    shown = "\x1b[?25h\r\x1b[K" if os.isatty(2) else ""  # the cursor, which progress bars hide, and their line
    with contextlib.suppress(OSError):
        os.write(2, f"{shown}{sentence()}\n".encode())
    os._exit(128 + number)


def unwind(number: int, frame: FrameType | None) -> None:
    """End the command in order, where that can be done; whoever asks a second time does not want to wait."""
    listen(tuple(other for other in SIGNALS if signal.getsignal(other) is unwind))
    if _importing(frame):
        end(number, frame)
    import threading

    impatience = threading.Timer(PATIENCE, end, (number, None))
    impatience.daemon = True
    impatience.start()
    _IMPATIENT.append(impatience)
    raise Interrupted(128 + number)


def settle() -> None:
    """The command is over: nobody is impatient any more, and what it has written is the next one's no more."""
    while _IMPATIENT:
        _IMPATIENT.pop().cancel()
    if system := sys.modules.get("backfire.system"):
        system.WRITTEN.clear()


def listen(numbers: Iterable[int] = SIGNALS, answer: Callable[[int, FrameType | None], None] = end) -> None:
    """Let signals end this process in one line; those that it was told to ignore, as under nohup, stay ignored.

    Raises ValueError outside the main thread, where signals are the business of whoever began it.
    """
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, answer)


def sentence() -> str:
    """What is said when a signal ended a command."""
    system = sys.modules.get("backfire.system")
    return "interrupted; what is written is whole, run the command again" if system and system.WRITTEN else "interrupted"


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
