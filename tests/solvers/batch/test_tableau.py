"""The tableau of Rodas5P against theory: what an order needs of coefficients, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import pytest

from backfire.solvers.batch.tableau import GAMMA, STAGES, A, C, H

Tree = tuple["Tree", ...]
"""A rooted tree as the trees that hang on its root: one condition of an order each."""
Vector = list[Fraction]
Matrix = list[Vector]


def square(rows: tuple[tuple[float, ...], ...], diagonal: Fraction | int = 0) -> Matrix:
    full = [[Fraction(value) for value in row] + [Fraction(0)] * (STAGES - len(row)) for row in rows]
    for place in range(STAGES):
        full[place][place] += diagonal
    return full


def times(left: Matrix, right: Matrix) -> Matrix:
    return [
        [sum((a * b for a, b in zip(row, column, strict=True)), Fraction(0)) for column in zip(*right, strict=True)]
        for row in left
    ]


@lru_cache(maxsize=1)
def gammas() -> Matrix:
    """Γ, the inverse of 1/γ - C: the tableau speaks of k = Γ⁻¹·(the stages of the textbook)."""
    inverse = [[-value for value in row] for row in square(C)]
    for place in range(STAGES):
        inverse[place][place] += 1 / Fraction(GAMMA)
    found = [[Fraction(0)] * STAGES for _ in range(STAGES)]
    for column in range(STAGES):
        for row in range(column, STAGES):
            known = sum((inverse[row][k] * found[k][column] for k in range(column, row)), Fraction(0))
            found[row][column] = (int(row == column) - known) / inverse[row][row]
    return found


@lru_cache(maxsize=1)
def alphas() -> Matrix:
    return times(square(A), gammas())


def weights(of_slopes: Vector) -> Vector:
    return times([of_slopes], gammas())[0]


def trees(order: int) -> Iterator[Tree]:
    """All rooted trees with so many nodes."""

    def forests(nodes: int, largest: int) -> Iterator[tuple[Tree, ...]]:
        if nodes == 0:
            yield ()
        for size in range(min(nodes, largest), 0, -1):
            for tree in trees(size):
                for rest in forests(nodes - size, size):
                    yield (tree, *rest)

    yield from dict.fromkeys(tuple(sorted(forest)) for forest in forests(order - 1, order - 1))


def nodes(tree: Tree) -> int:
    return 1 + sum(nodes(branch) for branch in tree)


def density(tree: Tree) -> int:
    found = nodes(tree)
    for branch in tree:
        found *= density(branch)
    return found


def stages_of(tree: Tree) -> Vector:
    """The elementary weight of every stage: a single branch goes through α + Γ, several through α (Hairer and Wanner,
    Solving ordinary differential equations II, section IV.7)."""
    matrix = (
        alphas()
        if len(tree) != 1
        else [[a + g for a, g in zip(*rows, strict=True)] for rows in zip(alphas(), gammas(), strict=True)]
    )
    found = [Fraction(1)] * STAGES
    for branch in tree:
        below = stages_of(branch)
        found = [
            value * sum((m * b for m, b in zip(row, below, strict=True)), Fraction(0))
            for value, row in zip(found, matrix, strict=True)
        ]
    return found


def misses(of_slopes: Vector, tree: Tree, share: Fraction = Fraction(1)) -> float:
    """By how much a condition is missed by weights of the state at ``share`` of the step."""
    reached = sum((b * value for b, value in zip(weights(of_slopes), stages_of(tree), strict=True)), Fraction(0))
    return float(abs(reached - share ** nodes(tree) / density(tree)))


NEW = [Fraction(value) for value in (*A[-1], 1.0)]
EMBEDDED = [Fraction(value) for value in (*A[-1], 0.0)]


def test_there_are_as_many_trees_as_theory_says() -> None:
    assert [len(list(trees(order))) for order in range(1, 7)] == [1, 1, 2, 4, 9, 20]


@pytest.mark.parametrize("order", range(1, 6))
def test_a_step_is_of_order_5(order: int) -> None:
    assert max(misses(NEW, tree) for tree in trees(order)) < 1e-14


def test_a_step_is_of_no_higher_order() -> None:
    assert max(misses(NEW, tree) for tree in trees(6)) > 1e-6


@pytest.mark.parametrize("order", range(1, 5))
def test_the_embedded_step_is_of_order_4(order: int) -> None:
    assert max(misses(EMBEDDED, tree) for tree in trees(order)) < 1e-14


def test_the_embedded_step_is_of_no_higher_order() -> None:
    assert max(misses(EMBEDDED, tree) for tree in trees(5)) > 1e-6


@pytest.mark.parametrize("order", range(1, 5))
@pytest.mark.parametrize("share", [Fraction(1, 7), Fraction(1, 2), Fraction(9, 10)])
def test_the_dense_output_is_of_order_4(order: int, share: Fraction) -> None:
    bends = [sum((share**power * Fraction(row[place]) for power, row in enumerate(H)), Fraction(0)) for place in range(STAGES)]
    there = [share * (new + (1 - share) * bent) for new, bent in zip(NEW, bends, strict=True)]
    assert max(misses(there, tree, share) for tree in trees(order)) < 1e-13  # weights up to 80, rounded to doubles


def test_the_method_is_stiffly_accurate() -> None:
    """The last stage sits at the new state: its row of α + Γ is the weights, so that stiff parts vanish in one step."""
    last = [float(a + g) for a, g in zip(alphas()[-1], gammas()[-1], strict=True)]
    assert last == pytest.approx([float(value) for value in weights(NEW)], abs=1e-14)
