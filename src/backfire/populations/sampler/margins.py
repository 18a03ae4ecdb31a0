"""A small network that learns the margins of all claims from the points that were judged: a guide for proposals.

Two hidden layers of tanh, trained by Adam on |squashed margin - prediction|², squashed: m/(s + |m|), s the median size of
a claim's margins. What it predicts only steers proposals; whatever it gets wrong costs proposals, never correctness.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from backfire.populations.sampler.distances import STEP, Distance
from backfire.solvers import Floats

Singles = NDArray[np.float32]

BATCH: Final = 128
RATE: Final = 3e-3
"""Largest step of Adam; it falls to 0 over one fit."""
CLOSE: Final = 0.5
"""Squashed margins within which a prediction has to be good: those of points near the border."""
FARTHEST: Final = np.float32(80)
"""Above these logarithms of odds a logarithm of their exponential plus one is themselves; single precision ends there."""
LOGISTIC: Final = 1.702
"""The normal distribution is the logistic one at this steepness, to 0.01."""


class MarginNetwork:
    """Predicts squashed margins (n, claims) of points (n, inputs); knows its own error near the border by claim."""

    def __init__(self, inputs: int, claims: int, rng: Generator, hidden: int = 64) -> None:
        self.rng = rng
        self.shapes = [(inputs, hidden), (hidden, hidden), (hidden, claims), (hidden,), (hidden,), (claims,)]
        start = [(rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32) for shape in self.shapes[:3]]
        self.flat = np.concatenate([*map(np.ravel, start), np.zeros(2 * hidden + claims, dtype=np.float32)])
        self.middle, self.root = np.full(inputs, 0.5), np.eye(inputs) / np.sqrt(12)
        self.inverse = np.linalg.inv(self.root)
        self.sizes = np.ones(claims)
        self.errors = np.ones(claims)

    def centre(self, points: Floats) -> None:
        """Look at points (n, inputs) in the coordinates in which these are round; what was learned is kept."""
        middle, root = points.mean(axis=0), covariance_root(points)
        weights, _, _, offset, *_ = self._parts(self.flat)
        first = weights.astype(float)
        offset += ((middle - self.middle) @ self.inverse.T @ first).astype(np.float32)
        weights[:] = (self.inverse @ root).T @ first
        self.middle, self.root, self.inverse = middle, root, np.linalg.inv(root)

    def fit(self, points: Floats, violations: Floats, steps: int) -> None:
        """Learn violations (n, claims) of points (n, inputs) in so many steps; NaN is left out, infinite is far out."""
        known = ~np.isnan(violations)
        finite = np.isfinite(violations)
        sizes = [
            np.median(np.abs(column[there])) if there.any() else 1.0 for column, there in zip(violations.T, finite.T, strict=True)
        ]
        self.sizes = np.maximum(np.array(sizes, dtype=float), 1e-300)
        targets = np.where(known, self._squashed(violations), 0.0).astype(np.float32)
        self._train(self._seen(points), targets, known.astype(np.float32), steps)
        missed = np.where(known, (self.predict(points) - targets) ** 2, 0.0)
        near = known & (np.abs(targets) < CLOSE)
        spread = [np.sqrt(miss[there].mean()) if there.sum() > 50 else 0.2 for miss, there in zip(missed.T, near.T, strict=True)]
        self.errors = np.maximum(np.array(spread, dtype=float), 0.01)

    def _squashed(self, violations: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.where(np.isinf(violations), np.sign(violations), violations / (self.sizes + np.abs(violations)))

    def _seen(self, points: Floats) -> Singles:
        # single precision is enough to steer by, and several times as fast
        seen = (points - self.middle).astype(np.float32) @ self.inverse.T.astype(np.float32)
        # far-out points of earlier levels would drown what matters
        return np.asarray(np.clip(seen, -30, 30, out=seen))

    def _train(self, seen: Singles, targets: Singles, known: Singles, steps: int) -> None:
        mean, square = np.zeros_like(self.flat), np.zeros_like(self.flat)
        slope = np.empty_like(self.flat)
        for step in range(steps):
            chosen = self.rng.integers(len(seen), size=BATCH)
            self._slopes(seen[chosen], targets[chosen], known[chosen], slope)
            rate = RATE * (1 - step / steps) / (1 - 0.9 ** (step + 1))
            mean += np.float32(0.1) * (slope - mean)
            square += np.float32(0.01) * (slope * slope - square)
            root = np.sqrt(square / np.float32(1 - 0.99 ** (step + 1)))
            self.flat -= np.float32(rate) * mean / (root + np.float32(1e-8))

    def _parts(self, flat: Singles) -> list[Singles]:
        """Views of the weights and offsets in a row of all parameters."""
        parts, start = [], 0
        for shape in self.shapes:
            end = start + math.prod(shape)
            parts.append(flat[start:end].reshape(shape))
            start = end
        return parts

    def _slopes(self, seen: Singles, targets: Singles, known: Singles, into: Singles) -> None:
        """The derivatives of the loss by all parameters."""
        first, second, third, one, two, three = self._parts(self.flat)
        low = np.tanh(seen @ first + one)
        high = np.tanh(low @ second + two)
        out = (high @ third + three - targets) * known / np.float32(len(seen))
        upper = (out @ third.T) * (1 - high * high)
        lower = (upper @ second.T) * (1 - low * low)
        slopes = (seen.T @ lower, low.T @ upper, high.T @ out, lower.sum(axis=0), upper.sum(axis=0), out.sum(axis=0))
        for part, slope in zip(self._parts(into), slopes, strict=True):
            part[...] = slope

    def predict(self, points: Floats) -> Floats:
        """Squashed margins (n, claims)."""
        return np.asarray(self._predicted(points), dtype=float)

    def _predicted(self, points: Floats) -> Singles:
        first, second, third, one, two, three = self._parts(self.flat)
        low = self._seen(points) @ first
        low += one
        high = np.tanh(low, out=low) @ second
        high += two
        return np.asarray(np.tanh(high, out=high) @ third + three)

    def score(self, points: Floats, distance: Distance, level: float) -> Floats:
        """How likely points (n,) lie within a level: the higher, the likelier.

        At level 0 the logarithm of the probability that every claim holds, were their errors independent; above it the
        predicted distance, smoothed over these errors, with a minus sign.
        """
        margins = self._predicted(points)
        counted = np.ones(len(self.errors)) if distance.ignored is None else np.where(distance.ignored, 0.0, 1.0)
        weights, errors = counted.astype(np.float32), self.errors.astype(np.float32)
        if level > 0:
            np.clip(margins, -0.99, 0.99, out=margins)
        chance = LOGISTIC * margins / errors
        odds = np.exp(np.minimum(chance, FARTHEST))
        soft = np.log(1 + odds) + np.maximum(chance - FARTHEST, 0)
        if level <= 0:
            return np.asarray(-(soft @ weights), dtype=float)
        smooth = np.minimum(errors / np.float32(LOGISTIC) * soft, np.float32(0.99))
        scaled = np.minimum(self.sizes / distance.scales, 1e30).astype(np.float32) * smooth
        part = STEP * odds / (1 + odds) + (1 - STEP) * scaled / (1 - smooth + scaled)
        return np.asarray(-(part @ weights), dtype=float)


def covariance_root(points: Floats) -> Floats:
    """A lower triangular root (d, d) of the covariance of points (n, d), also where they lie in a plane."""
    covariance = np.atleast_2d(np.cov(points, rowvar=False))
    ridge = 1e-15 + 1e-14 * np.trace(covariance) / len(covariance)
    while True:
        try:
            return np.asarray(np.linalg.cholesky(covariance + ridge * np.eye(len(covariance))))
        except np.linalg.LinAlgError:
            ridge *= 10
