"""Pairs that add up or not: models of which it is known beforehand, then the articles' pairs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire import Intervention, Parameter, Process, State
from backfire.errors import StorageError, UserError
from backfire.studies import synergy, synergy_csv, synergy_data, synergy_rows, tumours_of
from console import output_of


@dataclass(frozen=True)
class Sham(backfire.Mechanism):
    """A tumour under two vials of one drug, and a second drug that kills in proportion to its dose."""

    label = "sham"

    def parts(self) -> Iterator[backfire.Part]:
        about = {"source": "made up", "grade": "assumed"}
        yield State("cells", "cell", "tumour", "cells_start", counts_in="burden")
        yield State("drug", "EC50", "a drug")
        yield State("other", "EC50", "another")
        yield Parameter("cells_start", 1e8, "cell", "cells", range=(1e3, 1e12), **about)
        yield Parameter("capacity", 1e30, "cell", "room", range=(1e8, 1e31), **about)
        yield Parameter("growth", 0.05, "1/day", "growth", range=(0.0, 1.0), **about)
        yield Parameter("killing", 1.0, "1/day", "kill at full effect", range=(0.0, 9.0), **about)
        yield Parameter("other_killing", 0.05, "1/day/EC50", "kill by the other", range=(0.0, 9.0), **about)
        yield Parameter("clearance", 0.4, "1/day", "clearance", range=(0.0, 9.0), **about)
        yield Process("grow", "growth", "growth * (1 - cells / capacity) * cells", "division", enters="cells")
        yield Process("die", "kill", "killing * drug / (drug + 1 * EC50) * cells", "death", leaves="cells")
        yield Process("die_too", "kill", "other_killing * other * cells", "death", leaves="cells")
        yield Process("clear", "clearance", "clearance * drug", "clearance", leaves="drug")
        yield Process("clear_too", "clearance", "clearance * other", "clearance", leaves="other")
        yield Intervention("drug", "a dose", amount_unit="EC50", adds={"drug": "amount"})
        yield Intervention("other", "a dose", amount_unit="EC50", adds={"other": "amount"})


TEXT = """
title = "Two vials"
days  = 28

[mechanisms]
sham = {}

[regimens]
one   = { agent = "drug", amount = 1.5, start = 0, every = 7, count = 4 }
same  = { agent = "drug", amount = 1.5, start = 0, every = 7, count = 4 }
other = { agent = "other", amount = 1.5, start = 0, every = 7, count = 4 }

