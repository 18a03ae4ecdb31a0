"""What does nothing is named, what does something is not: by structure, and by arms solved with and without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire.errors import DocumentError
from backfire.model import Influence, Intervention, Mechanism, Part, Process, State
from backfire.scenario import Scenario, load, parse, parse_data, shipped_scenarios
from backfire.simulation import Idle, find_idle, simulate
from commands import call
from small import SMALL

TEXTS = {name: path.read_text(encoding="utf-8") for name, path in shipped_scenarios().items()}
STROMA, MARROW, LUNG = (TEXTS[name] for name in ("wnt16b-stroma", "bortezomib-macrophages", "exosome-metastasis"))
CONTROLS = {"control-no-stroma": {"anti_wnt16b"}, "control-uninduced-factor": {"anti_wnt16b", "mitoxantrone"}}
"""Shipped negative controls, and what they say changes nothing in them."""


def edited(text: str, *pairs: tuple[str, str], mechanisms: tuple[type[Mechanism], ...] = ()) -> Scenario:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse(text, mechanisms=mechanisms)


def with_usual_values(text: str) -> str:
    """The text without the values of the central tumour: a mechanism that is taken away leaves none behind."""
    return "\n".join(line for line in text.split("\n") if '"central"' not in line)


def warned(of: Scenario, simulated: bool = False) -> dict[str, Idle]:
    return {item.name: item for item in find_idle(of, simulated) if item.level == "warning"}


# Shipped scenarios.


@pytest.mark.parametrize("name", TEXTS)
def test_no_shipped_scenario_is_warned_of(name: str) -> None:
    assert not warned(load(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_simulation_confirms_what_structure_says_of_shipped_scenarios(name: str) -> None:
    assert find_idle(load(name), simulated=True) == find_idle(load(name))


@pytest.mark.parametrize("name", TEXTS)
def test_only_blockers_alone_and_what_a_control_expects_are_noted(name: str) -> None:
    of = load(name)
    assert {item.name for item in find_idle(of) if "as expected" in str(item)} == CONTROLS.get(name, set()) == {*of.expected_idle}
    for item in find_idle(of):
        assert item.arms == ("blockade",) or item.name in CONTROLS.get(name, ())


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_that_does_not_say_so_is_warned_of(name: str) -> None:
    line = next(line for line in TEXTS[name].splitlines() if line.startswith("expected_idle"))
    (found,) = warned(edited(TEXTS[name], (line, ""))).values()
    assert (found.name, found.arms) == ("anti_wnt16b", ("blockade", "combination"))
    assert ("because of responsive_stroma = 0" if name == "control-no-stroma" else "mitoxantrone would; excess_il16") in str(
        found
    )


@pytest.mark.parametrize("name", ["wnt16b-stroma", *CONTROLS])
def test_an_arm_without_what_is_idle_is_the_same_and_without_anything_else_is_not(name: str) -> None:
    of, idle = load(name), {(arm, item.name) for item in find_idle(load(name)) for arm in item.arms}
    for arm, regimens in of.arms.items():
        for left_out in regimens:
            data = of.resolved()
            data["arms"] = {"all": [*regimens], "less": [item for item in regimens if item != left_out]}
            data.pop("reference", None)
            courses = simulate(parse_data(data, "pair")).trajectories
            days = np.intersect1d(courses["all"].times, courses["less"].times)
            one, other = (course["burden"][np.isin(course.times, days)] for course in courses.values())
            same = bool(np.allclose(one, other, rtol=1e-6, atol=1e-3))
            assert same == ((arm, left_out) in idle), (arm, left_out)


# What must not be missed.


def test_a_blocker_that_no_mechanism_names() -> None:
    completeness = ("anti_wnt16b_completeness", "mitoxantrone_completeness")
    found = warned(edited(STROMA, ('by = "anti_wnt16b"', 'by = "mitoxantrone"'), completeness))
    assert found.keys() == {"anti_wnt16b"}
    assert "nothing reads effect_anti_wnt16b; agents are named in blockade.by = mitoxantrone" in str(found["anti_wnt16b"])


def test_a_blocker_of_what_nothing_here_calls_up() -> None:
    other = (
        'stroma       = { factor = "wnt16b", damaged_by = ["mitoxantrone"] }',
        'stroma = { factor = "wnt16b", damaged_by = ["mitoxantrone"] }\nmacrophages = { factor = "il16", activated_by = ["other"] }',
    )
    of = edited(STROMA, other, ('of = "wnt16b"', 'of = "il16"'), ("agents = [", 'agents = ["other", '))
    found = warned(of)
    assert found.keys() == {"anti_wnt16b"}
    assert (
        "it acts on excess_il16, which stays 0, for nothing given there changes it; other would; excess_wnt16b does change"
        in str(found["anti_wnt16b"])
    )


@pytest.mark.parametrize("of", ["il16", "mitoxantrone", "wnt16"])
def test_a_blocker_of_what_is_not_there_is_refused(of: str) -> None:
    with pytest.raises(DocumentError, match=f"`excess_{of}`, which nothing here provides.*did you mean"):
        edited(STROMA, ('of = "wnt16b"', f'of = "{of}"'))


def test_one_wrong_combination_among_right_ones() -> None:
    of = edited(TEXTS["all-together"] + 'wrong = ["pi3k_inhibitor", "anti_il16"]\n', ("[arms]", "[arms]"))
    found = warned(of)
    assert found.keys() == {"anti_il16"}
    assert found["anti_il16"].arms == ("blockade", "wrong")
    assert "in wrong it acts on excess_il16" in str(found["anti_il16"])
    assert "it does act in combination" in str(found["anti_il16"])


def test_a_regimen_that_no_arm_has() -> None:
    of = edited(STROMA, ("[arms]", 'late = { agent = "mitoxantrone", amount = 3, start = 90 }\n[arms]'))
    assert [str(item) for item in warned(of).values()] == ["late is a regimen that no arm has"]


def test_an_agent_that_reaches_no_process() -> None:
    of = edited(
        STROMA,
        ("agents = [", 'agents = ["water", '),
        ("[arms]", "water = { amount = 3, start = 9 }\n[arms]"),
        ("combination = [", 'combination = ["water", '),
    )
    assert warned(of).keys() == {"water"}


def test_a_blocker_of_what_acts_only_on_what_is_not_there() -> None:
    found = warned(edited(with_usual_values(LUNG), ('dissemination   = { killed_by = ["paclitaxel", "doxorubicin"] }\n', "")))
    assert found.keys() == {"monocyte_blocker"}
    assert "excess_monocytes, which acts on metastasis_kill, outgrowth, seeding only, which no mechanism here brings" in str(
        found["monocyte_blocker"]
    )


def test_a_switch_that_meets_nothing() -> None:
    of = edited(
        with_usual_values(MARROW),
        ('dissemination = { killed_by = ["bortezomib"] }\n', ""),
        ("[regimens]", "[switches]\nmacrophages.promotes_seeding = 0.0\nmacrophages.protects_kill = 0.0\n[regimens]"),
    )
    assert [str(item) for item in warned(of).values()] == [
        "macrophages.promotes_seeding = 0 changes nothing: it switches seeding, which no mechanism here brings"
    ]


def test_a_switch_of_what_stays_at_rest() -> None:
    of = load("control-no-stroma").changed({"stroma.protects_kill": 0.5})
    (found,) = warned(of).values()
    assert "= 0.5 changes nothing in any arm: in combination its factor stays 1, for it reads excess_wnt16b" in str(found)
    assert "because of responsive_stroma = 0" in str(found)
    assert not warned(load("wnt16b-stroma").changed({"stroma.protects_kill": 0.5}), simulated=True)


# What is meant.


def test_what_is_turned_off_on_purpose_is_a_note() -> None:
    of = load("wnt16b-stroma")
    for changes in ({"mitoxantrone.amount": 0}, {"stroma.protects_kill": 0, "stroma.promotes_growth": 0}):
        assert not warned(of.changed(changes))
        assert any(item.arms == ("blockade", "combination") for item in find_idle(of.changed(changes)))
    (note,) = (item for item in find_idle(of.changed({"mitoxantrone.amount": 0})) if item.name == "mitoxantrone")
    assert str(note) == "mitoxantrone changes nothing in monotherapy, combination: its amount is 0, so nothing is in its doses"


def test_what_is_expected_to_change_nothing_is_held_to_it() -> None:
    of = edited(STROMA, ("days    = 120", 'days = 120\nexpected_idle = ["anti_wnt16b", "stroma.protects_kill"]'))
    assert not warned(of)
    found = warned(of.changed({"stroma.protects_kill": 0.5}), simulated=True)
    assert str(found["anti_wnt16b"]) == "anti_wnt16b changes active in combination, though `expected_idle` lists it"
    assert found.keys() == {"anti_wnt16b", "stroma.protects_kill"}
    assert parse_data(of.resolved(), of.name).expected_idle == of.expected_idle
    with pytest.raises(DocumentError, match="did you mean `anti_wnt16b`"):
        edited(STROMA, ("days    = 120", 'days = 120\nexpected_idle = ["anti_wnt16"]'))


# What only simulation shows, and what only structure need say.


def test_a_drug_that_comes_when_nothing_is_left_is_found_by_simulation() -> None:
    of = edited(
        SMALL + 'cured = ["surgery", "late"]\n', ("[regimens]", 'surgery = {}\n[regimens]\nsurgery = { start = 5 }\nlate = { agent = "drug", amount = 2, start = 20 }')
    )  # fmt: skip
    assert not warned(of)
    (found,) = warned(of, simulated=True).values()
    assert (found.name, found.arms) == ("late", ("cured",))
    assert "with and without it no state differs" in str(found)


def test_a_dose_too_small_to_be_seen_is_found_by_simulation() -> None:
    of = parse(SMALL).changed({"drug.amount": 1e-12})
    assert not warned(of)
    assert warned(of, simulated=True).keys() == {"drug"}


@dataclass(frozen=True)
class Lymphocytes(Mechanism):
    """Cells of the host that an agent calls up, T' = r·E - r·T, and that may kill or not."""

    label = "lymphocytes"
    kill: bool = backfire.option("whether they kill", example=True, default=False)

    def parts(self) -> Iterator[Part]:
        yield State("signal", "fold", "what calls them up", 1.0)
        yield Process("calling", "host_gain", "fold * (1 + effect_drug) / day", "gain", enters="signal")
        yield Process("calming", "host_loss", "signal / day", "loss", leaves="signal")
        if self.kill:
            yield Influence("helps", on="kill", factor="signal / fold", meaning="they help to kill")
        yield Intervention("transfer", "cells given", amount_unit="fold", adds={"signal": "amount"})


