"""What keeps its value keeps it in every solution, and what depends on something can be seen to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.model.components import Intervention
from backfire.model.dependence import Dependence, dependences, own_states, reads
from backfire.model.dosing import Event
from backfire.model.network import Network
from networks import at, ivp, run, start_of, values_of


def looked(
    network: Network, given: dict[str, list[Event]] | None = None, varied: dict[str, str] | None = None
) -> dict[str, Dependence]:
    values = values_of(network)
    starts = dict(zip(network.state_names, start_of(network, values), strict=True))
    return dependences(network, values, starts, given or {}, varied)


def test_a_state_in_balance_rests_until_something_reaches_it() -> None:
    network = ivp({"drug": "-drug", "factor": "1 + 3 * drug - factor", "cells": "cells * (factor - 1)"}, [0.0, 1.0, 5.0])
    rest = looked(network)
    assert [rest[name] for name in network.state_names] == [Dependence(0.0), Dependence(1.0), Dependence(5.0)]
    dosed = looked(network, {"dose": [Event(2.0, "drug", 1.0, 4.0)]})
    assert all(dosed[name] == Dependence(None, frozenset({"dose"})) for name in network.state_names)
    assert all(looked(network, {"dose": [Event(2.0, "drug", 0.5, 0.0)]})[name] == rest[name] for name in network.state_names)


def test_nothing_frees_what_it_multiplies() -> None:
    network = ivp({"blocker": "-blocker", "factor": "0", "cells": "cells * (1 - blocker * factor)"}, [2.0, 0.0, 5.0])
    found = looked(network, {"dose": [Event(1.0, "blocker", 1.0, 4.0)]})
    assert found["blocker"].sources == {"dose"}
    assert found["cells"] == Dependence(None), "they grow, whatever is given"


def test_a_constant_that_is_free_is_a_source() -> None:
    network = ivp({"one": "spare", "other": "one * spare * zero", "zero": "0"}, [1.0, 0.0, 0.0])
    found = looked(network, varied={"spare": "asked"})
    assert found["one"].sources == {"asked"}
    assert found["other"] == Dependence(0.0)


rates = st.sampled_from(["0", "a", "-b", "a * b", "b * c", "c - a", "1 - c", "positive(b - 1)", "hill(a, 1, 2) * c", "a - a"])


@given(st.tuples(rates, rates, rates), st.tuples(*[st.sampled_from([0.0, 1.0])] * 3), st.sampled_from("abc"))
def test_what_keeps_its_value_or_knows_nothing_of_a_dose_does_so_in_the_solution(
    slopes: tuple[str, ...], start: tuple[float, ...], dosed: str
) -> None:
    network = ivp(dict(zip("abc", (f"0.1 * ({slope})" for slope in slopes), strict=True)), list(start))
    dose = [Event(1.0, dosed, 1.0, 0.5)]
    known, days = looked(network, {"dose": dose}), [1.0, 2.0, 3.0]
    plain, given_too = run(network, days), run(network, days, events=dose)
    for name in "abc":
        one, other = ([at(network, solution, day, name) for day in days] for solution in (plain, given_too))
        if known[name].value is not None:
            assert np.allclose(other, known[name].value, rtol=1e-9, atol=1e-9)
        if not known[name].sources:
            assert np.allclose(one, other, rtol=1e-8, atol=1e-8)


def test_what_is_given_is_its_level_and_where_it_goes() -> None:
    network = ivp({"depot": "-depot", "level": "depot - level"}, [0.0, 0.0])
    assert own_states(network, Intervention("dose", "m", "1", adds={"depot": "amount"})) == {"depot"}
    assert sorted(reads(network)["depot"]) == ["d_depot", "d_level"]
    assert reads(network)["d_level"] == ["level"]
    assert pytest.approx(0) == run(network, [1.0]).states[-1][0]
