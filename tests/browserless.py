"""The scripts of a page run without a browser: V8 in this process, so that what is tested is what readers run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from py_mini_racer import MiniRacer

from backfire.reports.web import engine, study
from backfire.sampling import PlausibleTumours, Uniform
from backfire.scenario import Scenario


class Engine:
    """The explorer's engine with one scenario in it, ``study``, and its ``inputs``."""

    def __init__(self, scenario: Scenario, *given: Any) -> None:
        self.context = MiniRacer()
        self.context.eval(f"{engine()}\nconst study = {study(scenario, *given)};\nconst inputs = inputsOf(study);\n{_TELL}\n0")

    def ask(self, expression: str) -> Any:
        """The value of an expression; what is no finite number comes as None."""
        return json.loads(str(self.context.eval(f"JSON.stringify({expression})")))


_TELL = """
const number = (value) => (Number.isFinite(value) ? value : null);
const readAll = (arm, names, given = inputs) => {
  const run = runArm(study, arm, given);
  const reader = new Reader(study, run);
  return {died: run.died, status: run.status, extinctions: run.extinctions,
    found: names.map((name) => { const one = reader.read(name); return one && [number(one.value), one.observed]; })};
};
const courses = (arm, names, days) => {
  const run = runArm(study, arm, inputs);
  const reader = new Reader(study, run);
  reader.watch(names);
  return names.map((name) => {
    const cells = study.units[name] === 'cell';
    const course = new Interpolant(run.steps, reader.nodes(name), cells, cells);
    return days.map((day) => number(course.before(day)));
  });
};
const verdicts = () => {
  const judge = new Judge(study, inputs);
  return study.claims.map((claim) => { const {verdict, margin} = judge.judge(claim); return [claim.id, verdict, number(margin)]; });
};
"""


@contextmanager
def running(scenario: Scenario, *given: Any) -> Iterator[Engine]:
    """An engine for as long as the block lasts: V8 must be gone before the interpreter is."""
    made = Engine(scenario, *given)
    try:
        yield made
    finally:
        made.context.close()


def made_up(scenario: Scenario, count: int, weights: np.ndarray | None = None) -> PlausibleTumours:
    """Tumours of two inputs, drawn with a fixed seed, as if a population had them."""
    box = {"growth_rate": Uniform(0.05, 0.3), "mitoxantrone_kill_rate": Uniform(0.2, 2.5)}
    random = np.random.default_rng(5)
    values = np.column_stack([random.uniform(item.low, item.high, count) for item in box.values()])
    about = {
        "name": "made up", "seed": 5, "scenario": {"name": scenario.name, "hash": scenario.hash}, "claims": {}, "share_of_box": 1.0,
        "box": {name: item.describe() for name, item in box.items()},
    }  # fmt: skip
    even = np.full(count, 1 / count)
    return PlausibleTumours(Path("nowhere"), (*box,), values, even if weights is None else weights, float(count), about)
