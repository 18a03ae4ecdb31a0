"""The scripts of a page run without a browser: V8 in this process, so that what is tested is what readers run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from py_mini_racer import MiniRacer

from backfire.reports.web import engine, study
from backfire.scenario import Scenario


class Engine:
    """The explorer's engine with one scenario in it."""

    def __init__(self, scenario: Scenario, *given: Any) -> None:
        self.context = MiniRacer()
        self.context.eval(f"{engine()}\nconst study = {study(scenario, *given)};\nconst number = {_NUMBER};\n0")

    def ask(self, expression: str) -> Any:
        """The value of an expression; what is no finite number comes as None."""
        return json.loads(self.context.eval(f"JSON.stringify({expression})"))


_NUMBER = "(value) => (Number.isFinite(value) ? value : null)"


@contextmanager
def running(scenario: Scenario, *given: Any) -> Iterator[Engine]:
    """An engine for as long as the block lasts: V8 must be gone before the interpreter is."""
    made = Engine(scenario, *given)
    try:
        yield made
    finally:
        made.context.close()
