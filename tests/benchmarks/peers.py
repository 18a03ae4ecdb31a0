"""The benchmark problem in other simulators, written by hand from its equations and not from our network.

Each peer is a function ``prepare() -> run``; ``run(values, factors)`` simulates every member (rates by name and the
factors of the two doses) and gives states (members, 201, 11) in the order of ``problem.STATES``. A peer that is not
installed is left out, and the table says so.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

import numpy as np
import problem

Run = Callable[[dict[str, np.ndarray], np.ndarray], np.ndarray]
NAMES = list(problem.RATES)
TOLERANCES = {"rtol": 1e-6, "atol": 1e-9}
DAYS = np.arange(201.0)
EDGES = np.array([0.0, *problem.DOSES, problem.DAYS])


def right_hand_side(t, u, du, k):
    """The eleven equations; ``k`` in the order of ``NAMES``."""
    c, d, b, s, p, w, x, l, m, i, z = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10]  # noqa: E741
    effect, blocked = c * c / (c * c + 1.0), b / (b + 0.1)
    protection = 1.0 / (1.0 + w * (1.0 - blocked) / k[13])
    du[0] = -k[0] * c
    du[1] = k[4] * effect * p - k[5] * (1.0 - effect) * d - k[6] * d - k[7] * i * d
    du[2] = -k[1] * b
    du[3] = k[8] * effect * (1.0 - s) - k[9] * s
    du[4] = k[2] * p * (1.0 - (p + d)) - k[3] * effect * protection * p - k[4] * effect * p + k[5] * (1.0 - effect) * d
    du[5] = k[10] + k[11] * s - k[12] * w
    du[6] = k[14] * effect * p - k[15] * x
    du[7] = k[16] + k[17] * x - k[18] * l
    du[8] = k[19] + k[20] * l / (l + 1.0) - k[21] * m
    du[9] = k[22] + k[23] * b / (b + 1.0) * d - k[24] * i
    du[10] = k[25] * p * (1.0 + k[26] * x) + k[27] * z * (1.0 + k[28] * m * (1.0 - blocked)) * (1.0 - z) - k[29] * effect * z


def start() -> np.ndarray:
    """The start of every member."""
    return np.array([problem.START.get(name, 0.0) for name in problem.STATES])


def _constants(values: dict[str, np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(np.column_stack([values[name] for name in NAMES]))


def numbalsoda_lsoda() -> Run:
    """LSODA in C++, called from a compiled loop, dose to dose."""
    import numba
    from numbalsoda import lsoda, lsoda_sig

    rhs = numba.njit(right_hand_side, error_model="numpy")

    @numba.cfunc(lsoda_sig)
    def call(t, u, du, k):
        rhs(t, numba.carray(u, (11,)), numba.carray(du, (11,)), numba.carray(k, (30,)))

    address, u0, edges, days = call.address, start(), EDGES, DAYS

    @numba.njit(nogil=True)
    def members(constants, factors):
        out = np.empty((len(constants), 201, 11))
        for member in range(len(constants)):
            u = u0.copy()
            for piece in range(7):
                if piece:
                    u[0] += 5.0 * factors[member, 0]
                    u[2] += factors[member, 1]
                first, last = int(edges[piece]), int(edges[piece + 1])
                rows, _ = lsoda(address, u, days[first : last + 1], constants[member], 1e-6, 1e-9)
                out[member, first : last + 1] = rows
                u = rows[-1].copy()
        return out

    return lambda values, factors: members(_constants(values), np.ascontiguousarray(factors))


def scipy_ivp() -> Run:
    """``solve_ivp`` with LSODA and a compiled right-hand side, dose to dose."""
    import numba
    from scipy.integrate import solve_ivp

    rhs = numba.njit(right_hand_side, error_model="numpy")

    @numba.njit
    def rates(t, u, k):
        du = np.empty(11)
        rhs(t, u, du, k)
        return du

    def run(values: dict[str, np.ndarray], factors: np.ndarray) -> np.ndarray:
        constants = _constants(values)
        out = np.empty((len(constants), 201, 11))
        for member, k in enumerate(constants):
            u = start()
            for piece in range(7):
                if piece:
                    u[0], u[2] = u[0] + 5.0 * factors[member, 0], u[2] + factors[member, 1]
                first, last = int(EDGES[piece]), int(EDGES[piece + 1])
                found = solve_ivp(rates, (first, last), u, method="LSODA", t_eval=DAYS[first : last + 1], args=(k,), **TOLERANCES)
                out[member, first : last + 1] = found.y.T
                u = found.y[:, -1].copy()
        return out

    return run


def antimony() -> str:
    """The model as Antimony text, with doses as events."""
    terms = {name: [] for name in problem.STATES}
    for leaves, enters, rate in problem.FLOWS:
        if leaves:
            terms[leaves].append(f"- ({rate})")
        if enters:
            terms[enters].append(f"+ ({rate})")
    lines = ["model benchmark", "dose_c = 5; dose_b = 1;"]
    lines += [f"{name} = {value!r};" for name, value in problem.RATES.items()]
    lines += [f"{name} = {problem.START.get(name, 0.0)!r};" for name in problem.STATES]
    lines += [f"{name} := {formula.replace('**', '^')};" for name, formula in problem.DEFINED.items()]
    lines += [f"{name}' = 0 {' '.join(parts).replace('**', '^')};" for name, parts in terms.items()]
    for number, day in enumerate(problem.DOSES):
        lines.append(f"given_{number}: at (time >= {day}): c = c + dose_c, b_drug = b_drug + dose_b;")
    return "\n".join([*lines, "end"])


def sbml() -> str:
    """The model as SBML."""
    import antimony as library

    library.clearPreviousLoads()
    if library.loadAntimonyString(antimony()) < 0:
        raise RuntimeError(library.getLastError())
    return str(library.getSBMLString("benchmark"))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """CVODE warns at every dose, from C, past every setting; close the channels meanwhile."""
    sys.stdout.flush()
    kept, nothing = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        for channel, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, channel)
            os.close(copy)
        os.close(nothing)


def road_runner() -> Run:
    """libRoadRunner with CVODE, reset member by member."""
    import roadrunner

    engine = roadrunner.RoadRunner(sbml())
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = 1e-6, 1e-9
    engine.timeCourseSelections = list(problem.STATES)

    def run(values: dict[str, np.ndarray], factors: np.ndarray) -> np.ndarray:
        with quiet():
            return _run(values, factors)

    def _run(values: dict[str, np.ndarray], factors: np.ndarray) -> np.ndarray:
        out = np.empty((len(factors), 201, 11))
        for member in range(len(factors)):
            engine.resetToOrigin()
            for name in NAMES:
                engine[name] = values[name][member]
            engine["dose_c"], engine["dose_b"] = 5.0 * factors[member, 0], factors[member, 1]
            out[member] = engine.simulate(0, 200, 201)
        return out

    return run


def copasi() -> Run:
    """COPASI (basico's engine, called without its tables), LSODA."""
    import COPASI

    data = COPASI.CRootContainer.addDatamodel()
    data.importSBMLFromString(sbml())
    model = data.getModel()
    task = data.getTask("Time-Course")
    task.setMethodType(COPASI.CTaskEnum.Method_deterministic)
    about = task.getProblem()
    about.setStepNumber(200)
    about.setDuration(200.0)
    about.setTimeSeriesRequested(True)
    about.setAutomaticStepSize(False)
    about.setOutputEvent(False)
    method = task.getMethod()
    for name, value in (("Relative Tolerance", 1e-6), ("Absolute Tolerance", 1e-9)):
        method.getParameter(name).setValue(value)
    quantities = {model.getModelValue(at).getObjectName(): model.getModelValue(at) for at in range(model.getNumModelValues())}

    def run(values: dict[str, np.ndarray], factors: np.ndarray) -> np.ndarray:
        out = np.empty((len(factors), 201, 11))
        for member in range(len(factors)):
            chosen = {name: values[name][member] for name in NAMES}
            chosen |= {"dose_c": 5.0 * factors[member, 0], "dose_b": factors[member, 1]}
            for name, value in chosen.items():
                quantities[name].setInitialValue(float(value))
            model.updateInitialValues(COPASI.CCore.Framework_ParticleNumbers)
            if not task.processWithOutputFlags(True, COPASI.CCopasiTask.ONLY_TIME_SERIES):
                raise RuntimeError("COPASI could not run the time course")
            series = task.getTimeSeries()
            if member == 0:
                titles = [series.getTitle(column) for column in range(series.getNumVariables())]
                columns = [_column(titles, name) for name in problem.STATES]
            for place, column in enumerate(columns):
                out[member, :, place] = [series.getConcentrationData(row, column) for row in range(201)]
        return out

    return run


def _column(titles: list[str], name: str) -> int:
    return next(place for place, title in enumerate(titles) if title in (name, f"Values[{name}]"))


PEERS = {
    "numbalsoda LSODA": numbalsoda_lsoda,
    "COPASI LSODA": copasi,
    "libRoadRunner CVODE": road_runner,
    "SciPy solve_ivp LSODA": scipy_ivp,
}
"""Name → how to prepare it."""
