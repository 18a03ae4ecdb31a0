"""How many cores there are to use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """How many cores this process may use: those it is bound to, not those that the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
