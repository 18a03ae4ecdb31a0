"""The central tumour of a population: the one deepest among the plausible tumours, and typical of them in all that leaves open.

How firmly a comparison holds is its margin over the median that it has among the plausible tumours: comparable, whatever is
compared, as 1 is as firmly as usual. The *depth* of a tumour is that of the comparison that holds least firmly. The deepest
tumour is the Chebyshev centre of the plausible ones in these units; it leaves open whatever no tight comparison asks for.
So, of all that are nearly as deep, the one nearest to the medians of the population is taken (Euclid, every input by its
place in its own distribution). Values that have a source, or are so by design, stay as the scenario has them: only assumed
ones are searched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy

from backfire.errors import UserError
from backfire.model import Parameter
from backfire.populations.judging import LEAST, ClaimJudge, judge_of
from backfire.populations.sampler import WIDEST, firmness
from backfire.populations.spec import PopulationSpec
from backfire.sampling import PlausibleTumours, Space
from backfire.scenario import Scenario, parse_data
from backfire.solvers import Floats

CENTRAL: Final = "central"
SEARCHED: Final = ("assumed", CENTRAL)
"""Grades of the values that are searched."""
DESIGN: Final = "by design"
"""So begins the source of an assumed value that is not searched: it says how treatment is meant, not what the tumour is like."""
NEARLY: Final = 0.9
"""Nearly as deep as the deepest tumour is one of at least this share of its depth."""
STARTS: Final = 2
"""Plausible tumours from which the deepest is looked for: those that are deepest with the values that have a source."""
STEP: Final = 2e-3
"""How far apart in the unit cube slopes are measured: what the solver leaves open is far less."""
ROUNDS: Final = 60
"""Steps of a search, at most."""
DIGITS: Final = (2, 3, 4, 17)
"""Significant digits of the values: the fewest with which the tumour is nearly as deep, less ``ROUNDING``."""
ROUNDING: Final = 0.05


@dataclass(frozen=True)
class CentralTumour:
    """``values`` of the inputs that were searched, rounded, and the ``scenario`` that has them.

    ``depth`` is how firmly its least firm comparison holds, in medians of the plausible tumours; ``deepest`` the largest depth.
    """

    scenario: Scenario
    values: Mapping[str, float]
    depth: float
    deepest: float


@dataclass(frozen=True, eq=False)
class Depth:
    """How firmly every comparison holds at points of the cube, in medians ``usual`` (comparisons,) of plausible tumours."""

    judge: ClaimJudge
    usual: Floats

    def firm(self, points: Floats) -> Floats:
        """Points (n, inputs) → (n, comparisons): below 0 where one is violated, least where it cannot be judged."""
        return np.asarray(np.clip(-self.judge(points), -WIDEST, WIDEST) / self.usual)

    def __call__(self, points: Floats) -> Floats:
        """Points (n, inputs) → depths (n,): how firmly the least firm comparison holds."""
        return np.asarray(self.firm(points).min(axis=1))


def depth_of(spec: PopulationSpec, tumours: PlausibleTumours, names: tuple[str, ...] | None = None) -> Depth:
    """The depth of points in the space of some inputs (all that vary if None), the others as in the scenario."""
    every = judge_of(spec.topics, Space(dict(spec.space.inputs)))  # correlations are in the tumours already
    every = dataclasses.replace(every, settings=None)
    margins = firmness(every(every.space.shares(tumours.values)))
    usual = np.maximum(tumours.quantiles(margins, [0.5])[0], LEAST)
    some = every.space if names is None else Space({name: spec.space.inputs[name] for name in names})
    return Depth(dataclasses.replace(every, space=some), usual)


def central_tumour(spec: PopulationSpec, tumours: PlausibleTumours, notify: Callable[[str], None] | None = None) -> CentralTumour:
    """The central one of the plausible ``tumours`` that were sampled as ``spec`` says.

    Raises UserError where every value has a source, or no tumour with the values that have one satisfies every claim.
    """
    names = searched(spec)
    if set(tumours.names) != set(spec.space.names):
        raise UserError(f"{tumours.folder}: was not sampled as {spec.name} says: other inputs vary")
    tell = notify or (lambda _: None)
    depth = depth_of(spec, tumours, names)
    space = depth.judge.space
    places = space.shares(tumours.values[:, [tumours.names.index(name) for name in names]])
    centre = tumours.quantiles(places, [0.5])[0]
    search = _Search(depth, centre)
    order = np.argsort(-search.depths(places), kind="stable")
    for start in places[order[:STARTS]]:
        search.deeper(start)
    deepest = search.deepest
    if deepest <= 0:
        raise UserError(f"no tumour of {spec.name} satisfies every claim with the values that have a source")
    tell(f"the deepest tumour: every comparison holds {deepest:.2f} times as firmly as in the median plausible tumour")
    exact = space.place(search.nearest(NEARLY * deepest)[None])[0]
    ends = [(item.low, item.high) for item in space.inputs.values()]
    for digits in DIGITS:
        values = [min(max(float(f"{value:.{digits}g}"), low), high) for value, (low, high) in zip(exact, ends, strict=True)]
        reached = float(depth(space.shares(np.array([values])))[0])
        if reached >= (NEARLY - ROUNDING) * deepest:
            break
    tell(f"the most typical of those nearly as deep: {reached:.2f} times, with {digits} digits; {search.judged} judged")
    made = dict(zip(names, values, strict=True))
    return CentralTumour(_with(spec.scenario, made), made, reached, deepest)


def searched(spec: PopulationSpec) -> tuple[str, ...]:
    """The inputs of a population with assumed values: among these its central tumour is looked for.

    Raises UserError where there are none, which is known before anything is sampled.
    """
    parameters = spec.scenario.network.parameters
    names = tuple(name for name in spec.space.names if name in parameters and _is_searched(parameters[name]))
    if not names:
        raise UserError(
            f"{spec.name}: has no central tumour, which is looked for among assumed values, and nothing that varies here has one"
        )
    return names


def _is_searched(given: Parameter) -> bool:
    return given.grade in SEARCHED and not given.source.startswith(DESIGN)


class _Search:
    """Sequential quadratic programming over the cube, with slopes from one batch of tumours a step (Kraft 1988).

    The best is taken of all points that were looked at: outcomes can jump, where a step may end worse than it began.
    """

    def __init__(self, depth: Depth, centre: Floats) -> None:
        self.depth, self.centre = depth, centre
        self.points = np.empty((0, len(centre)))
        self.known = np.empty(0)

    @property
    def judged(self) -> int:
        return len(self.known)

    @property
    def deepest(self) -> float:
        return float(self.known.max())

    def firm(self, points: Floats) -> Floats:
        """How firmly every comparison holds, kept in mind."""
        found = self.depth.firm(points)
        self.points, self.known = np.vstack([self.points, points]), np.append(self.known, found.min(axis=1))
        return found

    def depths(self, points: Floats) -> Floats:
        return np.asarray(self.firm(points).min(axis=1))

    def slopes(self, point: Floats) -> tuple[Floats, Floats]:
        """How firmly comparisons hold at a point (comparisons,), and how that changes (comparisons, inputs)."""
        steps = np.where(point > 0.5, -STEP, STEP)
        found = self.firm(np.vstack([point, point + np.diag(steps)]))
        return found[0], (found[1:] - found[0]).T / steps

    def deeper(self, start: Floats) -> None:
        """Look for the deepest tumour: the largest t that no comparison is below."""
        count = len(start)
        self._minimise(
            lambda given: -given[-1], lambda _: np.append(np.zeros(count), -1.0),
            np.append(start, self.depths(start[None])), np.inf,
        )  # fmt: skip

    def nearest(self, least: float) -> Floats:
        """The point nearest to the centre of all that are at least so deep."""
        start = self.points[int(np.argmax(self.known))]
        self._minimise(
            lambda given: float(np.sum((given - self.centre) ** 2)), lambda given: 2 * (given - self.centre), start, least
        )
        away = np.where(self.known >= least, np.sum((self.points - self.centre) ** 2, axis=1), np.inf)
        return np.asarray(self.points[int(np.argmin(away))])

    def _minimise(self, cost: Any, slope: Any, start: Floats, least: float) -> None:
        """``least`` is how firm every comparison must be; infinite: as firm as the last of the numbers that vary."""
        count, seen = len(self.centre), dict[bytes, tuple[Floats, Floats]]()

        def at(given: Floats) -> tuple[Floats, Floats]:
            point = np.clip(given[:count], 0.0, 1.0)
            key = point.tobytes()
            if key not in seen:
                seen[key] = self.slopes(point)
            firm, slopes = seen[key]
            if np.isinf(least):
                return firm - given[-1], np.column_stack([slopes, -np.ones(len(firm))])
            return firm - least, slopes

        scipy.optimize.minimize(
            cost, start, jac=slope, method="SLSQP", bounds=[(0.0, 1.0)] * count + [(-1.0, 10.0)] * (len(start) - count),
            constraints={"type": "ineq", "fun": lambda given: at(given)[0], "jac": lambda given: at(given)[1]},
            options={"maxiter": ROUNDS, "ftol": 1e-6},
        )  # fmt: skip


def _with(scenario: Scenario, values: Mapping[str, float]) -> Scenario:
    """A scenario with the values of the central tumour; what their sources say beside the size stays."""
    data = scenario.resolved()
    for name, value in values.items():
        entry, item = data["parameters"][name], scenario.inputs[name]
        about = "" if entry["source"].startswith("assumed") else entry["source"].rpartition("; ")[0]
        where = f"of the central plausible tumour of {scenario.name}"
        source = f"{about}; size {where}" if about else where
        entry |= {"value": value * item.per_unit, "source": source, "grade": CENTRAL}
    return parse_data(data, scenario.name, scenario.library)
