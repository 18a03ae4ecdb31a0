"""READMEs with console blocks, which show commands and what they print: run them, and compare as a reader would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r"```console\n\$ (.+)\n((?:.*\n)*?)```")
FILE = re.compile(r"(?<!!)\[[^\]]*\]\((\w[\w.-]*\.(?:py|toml))\)")
"""A link to a file beside a README: whoever follows it step by step has that file from there on."""


def blocks_in(text: str) -> list[tuple[str, str]]:
    """Pairs (command, what is shown)."""
    return [(match.group(1), match.group(2)) for match in BLOCK.finditer(text)]


def reader_environment() -> dict[str, str]:
    """The environment of a reader who has put `backfire` on the path."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def output_of(command: str, folder: Path) -> str:
    """stdout, then stderr of a README command, without trailing blanks."""
    # stderr is appended, not mixed in: the order in which two streams reach a pipe is nobody's promise
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, env=reader_environment(), check=False
    )
    # that something is compiled, once, belongs to the machine
    lines = [line.rstrip() for line in (done.stdout + done.stderr).strip("\n").splitlines() if not line.startswith("compiling ")]
    return "\n".join(lines) + "\n"


DECIMAL = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e-?\d+)?(?![\w.])")


def same(shown: str, printed: str) -> bool:
    """The same words, and decimals that agree to one in their last digit, of long ones to five digits: what lies beyond
    belongs to the machine, not to the reader."""

    def near(one: str, other: str) -> bool:
        size = max(abs(float(one)), abs(float(other)))
        mantissa, _, power = one.partition("e")
        last = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
        return abs(float(one) - float(other)) <= max(1.01 * last, 1e-5 * size)

    pairs = zip(DECIMAL.findall(shown), DECIMAL.findall(printed), strict=False)
    return DECIMAL.sub("#", shown) == DECIMAL.sub("#", printed) and all(near(*pair) for pair in pairs)


def followed(readme: Path, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Triples (command, what is shown, what it prints), step by step in a folder: files come where they are linked."""
    text = readme.read_text(encoding="utf-8")
    for step in re.finditer(f"{FILE.pattern}|{BLOCK.pattern}", text):
        file, command, shown = step.groups()
        if file:
            shutil.copy(readme.parent / file, folder)
        else:
            yield command, shown, output_of(command, folder)


def rewrite(readme: Path, printed: dict[str, str]) -> None:
    """Put what commands really print into a README."""
    text = BLOCK.sub(lambda match: f"```console\n$ {match[1]}\n{printed[match[1]]}```", readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")
