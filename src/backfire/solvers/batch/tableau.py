"""The coefficients of Rodas5P, and nothing else: eight stages, order 5 with an embedded method of order 4.

G. Steinebach, "Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks within the Julia Differential
Equations package", BIT Numerical Mathematics 63, 27 (2023), doi:10.1007/s10543-023-00967-x. L-stable, stiffly accurate,
dense output of order 4. With W = 1/γ - h·J and slopes k the stages are

    W·k_i = h·f(y + Σ_{j<i} A_ij·k_j) + Σ_{j<i} C_ij·k_j,        y_new = y + Σ A_8j·k_j + k_8,

and k_8 estimates the error. Right-hand sides here do not depend on time, so the nodes of the stages are left out.
"""

from __future__ import annotations

from typing import Final

Row = tuple[float, ...]

GAMMA: Final = 0.21193756319429014
"""γ, the diagonal: part of W, which the kernel of a model factorises."""

_A_6: Final = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)
A: Final[tuple[Row, ...]] = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    _A_6,
    (*_A_6, 1.0),
    (*_A_6, 1.0, 1.0),
)
"""Where a stage looks at the rates: the weights of the slopes before it, one row a stage."""

C: Final[tuple[Row, ...]] = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623, -28.087943162872662),
    (
        37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002, -54.66780262877968,
        -9.48861652309627,
    ),
)  # fmt: skip
"""What the slopes before a stage add to the right-hand side of its linear system."""

H: Final[tuple[Row, ...]] = (
    (
        25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204, 0.524948541321073, 1.1241088310450404,
        0.4272876194431874, -0.17202221070155493,
    ),
    (
        -9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796, 20.176138334709044, 15.98066361424651,
        -6.789040303419874, -6.710236069923372,
    ),
    (
        11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643, -52.072871366152654, -59.78993625266729,
        -0.15582684282751913, 4.883087185713722,
    ),
)  # fmt: skip
"""The dense output at a share θ of the step is (1-θ)·y + θ·(y_new + (1-θ)·(b_1 + θ·(b_2 + θ·b_3))) with b = H·k."""

STAGES: Final = len(A)
