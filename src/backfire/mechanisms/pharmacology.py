"""Drugs in the body and their effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.errors import DeclarationError, unknown
from backfire.model import Definition, Intervention, Mechanism, Parameter, Part, Process, State, option


@dataclass(frozen=True)
class Pharmacology(Mechanism):
    """Each agent is given as bolus or infusion, eliminated at first order, and acts through an Emax curve.

    dC/dt = input - k·C        effect E = C^h / (EC50^h + C^h)
    C is counted in multiples of its own EC50, so a bolus of 4 gives E = 0.8 at once where h = 1. The effect of an agent is called
    ``effect_<agent>``; an infused agent has one more state, its current infusion rate.
    """

    label = "pharmacology"

    agents: tuple[str, ...] = option("the agents that can be given", example=("mitoxantrone",))
    infused: tuple[str, ...] = option(
        "agents given as infusion (found from the regimens if left out)", default=(), example=("mitoxantrone",)
    )

    def parts(self) -> Iterator[Part]:
        for name in self.infused:
            if name not in self.agents:
                raise DeclarationError(f"`infused`: {unknown('agent', name, self.agents)}")
        for agent in sorted(self.agents):
            yield from _agent(agent, infused=agent in self.infused)


def _agent(agent: str, infused: bool) -> Iterator[Part]:
    yield Parameter(
        f"{agent}_elimination_rate", 1.0, "1/day", f"rate at which the effect-site level of {agent} decays",
        range=(0.05, 10.0), source="assumed: effect gone within days", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{agent}_ec50", 1.0, "EC50", f"level of {agent} with half its largest effect; the unit of its doses",
        range=(0.2, 5.0), source="by definition of the unit of dose", grade="derived",
    )  # fmt: skip
    yield Parameter(
        f"{agent}_hill", 1.0, "1", f"Hill exponent of the effect of {agent}",
        range=(0.5, 4.0), source="assumed: simplest saturating form", grade="assumed",
    )  # fmt: skip
    yield State(agent, "EC50", f"level of {agent} at its site of effect")
    yield Process(
        f"{agent}_elimination", kind="elimination", leaves=agent, rate=f"{agent}_elimination_rate * {agent}",
        meaning=f"elimination of {agent}",
    )  # fmt: skip
    if infused:
        yield State(f"{agent}_infusion", "EC50/day", f"current infusion rate of {agent}")
        yield Process(f"{agent}_inflow", kind="inflow", enters=agent, rate=f"{agent}_infusion", meaning=f"infusion of {agent}")
    yield Definition(
        f"effect_{agent}", f"hill({agent}, {agent}_ec50, {agent}_hill)", "1",
        f"effect of {agent}, as a share of its largest", open=True,
    )  # fmt: skip
    yield Intervention(
        agent, f"a dose of {agent}", amount_unit="EC50", adds={agent: "amount"},
        infuses=f"{agent}_infusion" if infused else None,
    )  # fmt: skip
