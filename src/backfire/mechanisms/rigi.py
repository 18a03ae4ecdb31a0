"""The innate immune answer to a RIG-I agonist (A2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from backfire.model import Definition, Influence, Mechanism, Parameter, Part, Process, State, excess, option, renewing

_WOKEN: Final = {"active": ("hibernating", "waking_rate"), "metastases": ("hibernating_metastases", "metastatic_waking_rate")}
"""Cells that remember: the dormant cells they come from, and the rate at which those wake."""


@dataclass(frozen=True)
class RigI(Mechanism):
    """A RIG-I agonist raises interferon; innate immunity then kills tumour cells, hibernating ones first.

    dU/dt = u·(1 + a·E_agonist + b·E_drug - U)      kill of cells X: k·U⁺/(U½ + U⁺)·(1 + s·m_X)·X
    dm/dt = w·H/A·(1 - m) - f·m - k·U⁺/(U½ + U⁺)·s·m·(1 - m)
    U interferon as fold over untreated, U⁺ its excess. The sensitisation s belongs to the hibernating state, not to the
    level of a drug: m_X is 1 for hibernating cells, a share for adapted ones, and for dividing cells A the share m of
    them that have woken lately, which fades at the rate f and which innate kill thins out. The inflammation that the
    drug itself causes (b) is too weak to clear the tumour. Brägelmann 2021 (A2).
    """

    label = "rigi"

    agonist: str = option("the RIG-I agonist", example="rigi_agonist")
    inflamed_by: str = option("the drug that itself causes a little interferon, if one does", default="", example="erlotinib")
    kills: tuple[str, ...] = option(
        "the cells that innate immunity kills", default=("active", "hibernating"), example=("active",)
    )

    def parts(self) -> Iterator[Part]:
        yield from self._rates()
        by_drug = f" + interferon_rise_by_drug * effect_{self.inflamed_by}" if self.inflamed_by else ""
        yield from renewing(
            State("interferon", "fold", "interferon over its untreated level", 1.0),
            level=f"fold * (1 + interferon_rise * effect_{self.agonist}{by_drug})",
            rate="interferon_clearance_rate",
        )
        yield excess("interferon")
        yield Definition(
            "innate_activity", "excess_interferon / (interferon_half_effect + excess_interferon)", "1",
            "immune activity against the tumour, as a share of its largest", open=True,
        )  # fmt: skip
        for cells in self.kills:
            yield Definition(f"sensitivity_of_{cells}", "1", "1", f"sensitivity of {cells} cells to innate kill", open=True)
            yield from self._sensitised(cells)
            yield Process(
                f"innate_kill_of_{cells}", kind="innate_kill", leaves=cells,
                rate=f"innate_kill_rate * innate_activity * sensitivity_of_{cells} * {cells}",
                meaning=f"kill of {cells} cells by innate immunity",
            )  # fmt: skip

    def _sensitised(self, cells: str) -> Iterator[Part]:
        """What makes these cells more sensitive than others, if anything does."""
        share = ""
        if cells.startswith("hibernating"):
            share = "1"
        elif cells.startswith("adapted"):
            share = f"{cells}_sensitivity"
            yield Parameter(
                share, 0.3, "1", f"sensitisation of {cells} cells, as a share of that of hibernating ones",
                range=(0.0, 1.0), maximum=1.0, source="assumed: partly lost as division resumes", grade="assumed",
            )  # fmt: skip
        elif cells in _WOKEN and _WOKEN[cells][0] in self.kills:
            share = f"lately_woken_{cells}"
            yield from self._memory(cells, share, *_WOKEN[cells])
        if share:
            yield Influence(
                f"sensitises_{cells}", on=f"sensitivity_of_{cells}", factor=f"1 + hibernation_sensitisation * {share}",
                meaning=f"having hibernated makes {cells} cells more sensitive to innate kill",
            )  # fmt: skip

    def _memory(self, cells: str, share: str, dormant: str, waking: str) -> Iterator[Part]:
        """The share of dividing cells that have woken lately; growth and drugs do not tell them from the others."""
        yield State(share, "1", f"share of {cells} cells that have woken lately and are still sensitised")
        yield Process(
            f"{share}_gain", kind="memory", enters=share, rate=f"{waking} * {dormant} / ({cells} + cell) * (1 - {share})",
            meaning="cells that wake join the dividing ones",
        )  # fmt: skip
        yield Process(
            f"{share}_fading", kind="memory", leaves=share, rate=f"sensitisation_fading_rate * {share}",
            meaning="sensitisation fades after waking",
        )  # fmt: skip
        yield Process(
            f"{share}_thinning", kind="memory", leaves=share,
            rate=f"innate_kill_rate * innate_activity * (sensitivity_of_{cells} - 1) * (1 - {share})",
            meaning="innate kill takes the sensitised ones first",
        )  # fmt: skip

    def _rates(self) -> Iterator[Part]:
        yield Parameter(
            "interferon_rise", 12.0, "1", "relative rise of interferon at the full effect of the agonist",
            range=(3.0, 40.0), source="Brägelmann 2021: interferon response; size assumed", grade="assumed",
        )  # fmt: skip
        if self.inflamed_by:
            yield Parameter(
                "interferon_rise_by_drug", 0.15, "1", "relative rise of interferon through the drug alone",
                range=(0.0, 1.5), source="Brägelmann 2021: inflammation that does not suffice; size assumed", grade="assumed",
            )  # fmt: skip
        yield Parameter(
            "interferon_clearance_rate", 1.0, "1/day", "rate at which interferon follows its drive",
            range=(0.4, 2.0), source="peaks at 24 h, lasts 1-3 days", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            "interferon_half_effect", 4.0, "fold", "excess of interferon with half its effect on kill",
            range=(1.0, 15.0), source="assumed: within the excess that is seen", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "innate_kill_rate", 0.12, "1/day", "kill rate of cells that never hibernated by fully activated innate immunity",
            range=(0.01, 0.4), source="Brägelmann 2021: the agonist alone does not clear the tumour; size assumed", grade="assumed",
        )  # fmt: skip
        if not any(cells.startswith(("hibernating", "adapted")) for cells in self.kills):
            return
        yield Parameter(
            "hibernation_sensitisation", 8.0, "1", "relative rise of innate kill of hibernating cells",
            range=(1.0, 20.0), source="Brägelmann 2021: hibernating cells are attacked most; size assumed", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "sensitisation_fading_rate", 0.1, "1/day", "rate at which cells that have woken lose the sensitisation",
            range=(0.03, 0.5), source="assumed: as sensitivity to the drug returns, in 1 to 4 weeks", grade="assumed",
        )  # fmt: skip