def test_what_changes_only_the_host_is_noted() -> None:
    text = SMALL.replace('kill = { by = ["drug"] }\n', "lymphocytes = {}\n")
    (note, *rest) = find_idle(edited(text, ("[arms]", "[arms]"), mechanisms=(Lymphocytes,)))
    assert str(note) == "transfer is given by no regimen"
    assert [str(item) for item in rest] == ["drug reaches no cells in monotherapy: it changes signal only"]
    given = ("[arms]", "transfer = { amount = 2, start = 3 }\n[arms]"), ('["drug"]', '["drug", "transfer"]')
    bare = edited(
        SMALL,
        ('kill = { by = ["drug"] }\n', 'kill = { by = ["drug"] }\nlymphocytes = {}\n'),
        *given[:1],
        (given[1][0], given[1][0]),
        mechanisms=(Lymphocytes,),
    )
    assert warned(bare).keys() == {"transfer"}


@dataclass(frozen=True)
class Masked(Mechanism):
    """Growth of a clone that a drug would slow if something were there that never is: A' = r·A·(1 - E·Z) + …"""

    label = "masked"

    def parts(self) -> Iterator[Part]:
        yield State("absent", "1", "what is never there")
        yield Process("fading", "loss", "absent / day", "loss", leaves="absent")
        yield State("clone", "cell", "cells", 100.0, counts_in="burden")
        yield Process("dividing", "growth", "0.1 * clone * (1 - effect_drug * absent) / day", "division", enters="clone")


def test_what_is_multiplied_by_nothing_is_said() -> None:
    of = edited(SMALL, ('kill = { by = ["drug"] }\n', "masked = {}\n"), mechanisms=(Masked,))
    (found,) = warned(of, simulated=True).values()
    assert str(found).endswith("it acts on dividing, where it is multiplied by what stays 0")


# The command line.


def test_check_says_all_of_it_and_run_what_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        SMALL.replace(
            "[arms]",
            'late = { agent = "drug", amount = 0, start = 25 }\nnever = { agent = "drug", amount = 1, start = 5 }\n[arms]\nboth = ["drug", "late"]',
        )
    )
    assert call("check", file) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "warning: mine: never is a regimen that no arm has",
        "note: mine: late changes nothing in both: its amount is 0, so nothing is in its doses",
    ]
    assert call("run", file, "--out", tmp_path / "out", "--days", 30) == 0
    assert [line for line in capsys.readouterr().err.splitlines() if "changes nothing" in line or "no arm" in line] == said[:1]
