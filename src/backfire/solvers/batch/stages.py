"""The method of the batch solver: Rodas5P, written for lanes.

G. Steinebach, "Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia Differential
Equations package", BIT Numerical Mathematics 63, 27 (2023). Eight stages, order 5 with an embedded method of order 4,
L-stable and stiffly accurate, dense output of order 4. With W = 1/γ - h·J and slopes k the stages are

    W·k_i = h·f(y + Σ_{j<i} A_ij·k_j) + Σ_{j<i} C_ij·k_j,        y_new = y + Σ A_6j·k_j + k_6 + k_7 + k_8,

and k_8 estimates the error. Coefficients are written where they act, so that each loop over lanes is straight-line code.
State j of lane l stands at ``j * LANES + l``, slope i of state j at ``j * STRIDE + (i - 1) * LANES + l``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from backfire.solvers.batch.jit import LANES, STAGES, compiled, peek, wide

STRIDE: Final = STAGES * LANES

_ZERO = np.float32(0.0)


@compiled()
def gather_2(states, state, slopes, inner):  # type: ignore[no-untyped-def]
    """State of the stage into ``inner``, and Σ C·k into the slot of its slope."""
    wide()
    for j in range(states):
        at, k = j * LANES, j * STRIDE
        for lane in range(LANES):
            k1 = slopes[k + lane]
            inner[at + lane] = state[at + lane] + 3.0 * k1
            slopes[k + LANES + lane] = -14.155112264123755 * k1


@compiled()
def gather_3(states, state, slopes, inner):  # type: ignore[no-untyped-def]
    """As ``gather_2``, for stage 3."""
    wide()
    for j in range(states):
        at, k = j * LANES, j * STRIDE
        for lane in range(LANES):
            k1 = slopes[k + lane]
            k2 = slopes[k + LANES + lane]
            inner[at + lane] = state[at + lane] + 2.849394379747939 * k1 + 0.45842242204463923 * k2
            slopes[k + 2 * LANES + lane] = -17.97296035885952 * k1 - 2.859693295451294 * k2


@compiled()
def gather_4(states, state, slopes, inner):  # type: ignore[no-untyped-def]
    """As ``gather_2``, for stage 4."""
    wide()
    for j in range(states):
        at, k = j * LANES, j * STRIDE
        for lane in range(LANES):
            k1 = slopes[k + lane]
            k2 = slopes[k + LANES + lane]
            k3 = slopes[k + 2 * LANES + lane]
            inner[at + lane] = state[at + lane] - 6.954028509809101 * k1 + 2.489845061869568 * k2 - 10.358996098473584 * k3
            slopes[k + 3 * LANES + lane] = 147.12150275711716 * k1 - 1.41221402718213 * k2 + 71.68940251302358 * k3


@compiled()
def gather_5(states, state, slopes, inner):  # type: ignore[no-untyped-def]
    """As ``gather_2``, for stage 5."""
    wide()
    for j in range(states):
        at, k = j * LANES, j * STRIDE
        for lane in range(LANES):
            k1 = slopes[k + lane]
            k2 = slopes[k + LANES + lane]
            k3 = slopes[k + 2 * LANES + lane]
            k4 = slopes[k + 3 * LANES + lane]
            inner[at + lane] = state[at + lane] + (
                2.8029986275628964 * k1 + 0.5072464736228206 * k2 - 0.3988312541770524 * k3 - 0.04721187230404641 * k4
            )
            slopes[k + 4 * LANES + lane] = (
                165.43517024871676 * k1 - 0.4592823456491126 * k2 + 42.90938336958603 * k3 - 5.961986721573306 * k4
            )


@compiled()
def gather_6(states, state, slopes, inner):  # type: ignore[no-untyped-def]
    """As ``gather_2``, for stage 6."""
    wide()
    for j in range(states):
        at, k = j * LANES, j * STRIDE
        for lane in range(LANES):
            k1 = slopes[k + lane]
            k2 = slopes[k + LANES + lane]
            k3 = slopes[k + 2 * LANES + lane]
            k4 = slopes[k + 3 * LANES + lane]
            k5 = slopes[k + 4 * LANES + lane]
            inner[at + lane] = state[at + lane] + (
                -7.502846399306121 * k1
                + 2.561846144803919 * k2
                - 11.627539656261098 * k3
                - 0.18268767659942256 * k4
                + 0.030198172008377946 * k5
            )
            slopes[k + 5 * LANES + lane] = (
                24.854864614690072 * k1
                - 3.0009227002832186 * k2
                + 47.4931110020768 * k3
                + 5.5814197821558125 * k4
                - 0.6610691825249471 * k5
            )


@compiled()
def gather_7(states, slopes, inner):  # type: ignore[no-untyped-def]
    """As ``gather_2``, for stage 7."""
    wide()
    for j in range(states):
        at, k = j * LANES, j * STRIDE
        for lane in range(LANES):
            k1 = slopes[k + lane]
            k2 = slopes[k + LANES + lane]
            k3 = slopes[k + 2 * LANES + lane]
            k4 = slopes[k + 3 * LANES + lane]
            k5 = slopes[k + 4 * LANES + lane]
            k6 = slopes[k + 5 * LANES + lane]
            inner[at + lane] = inner[at + lane] + k6
            slopes[k + 6 * LANES + lane] = (
                30.91273214028599 * k1
                - 3.1208243349937974 * k2
                + 77.79954646070892 * k3
                + 34.28646028294783 * k4
                - 19.097331116725623 * k5
                - 28.087943162872662 * k6
            )


@compiled()
def gather_8(states, slopes, inner):  # type: ignore[no-untyped-def]
    """As ``gather_2``, for stage 8."""
    wide()
    for j in range(states):
        at, k = j * LANES, j * STRIDE
        for lane in range(LANES):
            k1 = slopes[k + lane]
            k2 = slopes[k + LANES + lane]
            k3 = slopes[k + 2 * LANES + lane]
            k4 = slopes[k + 3 * LANES + lane]
            k5 = slopes[k + 4 * LANES + lane]
            k6 = slopes[k + 5 * LANES + lane]
            k7 = slopes[k + 6 * LANES + lane]
            inner[at + lane] = inner[at + lane] + k7
            slopes[k + 7 * LANES + lane] = (
                37.80277123390563 * k1
                - 3.2571969029072276 * k2
                + 112.26918849496327 * k3
                + 66.9347231244047 * k4
                - 40.06618937091002 * k5
                - 54.66780262877968 * k6
                - 9.48861652309627 * k7
            )


@compiled()
def bend(states, slopes, bends):  # type: ignore[no-untyped-def]
    """The three coefficients of the dense output of every state, at ``(3 * j + i) * LANES + l``."""
    wide()
    for j in range(states):
        k, b = j * STRIDE, 3 * j * LANES
        for lane in range(LANES):
            k1, k2, k3, k4 = (
                slopes[k + lane],
                slopes[k + LANES + lane],
                slopes[k + 2 * LANES + lane],
                slopes[k + 3 * LANES + lane],
            )
            k5, k6 = slopes[k + 4 * LANES + lane], slopes[k + 5 * LANES + lane]
            k7, k8 = slopes[k + 6 * LANES + lane], slopes[k + 7 * LANES + lane]
            bends[b + lane] = (
                25.948786856663858 * k1
                - 2.5579724845846235 * k2
                + 10.433815404888879 * k3
                - 2.3679251022685204 * k4
                + 0.524948541321073 * k5
                + 1.1241088310450404 * k6
                + 0.4272876194431874 * k7
                - 0.17202221070155493 * k8
            )
            bends[b + 1 * LANES + lane] = (
                -9.91568850695171 * k1
                - 0.9689944594115154 * k2
                + 3.0438037242978453 * k3
                - 24.495224566215796 * k4
                + 20.176138334709044 * k5
                + 15.98066361424651 * k6
                - 6.789040303419874 * k7
                - 6.710236069923372 * k8
            )
            bends[b + 2 * LANES + lane] = (
                11.419903575922262 * k1
                + 2.8879645146136994 * k2
                + 72.92137995996029 * k3
                + 80.12511834622643 * k4
                - 52.072871366152654 * k5
                - 59.78993625266729 * k6
                - 0.15582684282751913 * k7
                + 4.883087185713722 * k8
            )


@compiled(inline="code")
def blend(share, before, after, b1, b2, b3):  # type: ignore[no-untyped-def]
    """A state at ``share`` of a step: (1-θ)·y + θ·(y_new + (1-θ)·(b1 + θ·(b2 + θ·b3)))."""
    rest = 1.0 - share
    return rest * before + share * (after + rest * (b1 + share * (b2 + share * b3)))


@compiled()
def dense(share, j, lane, state, after, bends):  # type: ignore[no-untyped-def]
    """State ``j`` at ``share`` of the last step."""
    at, b = j * LANES + lane, 3 * j * LANES + lane
    return blend(share, peek(state, at), peek(after, at), peek(bends, b), peek(bends, b + LANES), peek(bends, b + 2 * LANES))


@compiled()
def middle(states, state, after, bends, found):  # type: ignore[no-untyped-def]
    """``dense`` in the middle of the last step, for all states and lanes at once."""
    wide()
    for j in range(states):
        at, b = j * LANES, 3 * j * LANES
        for lane in range(LANES):
            b1, b2, b3 = bends[b + lane], bends[b + LANES + lane], bends[b + 2 * LANES + lane]
            found[at + lane] = blend(0.5, state[at + lane], after[at + lane], b1, b2, b3)


@compiled()
def errors(states, relative, absolute, state, slopes, inner, error):  # type: ignore[no-untyped-def]
    """Finish the step into ``inner``; ``error`` is the largest error in units of the tolerance, NaN if anything is.

    Errors are divided in single precision: three digits are plenty, and it halves the time.
    """
    wide()
    for lane in range(LANES):
        error[lane] = _ZERO
    for j in range(states):
        at, k = j * LANES, j * STRIDE + 7 * LANES
        smallest = absolute[j]
        for lane in range(LANES):
            old, last = state[at + lane], slopes[k + lane]
            new = inner[at + lane] + last
            inner[at + lane] = new
            old, new = abs(old), abs(new)
            share = np.float32(abs(last)) / np.float32(smallest + relative * (old if old > new else new))
            # a NaN stays, because nothing is larger than it
            error[lane] = error[lane] if error[lane] > share or error[lane] != error[lane] else share
