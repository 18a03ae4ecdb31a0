"""The command line for tests: in this process, in one of its own, in a shell; and what a message for people looks like."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from backfire import cli

LONG_ENOUGH = 120
"""Seconds after which a process counts as hanging; none here needs a tenth of that."""


def call(*arguments: str | Path | int) -> int:
    """The exit code of a command in this process."""
    return cli.main([str(argument) for argument in arguments])


def sweep(study: Path, *arguments: str | Path | int) -> int:
    """The exit code of a sweep that is computed here, into ``out`` beside its study file."""
    return call("sweep", study, "--out", study.parent / "out", "--workers", 0, *arguments)


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    return python("-m", "backfire", *arguments, **options)


def python(*arguments: str | Path, timeout: float = LONG_ENOUGH, **options: Any) -> subprocess.CompletedProcess[str]:
    """Another Python, for example with ``-c`` and code."""
    return called([sys.executable, *map(str, arguments)], timeout=timeout, **options)


def called(command: list[str], timeout: float = LONG_ENOUGH, **options: Any) -> subprocess.CompletedProcess[str]:
    """Any program, with what it says as text."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, **options)


def shell(command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A bash command line in which ``backfire`` is ours and $1, $2 … are the arguments."""
    text = f'backfire() {{ "{sys.executable}" -m backfire "$@"; }}; {command}'
    return called(["bash", "-c", text, "bash", *map(str, arguments)])


def clean(shown: str) -> bool:
    """A message for people: no traceback, no excuse, nothing that steers a terminal."""
    return "Traceback" not in shown and "a bug of ours" not in shown and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", shown)
