"""Building blocks that several mechanisms share: how a host answers a dose, and what a factor does to a tumour.

Host factors are measured as fold over the untreated level. What acts on the tumour is the *excess* over that level,
so an undisturbed host changes nothing, and a blockade takes away the answer to therapy, no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from backfire.model.components import Definition, Influence, Parameter, Part, Process, State

ResponseForm = Literal["saturating", "threshold", "linear"]
STEEPNESS: Final = 12
"""Hill exponent of the threshold form: from 3 % to 97 % of the response within ± 34 % of the threshold."""


def trigger(name: str, agents: Sequence[str], form: ResponseForm, half: float = 0.5) -> Iterator[Part]:
    """The answer of the host to the drug, as the definition ``name`` (a share; unbounded for the linear form).

    With C the summed exposure to ``agents`` (in EC50):
    saturating C^h/(C½^h + C^h), threshold C^12/(C½^12 + C^12), linear C/C½.
    The saturating form is what lets a higher dose win (the trade-off of A0); the threshold form follows the finding
    that a dose threshold can fit a host response better than a concentration effect (Benguigui 2018, recalled).
    """
    exposure = " + ".join(sorted(agents))
    yield Parameter(
        f"{name}_half", half, "EC50", "drug exposure at which the host answers at half its strength (C½)",
        range=(0.05, 5.0), source="assumed: the host answers at doses below or near those that kill", grade="assumed",
    )  # fmt: skip
    if form == "saturating":
        yield Parameter(
            f"{name}_hill", 1.0, "1", "Hill exponent of the host's answer",
            range=(0.5, 4.0), source="assumed: simplest saturating form", grade="assumed",
        )  # fmt: skip
        formula = f"hill({exposure}, {name}_half, {name}_hill)"
    elif form == "threshold":
        formula = f"hill({exposure}, {name}_half, {STEEPNESS})"
    else:
        formula = f"({exposure}) / {name}_half"
    yield Definition(name, formula, "1", f"answer of the host to {', '.join(agents)} ({form} form)")


def excess(factor: str) -> Definition:
    """What of a factor exceeds the untreated level and still acts; a blockade lays its influence here."""
    return Definition(
        f"excess_{factor}", f"{factor} - fold", "fold", f"{factor} above the untreated level, as far as not blocked", open=True
    )


def renewing(state: State, level: str, rate: str) -> Iterator[Part]:
    """A state that is made and lost: dx/dt = rate·level - rate·x, so x follows ``level`` with time constant 1/rate."""
    yield state
    yield Process(
        f"{state.name}_gain", kind="host_gain", enters=state.name, rate=f"{rate} * ({level})", meaning=f"gain of {state.name}"
    )
    yield Process(
        f"{state.name}_loss", kind="host_loss", leaves=state.name, rate=f"{rate} * {state.name}", meaning=f"loss of {state.name}"
    )


def protects(factor: str, half: float, source: str, grade: str, range: tuple[float, float]) -> Iterator[Part]:
    """kill × 1/(1 + excess/F50): survival signalling."""
    yield Parameter(
        f"{factor}_protection_half", half, "fold", f"excess of {factor} that halves the kill (F50)",
        range=range, source=source, grade=grade,
    )  # fmt: skip
    yield Influence(
        "protects_kill", on="kill", factor=f"1 / (1 + excess_{factor} / {factor}_protection_half)",
        meaning=f"{factor} protects tumour cells from kill",
    )  # fmt: skip


def promotes(
    factor: str, slot: str, gain: float, half: float, source: str, grade: str, range: tuple[float, float]
) -> Iterator[Part]:
    """slot × (1 + gain·excess/(F50 + excess)), with a gain and a half-effect of this slot's own."""
    yield Parameter(
        f"{factor}_{slot}_gain", gain, "1", f"largest relative rise of {slot} through {factor}",
        range=range, source=source, grade=grade,
    )  # fmt: skip
    yield Parameter(
        f"{factor}_{slot}_half", half, "fold", f"excess of {factor} with half its effect on {slot}",
        range=(half / 5, half * 5), source="assumed: within the excess that is seen", grade="assumed",
    )  # fmt: skip
    yield Influence(
        f"promotes_{slot}", on=slot, optional=True,
        factor=f"1 + {factor}_{slot}_gain * excess_{factor} / ({factor}_{slot}_half + excess_{factor})",
        meaning=f"{factor} promotes {slot}",
    )  # fmt: skip


def joint_effect(agents: Sequence[str]) -> str:
    """Formula of the joint effect of independent agents (Bliss): 1 - Π(1 - Eᵢ)."""
    if len(agents) == 1:
        return f"effect_{agents[0]}"
    return "1 - " + " * ".join(f"(1 - effect_{agent})" for agent in sorted(agents))
