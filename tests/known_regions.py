"""Regions of the unit cube whose volume and moments are known, as judges of points; none of it looks at the sampler."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

Floats = np.ndarray


@dataclass(frozen=True, eq=False)
class Known:
    """A region: its judge, ln of its volume, means and sds of its coordinates, and the share of its first piece.

    ``known_by`` is the number of points by which these are known, infinite where in closed form.
    """

    name: str
    inputs: int
    judge: Callable[[Floats, object], Floats]
    log_volume: float
    mean: Floats
    sd: Floats
    first_piece: Callable[[Floats], Floats] | None = None
    first_share: float = math.nan
    known_by: float = math.inf


@dataclass(frozen=True)
class Box:
    low: float
    high: float

    def __call__(self, points: Floats, _: object = None) -> Floats:
        return np.maximum(self.low - points, points - self.high)


@dataclass(frozen=True)
class Ball:
    radius: float

    def __call__(self, points: Floats, _: object = None) -> Floats:
        return (np.sqrt(((points - 0.5) ** 2).sum(axis=1)) - self.radius)[:, None]


@dataclass(frozen=True)
class Simplex:
    size: float

    def __call__(self, points: Floats, _: object = None) -> Floats:
        return (points.sum(axis=1) - self.size)[:, None]


@dataclass(frozen=True)
class Slab:
    """|first - second| < width: thin, and oblique to every axis."""

    width: float

    def __call__(self, points: Floats, _: object = None) -> Floats:
        return (np.abs(points[:, 0] - points[:, 1]) - self.width)[:, None]


@dataclass(frozen=True)
class Pieces:
    """Two boxes around 0.25 and 0.75 of all coordinates."""

    one: float
    two: float

    def __call__(self, points: Floats, _: object = None) -> Floats:
        sides = [np.abs(points - centre).max(axis=1) - width / 2 for centre, width in ((0.25, self.one), (0.75, self.two))]
        return np.minimum(*sides)[:, None]


def box(inputs: int, low: float, high: float) -> Known:
    middle, sd = (low + high) / 2, (high - low) / math.sqrt(12)
    return Known(
        f"box {high - low:g}", inputs, Box(low, high), inputs * math.log(high - low), np.full(inputs, middle), np.full(inputs, sd)
    )


def ball(inputs: int, radius: float) -> Known:
    volume = inputs / 2 * math.log(math.pi) - math.lgamma(inputs / 2 + 1) + inputs * math.log(radius)
    sd = radius / math.sqrt(inputs + 2)
    return Known(f"ball {radius:g}", inputs, Ball(radius), volume, np.full(inputs, 0.5), np.full(inputs, sd))


def simplex(inputs: int, size: float) -> Known:
    """The corner of the cube below a plane; its coordinates follow Beta(1, inputs) times the size."""
    volume = inputs * math.log(size) - math.lgamma(inputs + 1)
    variance = size**2 * inputs / ((inputs + 1) ** 2 * (inputs + 2))
    return Known(
        f"simplex {size:g}",
        inputs,
        Simplex(size),
        volume,
        np.full(inputs, size / (inputs + 1)),
        np.full(inputs, math.sqrt(variance)),
    )


def slab(inputs: int, width: float) -> Known:
    volume = math.log(width * (2 - width))
    return Known(f"slab {width:g}", inputs, Slab(width), volume, np.full(inputs, 0.5), np.full(inputs, 1 / math.sqrt(12)))


def pieces(inputs: int, one: float, two: float) -> Known:
    volumes = np.array([one, two]) ** inputs
    share = float(volumes[0] / volumes.sum())
    mean = share * 0.25 + (1 - share) * 0.75
    variance = share * (one**2 / 12 + (0.25 - mean) ** 2) + (1 - share) * (two**2 / 12 + (0.75 - mean) ** 2)
    return Known(
        f"pieces {one:g} and {two:g}", inputs, Pieces(one, two), math.log(volumes.sum()),
        np.full(inputs, mean), np.full(inputs, math.sqrt(variance)), lambda points: points[:, 0] < 0.5, share,
    )  # fmt: skip


@dataclass(frozen=True)
class Curved:
    """Fifteen nonlinear claims over inputs: sums, products, ratios and waves of a few of them each, drawn once."""

    inputs: int
    claims: int
    seed: int
    tight: float

    def __call__(self, points: Floats, _: object = None) -> Floats:
        return np.column_stack([claim(points) for claim in self.made()])

    def made(self) -> Iterator[Callable[[Floats], Floats]]:
        """Each claim as the violation of points."""
        rng = np.random.default_rng(self.seed)
        for number in range(self.claims):
            which = rng.choice(self.inputs, size=4, replace=False)
            weights = rng.uniform(0.4, 1.0, size=4) * rng.choice([-1, 1], size=4)
            yield partial(self._violation, number % 3, which, weights)

    def _violation(self, kind: int, which: Floats, weights: Floats, points: Floats) -> Floats:
        one, two, three, four = (2 * points[:, place] - 1 for place in which)
        if kind == 0:
            value = weights[0] * one + weights[1] * two * three + weights[2] * four**2
        elif kind == 1:
            value = weights[0] * np.tanh(3 * one) + weights[1] * two - weights[2] * np.abs(three)
        else:
            value = weights[0] * np.exp(one) * two + weights[1] * three * four + weights[2] * np.sin(3 * four)
        return self.tight - value

    def inside(self, points: Floats) -> Floats:
        """The points at which every claim holds."""
        for claim in self.made():
            points = points[claim(points) <= 0]
        return points


def curved(inputs: int = 20, claims: int = 15, seed: int = 5, tight: float = -0.4, drawn: int = 20_000_000) -> Known:
    """The truth by plain rejection, in portions."""
    judge = Curved(inputs, claims, seed, tight)
    rng = np.random.default_rng(12345)
    found = np.vstack([judge.inside(rng.random((100_000, inputs))) for _ in range(drawn // 100_000)])
    return Known(
        f"curved {tight:g}", inputs, judge, math.log(len(found) / drawn), found.mean(axis=0), found.std(axis=0), known_by=len(found)
    )  # fmt: skip


EVERY: dict[str, Callable[[], Known]] = {
    "box in 5": lambda: box(5, 0.1, 0.25),
    "box in 10": lambda: box(10, 0.3, 0.6),
    "box in 40": lambda: box(40, 0.2, 0.9),
    "ball in 5": lambda: ball(5, 0.15),
    "ball in 20": lambda: ball(20, 0.5),
    "ball in 40": lambda: ball(40, 1.0),
    "simplex in 5": lambda: simplex(5, 0.2),
    "simplex in 10": lambda: simplex(10, 1.0),
    "simplex in 20": lambda: simplex(20, 4.0),
    "slab of 1e-6 in 5": lambda: slab(5, 5e-7),
    "slab of 1e-6 in 20": lambda: slab(20, 5e-7),
    "two pieces in 5": lambda: pieces(5, 0.2, 0.15),
    "two pieces in 8": lambda: pieces(8, 0.3, 0.25),
    "15 claims in 20": curved,
    "15 other claims in 20": lambda: curved(seed=6),
}
"""Regions of 5 to 40 dimensions against which the whole sampler is measured."""