[arms]
vials = ["one", "same"]
pair  = ["one", "other"]
"""


def sham(**changes: float) -> backfire.Scenario:
    return backfire.parse(TEXT, "sham", mechanisms=[Sham]).changed(changes)


def test_a_drug_combined_with_itself_is_additive_under_loewe_and_antagonistic_under_bliss() -> None:
    made = synergy(sham(), "vials", ("one", "same"), at=[14, 28])
    for surface in made.surfaces:
        assert np.abs(surface.excess("loewe")[0]).max() < 1e-3
        assert surface.index[0] == pytest.approx(1.0, abs=1e-3)
        assert surface.alone[0] == pytest.approx([2.0, 2.0], rel=1e-3)
        assert surface.at_own_doses("bliss")[0] < -0.3  # a saturating drug, which Bliss takes for two
    assert all("Loewe additive" in text and "Bliss antagonism" in text for text in made.statements)


def test_independent_kill_adds_in_decades() -> None:
    """Two rates of kill that know nothing of each other, far from capacity: Bliss, exactly, on every day and dose."""
    for surface in synergy(sham(), "pair", at=[7, 20, 28]).surfaces:
        assert np.abs(surface.excess("bliss")[0]).max() < 1e-4
        assert surface.remarks == ()


def test_decades_bend_near_capacity_and_it_is_said() -> None:
    (surface,) = synergy(sham(capacity=1.5e8), "pair", at=[28]).surfaces
    assert np.abs(surface.excess("bliss")[0]).max() > 0.05
    assert any("of its capacity" in remark for remark in surface.remarks)


def test_extinct_tumours_are_said() -> None:
    (surface,) = synergy(sham(cells_start=2e3, killing=4.0), "pair", at=[28]).surfaces
    assert any("gone" in remark for remark in surface.remarks)


def test_a_blocker_without_an_effect_is_potentiation() -> None:
    of = backfire.load("wnt16b-stroma")
    made = synergy(of, at=[48])
    (text,), (surface,) = made.statements, made.surfaces
    assert "potentiation, for anti_wnt16b does nothing alone" in text
    assert surface.at_own_doses("bliss") == pytest.approx(surface.at_own_doses("hsa"), abs=1e-5)
    assert surface.at_own_doses("hsa")[0] > 1
    (control,) = synergy(backfire.load("control-no-stroma"), at=[48]).statements
    assert "anti_wnt16b adds nothing to mitoxantrone" in control


@pytest.mark.slow  # compiles a large model
def test_the_synergy_of_the_rigi_pair_vanishes_without_sensitisation() -> None:
    """Far from capacity, where decades add: by day 35 more than a decade beyond Bliss, and next to nothing without."""
    of = backfire.load("hibernation-rigi").changed({"capacity": 1e13})
    off = of.changed({name: 0.0 for name in of.switches if name.startswith("rigi.sensitises")})
    with_it, without = (synergy(item, at=[35]).surfaces[0].at_own_doses("bliss")[0] for item in (of, off))
    assert with_it > 1
    assert abs(without) < 0.03 * with_it


def test_a_population_gives_an_interval() -> None:
    rates = np.random.default_rng(1).uniform(0.5, 2.0, 12)
    made = synergy(sham(), "vials", ("one", "same"), at=[28], tumours={"killing": rates})
    (surface,) = made.surfaces
    assert surface.effects.shape[0] == made.tumours == 12
    alone = synergy(sham(killing=float(rates[3])), "vials", ("one", "same"), at=[28]).surfaces[0]
    assert surface.effects[3] == pytest.approx(alone.effects[0], rel=1e-9)
    assert surface.nulls["loewe"][3] == pytest.approx(alone.nulls["loewe"][0], rel=1e-9, nan_ok=True)
    (row,) = [item for item in synergy_data(made)["excesses"] if item["null"] == "bliss"]
    assert row["low"] < row["excess"] < row["high"] < 0
    assert "[" in made.statements[0]
    (told,) = [item for item in synergy_data(made)["excesses"] if item["null"] == "loewe"]
    assert told["index_low"] <= told["index"] <= told["index_high"]
    assert told["index"] == pytest.approx(1.0, abs=1e-3)  # a drug with itself
    assert told["indexed"] == 1.0
    heads, first = synergy_rows([synergy_data(made) | {"set": ["capacity=1e30"]}])
    assert dict(zip(heads, first, strict=True))["pair"] == "one + same, capacity=1e30"
    assert dict(zip(heads, first, strict=True))["Loewe's index"].startswith("1 [")


@pytest.mark.slow  # compiles a reader of single cells
def test_times_and_chances_have_their_own_words() -> None:
    made = synergy(sham(cells_start=1e4), "pair", endpoints=("time_to_progression", "cure_probability", "burden_area"))
    times, cure, area = made.surfaces
    assert np.isnan(times.nulls["bliss"]).all()
    assert times.measure == "days gained"
    one, other = cure.effects[0, :, 0], cure.effects[0, 0]
    assert cure.nulls["bliss"][0] == pytest.approx(1 - np.outer(1 - one, 1 - other))
    assert (np.diff(area.effects[0], axis=0) >= 0).all()


WRONG = (
    ({"arm": "pairs"}, "did you mean `pair`"),
    ({"arm": "pair", "agents": ("drug", "othr")}, "did you mean `other`"),
    ({"arm": "pair", "agents": ("drug",)}, "a pair is two agents"),
    ({"arm": "vials"}, "a pair is two agents"),
    ({"arm": "pair", "agents": ("drug", "one")}, "same regimen"),
    ({"arm": "pair", "doses": (0, 2)}, "with 0 and 1"),
    (
        {"arm": "pair", "doses": (0, 1, 1e300)},
        r"`one` gives 1.5, and more than 1e\+12 is no dose; give multiples up to 6.666e\+11",
    ),
    ({"arm": "pair", "at": (29,)}, "up to 28"),
    ({"arm": "pair", "endpoints": ("log_kil",)}, "did you mean `log_kill`"),
    ({"arm": "pair", "of": "burdens"}, "did you mean `burden`"),
)


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_is_refused(words: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        synergy(sham(), **words)  # type: ignore[arg-type]


def test_a_name_is_no_scenario() -> None:
    with pytest.raises(UserError, match="expected a scenario, not `sham`"):
        synergy("sham")  # type: ignore[arg-type]


def test_members_that_fail_are_counted_and_said() -> None:
    made = synergy(sham(), "pair", doses=(0, 1), at=[28], tumours={"killing": np.array([1.0, -1.0])})
    alone = synergy(sham(), "pair", doses=(0, 1), at=[28])
    assert (alone.failed, alone.failure) == (0, "")
    assert (made.failed, made.members) == (alone.members, 2 * alone.members)
    assert made.failure == "killing: -1 1/day is negative; all parameters are ≥ 0"
    assert made.surfaces[0].effects[0] == pytest.approx(alone.surfaces[0].effects[0], rel=1e-9)
    assert made.surfaces[0].remarks == ()
    assert synergy_data(made)["failed"] == made.failed


@pytest.mark.slow  # a command in a process of its own
def test_the_command_writes_what_it_says(tmp_path: Path) -> None:
    said = output_of("backfire synergy wnt16b-stroma --at 48 --doses 0,1,2", tmp_path)
    assert "potentiation" in said
    folder = tmp_path / "results" / "synergy" / "wnt16b-stroma"
    data = json.loads((folder / "synergy.json").read_text(encoding="utf-8"))
    assert data["agents"] == ["mitoxantrone", "anti_wnt16b"]
    rows = [*csv.reader(io.StringIO((folder / "surfaces.csv").read_text(encoding="utf-8")))]
    assert rows[0] == ["endpoint", "mitoxantrone", "anti_wnt16b", "effect", "hsa", "bliss", "loewe"]
    assert len(rows) == 1 + 9
    assert (folder / "synergy.png").read_bytes().startswith(b"\x89PNG")
    table = output_of("backfire synergy --show results/synergy/wnt16b-stroma", tmp_path)
    assert "mitoxantrone + anti_wnt16b" in table
    assert "Loewe's index" in table
    assert synergy_csv(synergy(backfire.load("wnt16b-stroma"), at=[48], doses=[0, 1, 2])).splitlines()[0].startswith("endpoint")


def test_a_folder_that_is_no_population_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no population"):
        tumours_of(tmp_path, backfire.load("wnt16b-stroma"))
