"""The arm that others are compared with is found by what arms give, and said; what figures show is checked."""

from __future__ import annotations

import pytest

from backfire.errors import DocumentError
from backfire.reports import outcome_section
from backfire.scenario.scenario import Scenario, load, parse, parse_data, shipped_scenarios
from backfire.simulation.arms import course_agents, simulate

TEXT = """
title = "Two drugs"
days = 40
{top}
[mechanisms]
growth = {{ law = "logistic" }}
pharmacology = {{ agents = ["drug", "helper"] }}
kill = {{ by = ["drug"] }}
surgery = {{ of = ["active"] }}
[regimens]
drug = {{ amount = 4.0, start = 10 }}
metronomic = {{ agent = "drug", amount = 1.0, start = 10, every = 2, count = 4 }}
early = {{ agent = "helper", amount = 4.0, start = 5 }}
late = {{ agent = "helper", amount = 4.0, start = 15 }}
surgery = {{ start = 30 }}
[arms]
none = []
{arms}
"""


def made(*arms: str, top: str = "") -> Scenario:
    return parse(TEXT.format(arms="\n".join(arms), top=top))


@pytest.mark.parametrize(
    ("arms", "found"),
    [
        (('early = ["drug", "early"]', 'alone = ["drug"]', 'late = ["drug", "late"]'), "alone"),
        (('helper = ["early"]', 'alone = ["drug"]', 'both = ["drug", "early"]'), "alone"),
        (('cut = ["surgery"]', 'both = ["drug", "early", "surgery"]', 'alone = ["drug", "surgery"]'), "alone"),
        (('often = ["metronomic"]', 'once = ["drug"]'), "often"),
        (('often = ["metronomic"]', 'monotherapy = ["drug"]'), "monotherapy"),
        (('only = ["drug"]',), None),
        (('cut = ["surgery"]', 'only = ["drug"]'), None),
        ((), None),
    ],
)
def test_the_arm_that_gives_the_drug_alone_is_the_reference(arms: tuple[str, ...], found: str | None) -> None:
    scenario = made(*arms)
    assert scenario.reference == found
    assert bool(scenario.reference_rule) == (found not in (None, "monotherapy"))
    again = parse_data(scenario.resolved(), scenario.name)
    assert (again.reference, again.reference_rule, again.hash) == (found, scenario.reference_rule, scenario.hash)


def test_a_reference_that_the_file_names_stands_whatever_arms_give() -> None:
    arms = ('alone = ["drug"]', 'both = ["drug", "early"]')
    named, found = made(*arms, top='reference = "both"'), made(*arms)
    assert (named.reference, named.reference_rule) == ("both", "")
    assert course_agents(named) == {"drug", "helper"}
    assert course_agents(found) == {"drug"}, "what is only found makes no courses"
    result = simulate(found)
    under = outcome_section(result).lines
    assert any("then against alone" in line and "alone gives drug alone" in line for line in under)
    assert result.change("nadir", "both", found.reference) is not None


def test_shipped_scenarios_name_their_reference() -> None:
    for name in shipped_scenarios():
        scenario = load(name)
        assert (scenario.reference, scenario.reference_rule) == ("monotherapy", ""), name


def test_what_figures_show_is_recorded_and_changes_no_number() -> None:
    alone = 'alone = ["drug"]'
    shown = made(alone, top='show = ["drug", "kill_by_drug"]')
    assert shown.show == ("drug", "kill_by_drug")
    assert shown.hash == made(alone).hash
    assert parse_data(shown.resolved(), "again").show == shown.show
    assert shown.changed({"growth_rate": 0.2}).show == shown.show
    with pytest.raises(DocumentError, match="did you mean `kill_by_drug`"):
        made(alone, top='show = ["kill_by_drog"]')
    with pytest.raises(DocumentError, match="a list"):
        made(alone, top='show = "drug"')
