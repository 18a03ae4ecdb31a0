"""Hibernating cells, at the primary site or in metastases: how they fall dormant, wake, and grow on the drug after all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from backfire.errors import DeclarationError
from backfire.model import Definition, Influence, Mechanism, Parameter, Part, Process, State, joint_effect, option

_AWAKE: Final = {"primary": "active", "metastases": "metastases"}
_GROWTH: Final = {
    "primary": "proliferation_rate",
    "metastases": "outgrowth_rate * (1 - metastatic_burden / metastatic_capacity)",
}
TISSUE: Final = "tissue"
"""What ``niche`` says for the tissue as it always is, with no factor behind it."""


@dataclass(frozen=True)
class Hibernation(Mechanism):
    """Dividing cells fall dormant, live through what kills dividing ones, and later wake.

    dA/dt = … - e·D·A + w·H + r·(1 - E)·P      w = (w_on·D + w_off·(1 - D)) · Π (1 + a·F⁺/(F½ + F⁺))
    dH/dt = e·D·A - w·H - p·E·H - d·H          dP/dt = p·E·H + q·g·P - r·(1 - E)·P
    A awake, H hibernating, P adapted cells; what leaves one enters another. D = 1 - Π(1 - Dᵢ) is the joint drive of drugs
    (E), crowding (c·B²/(B½² + B²), B all cells of the site) and niche (n/(1 + B/Bₑ), which cells
    outgrow, times F/(F½ + F) if it is a factor at level F, 1 if undisturbed). F⁺ is the excess of a factor that wakes. Hibernating cells do not divide. Adapted cells divide on the
    drug at a share q of the growth g at this site, are killed by no drug, and revert off it. All of it can be in the
    primary or in metastases, whose names then carry ``metastases`` or ``metastatic``.
    Persisters: Brägelmann 2021 (A2); two-state forms as in Cassidy 2021 and Gunnarsson 2020, persisters that resume
    division on the drug, and disseminated cells that inflammation wakes (recalled).
    """

    label = "hibernation"

    driven_by: tuple[str, ...] = option("the agents that drive cells into hibernation", default=(), example=("erlotinib",))
    where: Literal["primary", "metastases"] = option("whose cells hibernate", default="primary", example="primary")
    crowding: bool = option("whether a full site drives them, too", default=False, example=True)
    niche: str = option("a host factor whose level drives them, or `tissue` for the tissue as it is", default="", example=TISSUE)
    adapts: bool = option("whether hibernating cells come to grow on the drug", default=False, example=True)
    woken_by: tuple[str, ...] = option("host factors that wake them", default=(), example=("inflammation",))
    seeds: str = option("what hibernating cells seed, if they do: a state of metastases", default="", example="metastases")

    @property
    def awake(self) -> str:
        """The cells that fall dormant."""
        return _AWAKE[self.where]

    def named(self, name: str) -> str:
        """A name of this site: ``waking_rate``, or ``metastatic_waking_rate``."""
        return name if self.where == "primary" else f"metastatic_{name}"

    def cells(self, name: str) -> str:
        """Cells of this site: ``hibernating``, or ``hibernating_metastases``."""
        return name if self.where == "primary" else f"{name}_metastases"

    def parts(self) -> Iterator[Part]:
        if not (self.driven_by or self.crowding or self.niche):
            raise DeclarationError("nothing drives cells into hibernation: give `driven_by`, `crowding = true` or `niche`")
        if self.adapts and not self.driven_by:
            raise DeclarationError("`adapts` means to a drug: name one in `driven_by`")
        yield from self._rates()
        sleeping, place = self.cells("hibernating"), "at the primary site" if self.where == "primary" else "in metastases"
        total = "burden" if self.where == "primary" else "metastatic_burden"
        yield State(sleeping, "cell", f"dormant tumour cells {place} that drugs do not kill", counts_in=(total,))
        yield from self._drive(total)
        yield Process(
            self.named("entering"), kind=self.named("entering"), leaves=self.awake, enters=sleeping,
            rate=f"{self.named('hibernation_rate')} * {self.named('dormancy_drive')} * {self.awake}",
            meaning=f"{self.awake} cells enter hibernation",
        )  # fmt: skip
        drive, on, off = (self.named(name) for name in ("dormancy_drive", "waking_rate_on_drug", "waking_rate_off_drug"))
        yield Definition(
            self.named("waking_rate"), f"{on} * {drive} + {off} * (1 - {drive})", "1/day",
            "rate at which hibernating cells wake at the moment", open=True,
        )  # fmt: skip
        yield Process(
            self.named("waking"), kind=self.named("waking"), leaves=sleeping, enters=self.awake,
            rate=f"{self.named('waking_rate')} * {sleeping}", meaning="hibernating cells wake",
        )  # fmt: skip
        death = self.named("hibernating_death")
        yield Process(
            death, kind=death, leaves=sleeping, rate=f"{death}_rate * {sleeping}", meaning="death of hibernating cells",
        )  # fmt: skip
        for factor in self.woken_by:
            yield from self._woken(factor)
        if self.adapts:
            yield from self._adaptation(sleeping, total, place)
        if self.seeds:
            yield from self._seeding(sleeping)

    def _rates(self) -> Iterator[Part]:
        what = "active cells" if self.where == "primary" else "metastatic cells"
        yield Parameter(
            self.named("hibernation_rate"), 0.01, "1/day", f"rate at which {what} enter hibernation at full drive",
            range=(1e-3, 5e-2) if self.where == "primary" else (1e-3, 0.5),
            source="persister entry 1e-3 to 5e-2 per day", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            self.named("waking_rate_on_drug"), 0.003, "1/day", "rate at which hibernating cells wake under full drive",
            range=(1e-4, 3e-2), source="exit on drug 0.001 to 0.03 per day", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            self.named("waking_rate_off_drug"), 0.08, "1/day", "rate at which hibernating cells wake without drive",
            range=(0.03, 0.2), source="sensitivity returns 1 to 4 weeks after the drug", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            self.named("hibernating_death_rate"), 0.005, "1/day", "death rate of hibernating cells",
            range=(0.0, 0.05), source="assumed: dormant cells are slowly lost", grade="assumed",
        )  # fmt: skip

    def _drive(self, total: str) -> Iterator[Part]:
        """The joint drive, of reasons that can each be switched off."""
        undriven = self.named("undriven")
        yield Definition(
            undriven, "1", "1", "what is left of the drive to stay awake under all that puts cells to sleep", open=True
        )
        if self.driven_by:
            yield Influence(
                "drugs_drive", on=undriven, factor=f"1 - ({joint_effect(self.driven_by)})",
                meaning=f"{', '.join(sorted(self.driven_by))} drives cells into hibernation",
            )  # fmt: skip
        if self.crowding:
            half, most = self.named("crowding_half"), self.named("crowding_drive")
            yield Parameter(
                half, 3e8 if self.where == "primary" else 3e7, "cell", f"{total} with half the drive of crowding",
                range=(1e7, 3e9) if self.where == "primary" else (1e5, 3e8),
                source="assumed: a third of what the site can hold", grade="assumed",
            )  # fmt: skip
            yield _strength(most, "drive of crowding", 0.5)
            yield Influence(
                "crowding_drives", on=undriven, factor=f"1 - {most} * hill({total}, {half}, 2)",
                meaning="a full site drives cells into hibernation",
            )  # fmt: skip
        if self.niche:
            most, escape = self.named("niche_drive"), self.named("niche_escape")
            yield _strength(most, "drive of the niche", 0.9)
            yield Parameter(
                escape, 1e5, "cell", f"{total} with which cells have half outgrown the hold of the niche",
                range=(1e3, 1e8), source="recalled: micrometastases wait until they have vessels of their own; size assumed",
                grade="assumed",
            )  # fmt: skip
            share = ""
            if self.niche != TISSUE:
                half = self.named(f"{self.niche}_dormancy_half")
                yield Parameter(
                    half, 1.0, "fold", f"level of {self.niche} with half its drive into hibernation",
                    range=(0.2, 5.0), source="assumed: at the undisturbed level", grade="assumed",
                )  # fmt: skip
                share = f" * {self.niche} / ({half} + {self.niche})"
            yield Influence(
                "niche_drives", on=undriven, factor=f"1 - {most}{share} / (1 + {total} / {escape})",
                meaning=f"{self.niche} drives cells into hibernation",
            )  # fmt: skip
        yield Definition(self.named("dormancy_drive"), f"1 - {undriven}", "1", "joint drive into hibernation")

    def _woken(self, factor: str) -> Iterator[Part]:
        gain, half = self.named(f"{factor}_waking_gain"), self.named(f"{factor}_waking_half")
        yield Parameter(
            gain, 10.0, "1", f"largest relative rise of waking through {factor}",
            range=(1.0, 50.0), source="recalled: inflammation wakes dormant cells in mice; size assumed", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            half, 2.0, "fold", f"excess of {factor} with half its effect on waking",
            range=(0.4, 10.0), source="assumed: within the excess that is seen", grade="assumed",
        )  # fmt: skip
        yield Influence(
            f"{factor}_wakes", on=self.named("waking_rate"), factor=f"1 + {gain} * excess_{factor} / ({half} + excess_{factor})",
            meaning=f"{factor} wakes hibernating cells",
        )  # fmt: skip

    def _adaptation(self, sleeping: str, total: str, place: str) -> Iterator[Part]:
        adapted, drug = self.cells("adapted"), joint_effect(self.driven_by)
        yield Parameter(
            self.named("adaptation_rate"), 0.002, "1/day", "rate at which hibernating cells come to grow at full drug effect",
            range=(2e-4, 3e-2), source="exit on drug 0.001 to 0.03 per day", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            self.named("adapted_growth"), 0.4, "1", "growth of adapted cells on the drug, as a share of growth without drug",
            range=(0.1, 1.0), source="recalled: expansion over weeks to months; share assumed", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            self.named("reversion_rate"), 0.05, "1/day", "rate at which adapted cells revert without drug",
            range=(0.01, 0.2), source="recalled: reversible in weeks", grade="recalled",
        )  # fmt: skip
        yield State(adapted, "cell", f"tumour cells {place} that grow on the drug", counts_in=(total,))
        yield Definition(self.named("drug_exposure"), drug, "1", "joint effect of the drugs that cells adapt to")
        exposure = self.named("drug_exposure")
        yield Process(
            self.named("adapting"), kind=self.named("adapting"), leaves=sleeping, enters=adapted,
            rate=f"{self.named('adaptation_rate')} * {exposure} * {sleeping}", meaning="hibernating cells come to grow on the drug",
        )  # fmt: skip
        yield Process(
            self.named("adapted_division"), kind=self.named("adapted_division"), enters=adapted,
            rate=f"{self.named('adapted_growth')} * {_GROWTH[self.where]} * {adapted}", meaning="division of adapted cells",
        )  # fmt: skip
        yield Process(
            self.named("readapting"), kind=self.named("readapting"), leaves=adapted, enters=self.awake,
            rate=f"{self.named('reversion_rate')} * (1 - {exposure}) * {adapted}", meaning="adapted cells become sensitive again",
        )  # fmt: skip

    def _seeding(self, sleeping: str) -> Iterator[Part]:
        share = self.named("hibernating_seeding")
        yield Parameter(
            share, 0.1, "1", "seeding by a hibernating cell, as a share of that by an active one",
            range=(0.0, 1.0), source="assumed: dormant cells shed, too, but less", grade="assumed",
        )  # fmt: skip
        yield Process(
            self.named("seeding_by_hibernating"), kind="seeding", enters=self.seeds,
            rate=f"{share} * seeding_rate * {sleeping} * (1 + {sleeping} / cell) ** (seeding_exponent - 1)",
            meaning="hibernating cells that arrive at a distant site and survive",
        )  # fmt: skip


def _strength(name: str, what: str, value: float) -> Parameter:
    return Parameter(
        name, value, "1", f"largest {what} into hibernation, as a share of a full drug effect",
        range=(0.1, 1.0), maximum=1.0, source="assumed: less than a drug", grade="assumed",
    )  # fmt: skip
