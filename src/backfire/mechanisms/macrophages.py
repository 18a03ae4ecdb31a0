"""Drug-activated macrophages and their factor (A0)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import (
    Definition,
    Mechanism,
    Parameter,
    Part,
    Process,
    ResponseForm,
    State,
    excess,
    option,
    promotes,
    protects,
    renewing,
    trigger,
)


@dataclass(frozen=True)
class Macrophages(Mechanism):
    """The drug calls up pro-inflammatory macrophages that feed, protect and spread the tumour, partly through a factor.

    dM/dt = m·(1 + r·R - M)      Y⁺ = M·(1 + a·R) - 1      dF/dt = c·(1 + Y⁺ - F)
    dL/dt = l·Y⁺/(Y½ + Y⁺)·(1 - L) - q·L                   help = φ·F⁺ + (1 - φ)·κ·L
    R host response to the drug, M macrophages and F factor as fold over untreated, Y⁺ what the macrophages answer at the
    moment, L the share of them that has turned into helpers of the tumour. Y⁺ surges and goes with every dose; L builds
    up from course to course and stays for weeks. The factor carries a share φ of the help, cells directly the rest (κ, as
    the excess of factor that would help as much). Help acts on growth, kill, seeding and outgrowth, each with its own
    coefficient. The trigger is the host's answer to the drug itself: it needs neither a tumour nor damage to healthy
    tissue. ``excess_<factor>`` and ``excess_macrophage_answer`` are open to blockade. Beyar-Katz 2016 (A0).
    """

    label = "macrophages"

    factor: str = option("the factor that the macrophages secrete", example="il16")
    activated_by: tuple[str, ...] = option("the agents that call them up", example=("bortezomib",))
    response: ResponseForm = option("form of the host response", default="saturating", example="saturating")

    def parts(self) -> Iterator[Part]:
        factor = self.factor
        yield from trigger("macrophage_response", self.activated_by, self.response, half=0.3)
        yield from _rates(factor)
        yield from renewing(
            State("macrophages", "fold", "marrow macrophages over their untreated level", 1.0),
            level="fold * (1 + macrophage_recruitment * macrophage_response)",
            rate="macrophage_turnover_rate",
        )
        yield Definition(
            "excess_macrophage_answer", "macrophages * (1 + macrophage_activation * macrophage_response) - fold", "fold",
            "what the macrophages answer to the drug at the moment, as far as not blocked", open=True,
        )  # fmt: skip
        yield from renewing(
            State(factor, "fold", f"level of {factor} over its untreated level", 1.0),
            level="fold + excess_macrophage_answer",
            rate=f"{factor}_clearance_rate",
        )
        yield excess(factor)
        yield State("turned_macrophages", "1", "share of the macrophages that has turned into helpers of the tumour")
        yield Process(
            "turning", kind="turning", enters="turned_macrophages",
            rate="macrophage_turning_rate * hill(excess_macrophage_answer, macrophage_turning_half, 1)"
            " * (1 - turned_macrophages)",
            meaning="macrophages that answer the drug turn into helpers",
        )  # fmt: skip
        yield Process(
            "turning_back", kind="turning_back", leaves="turned_macrophages",
            rate="macrophage_reverting_rate * turned_macrophages", meaning="helpers are replaced or turn back",
        )  # fmt: skip
        yield Definition(
            "excess_macrophage_help",
            f"{factor}_share * excess_{factor} + (1 - {factor}_share) * macrophage_contact * turned_macrophages", "fold",
            f"help of the macrophages to the tumour, as the excess of {factor} that would help as much",
        )  # fmt: skip
        yield from _help()


def _help() -> Iterator[Part]:
    source, much = "Beyar-Katz 2016", "macrophage_help"
    yield from protects(much, 5.0, f"{source}: macrophages confer resistance; size assumed", "assumed", (0.5, 20.0))
    yield from promotes(much, "growth", 0.3, 2.0, f"{source}: they feed proliferation; size assumed", "assumed", (0.1, 3.0))
    yield from promotes(much, "seeding", 12.0, 2.0, f"{source}: more spread; size assumed", "assumed", (0.5, 20.0))
    yield from promotes(much, "outgrowth", 0.35, 2.0, f"{source}: more aggressive; size assumed", "assumed", (0.05, 1.0))


def _rates(factor: str) -> Iterator[Part]:
    yield Parameter(
        "macrophage_turnover_rate", 0.25, "1/day", "turnover of marrow macrophages",
        range=(0.07, 0.33), source="macrophages live 3-14 days", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        "macrophage_recruitment", 0.5, "1", "relative rise of macrophages at the full host response",
        range=(0.2, 1.5), source="Beyar-Katz 2016: about +40 % macrophages in treated mice", grade="paper",
    )  # fmt: skip
    yield Parameter(
        "macrophage_activation", 3.5, "1", "relative rise of the answer per macrophage at the full response",
        range=(1.0, 15.0), source="assumed: several-fold, surge within a day", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{factor}_clearance_rate", 1.5, "1/day", f"clearance of {factor}",
        range=(0.5, 6.0), source="surge within 4-24 h, gone by 3-7 days", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        f"{factor}_share", 0.5, "1", f"share of the macrophages' help that {factor} carries",
        range=(0.05, 0.95), maximum=1.0, source="Beyar-Katz 2016: IL-16 carries part; how much is assumed", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        "macrophage_turning_rate", 0.03, "1/day", "rate at which macrophages turn into helpers at their full answer",
        range=(0.01, 0.2), source="assumed: over a few courses", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        "macrophage_turning_half", 1.0, "fold", "answer at which they turn at half that rate",
        range=(0.2, 5.0), source="assumed: within the answer that is seen", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        "macrophage_reverting_rate", 0.02, "1/day", "rate at which helpers are replaced or turn back",
        range=(0.005, 0.1), source="assumed: weeks", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        "macrophage_contact", 8.0, "fold", f"excess of {factor} that would help as much as macrophages that have all turned",
        range=(1.0, 20.0), source="assumed: like the factor at its highest", grade="assumed",
    )  # fmt: skip
