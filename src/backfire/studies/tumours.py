"""Which tumours a study asks: those of a stored population, or points of a space, drawn once and for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from backfire.errors import UserError
from backfire.sampling import PlausibleTumours, Space
from backfire.solvers import Floats

NUMBER: Final = 500
MOST: Final = 100_000


@dataclass(frozen=True, eq=False)
class Tumours:
    """``number`` tumours of a ``stored`` population, or of a ``space``; ``said`` is where they come from, if that is known.

    Raises UserError where nothing varies.
    """

    number: int = NUMBER
    seed: int = 0
    space: Space | None = None
    stored: PlausibleTumours | None = None
    said: str = ""

    def __post_init__(self) -> None:
        if not self.names:
            raise UserError("nothing varies: all tumours would be the same")
        if not 1 <= self.number <= MOST or not 0 <= self.seed < 2**63:
            raise UserError(f"give 1 to {MOST} tumours and a seed from 0 on, got {self.number} and {self.seed}")

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that vary."""
        return self.stored.names if self.stored else self.space.names if self.space else ()

    @property
    def independent(self) -> bool:
        """True if no input says anything of another."""
        return self.stored is None and not (self.space and self.space.correlations)

    @property
    def source(self) -> str:
        """Where they come from, in words."""
        if self.said:
            return self.said
        if self.stored is None:
            together = ", some of them correlated" if not self.independent else ""
            return f"{self.number} tumours, {len(self.names)} inputs varied{together}"
        again = " drawn with replacement" if self._with_replacement else ""
        return f"{self.number} of {len(self.stored.values)} plausible tumours{again}"

    @property
    def _with_replacement(self) -> bool:
        assert self.stored is not None
        return self.number > len(self.stored.values) or len(np.unique(self.stored.weights)) > 1

    def draw(self) -> Floats:
        """Their values (number, inputs), the same for the same seed.

        Of a space: Sobol points, where they are few any number of them; of a population by its weights: with replacement
        where those differ or more tumours are wanted than there are.
        """
        if self.stored is not None and self.number == len(self.stored.values) and not self._with_replacement:
            return self.stored.values  # all of them, as they stand
        if self.stored is not None:
            generator = np.random.default_rng(self.seed)
            weights = self.stored.weights / self.stored.weights.sum()
            chosen = generator.choice(len(weights), self.number, self._with_replacement, weights)
            return self.stored.values[chosen]
        assert self.space is not None
        unit = unit_points(self.number, len(self.names), self.seed)
        return self.space.place(unit)


def unit_points(count: int, inputs: int, seed: int) -> Floats:
    """``count`` scrambled Sobol points (count, inputs) of the unit cube."""
    from scipy.stats import qmc

    engine = qmc.Sobol(inputs, scramble=True, seed=np.random.default_rng(seed))
    return np.asarray(engine.random_base2(max(0, (count - 1).bit_length()))[:count])
