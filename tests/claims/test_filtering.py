"""Shares, intervals and deciding parameters against closed forms, published digits and runs made one by one."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire import cli
from backfire.claims import measuring as claim_readings
from backfire.claims import variants as claim_forms
from backfire.claims.articles import ClaimEntry, Seed, SeedFile, Story, load_seeds
from backfire.claims.evaluation import Board
from backfire.claims.filtering import (
    Box,
    Deciding,
    Design,
    deciding,
    holm,
    judge_members,
    one_at_a_time,
    robustness,
    wilson,
)
from backfire.claims.language import Change, Reading, parse_claim
from backfire.claims.measuring import Renamed, measure, renamed
from backfire.claims.verdict import VERDICTS, Verdict
from backfire.cli import claims as cli_claims
from backfire.errors import UserError
from backfire.scenario.scenario import Scenario, load, parse
from backfire.simulation import cohort
from backfire.simulation.rows import Cohort
from backfire.solvers.trajectory import Floats, Status

SMALL = """
title = "A small tumour and one drug"
days = 40
[mechanisms]
growth = { law = "exponential" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }
cytostasis = { by = ["drug"] }
[parameters]
drug_growth_inhibition = 0
[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 3 }
[arms]
untreated = []
monotherapy = ["drug"]
"""
RATE = (0.02, 0.4)
"""The plausible range of growth_rate."""


@pytest.fixture(scope="module")
def small() -> Scenario:
    return parse(SMALL, "small")


def seed_of(**checks: str) -> Seed:
    entries = [
        ClaimEntry(id=name, statement="a statement for a test", check=check, role="predicted", where="nowhere")
        for name, check in checks.items()
    ]
    story = Story(drug="a drug", answer="none", blocked_by="nothing")
    file = SeedFile(article="wnt16b-stroma", scenario="small", story=story, facts=["none"], claims=entries)
    return Seed("test", file, {entry.id: (entry, parse_claim(entry.check)) for entry in entries})


def checks(*texts: str) -> Seed:
    return seed_of(**{f"T1.{number}": text for number, text in enumerate(texts, start=1)})


Reads = Callable[[dict[str, Floats], str, str], Floats]


def fake(read: Reads, failed: Callable[[dict[str, Floats]], Any] = lambda _: False) -> Callable[..., Cohort]:
    """A runner whose outcomes are a formula of the fields: no solver, no mistake to share."""

    def run(
        scenario: Scenario,
        fields: Sequence[str],
        samples: Floats,
        arms: Sequence[str],
        outcomes: Sequence[str],
        _: object,
        threads: int,
    ) -> Cohort:
        given_fields = dict(zip(fields, np.asarray(samples).T, strict=True))
        count = len(samples)
        status = np.where(np.broadcast_to(failed(given_fields), count), Status.MAX_STEPS, Status.OK).astype(np.int8)
        values = {arm: {name: np.broadcast_to(read(given_fields, arm, name), count) for name in outcomes} for arm in arms}
        observed = {arm: {name: np.ones(count, dtype=bool) for name in outcomes} for arm in arms}
        return Cohort(tuple(arms), status[:, None].repeat(len(arms), 1), np.zeros((count, len(arms)), int), values, observed)

    return run


def growth_rate(given_fields: dict[str, Floats], arm: str, name: str) -> Floats:
    return given_fields["growth_rate"]


def test_the_share_is_that_of_the_closed_form(small: Scenario) -> None:
    found = robustness([checks("nadir(untreated) > 0.1")], Design(1024, 3), loaded={"small": small}, run=fake(growth_rate))
    exact = math.log(RATE[1] / 0.1) / math.log(RATE[1] / RATE[0])  # range wider than tenfold: by the logarithm
    assert found["T1.1"].share == pytest.approx(exact, abs=1.5 / 1024)  # Sobol: one point in every 1/1024 of each parameter
    assert found["T1.1"].samples == 1024
    assert found["T1.1"].low < exact < found["T1.1"].high


def test_changes_of_a_claim_are_made_on_top_of_every_sample(small: Scenario) -> None:
    texts = (
        "nadir(untreated with growth_rate * 2) > 0.1",
        "nadir(untreated with growth_rate = 0.3) > 0.1",
        "nadir(untreated with growth_rate * 2) > 1.99 * nadir(untreated)",
        "peak(active, untreated with growth_rate * 0.5) < nadir(monotherapy)",
    )
    found = robustness([checks(*texts)], Design(512), loaded={"small": small}, run=fake(growth_rate))
    exact = math.log(RATE[1] / 0.05) / math.log(RATE[1] / RATE[0])
    assert [found[f"T1.{number}"].share for number in range(1, 5)] == pytest.approx([exact, 1, 1, 1], abs=2 / 512)


def test_what_does_not_hold_is_counted_apart(small: Scenario) -> None:
    def read(fields: dict[str, Floats], arm: str, name: str) -> Floats:
        rate = fields["growth_rate"]
        return np.where(rate < 0.05, np.nan, np.where(rate < 0.1, 1.0, np.where(rate < 0.2, 0.5, 2.0)))

    seed = checks("nadir(untreated) > 1")
    run = fake(read, failed=lambda fields: fields["growth_rate"] > 0.3)
    found = robustness([seed], Design(2048), loaded={"small": small}, run=run)["T1.1"]
    edges = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4]
    shares = [math.log(b / a) / math.log(20) for a, b in itertools.pairwise(edges)]
    wanted = dict(zip(("not applicable", "inconclusive", "fails", "holds", "error"), shares, strict=True))
    assert {verdict.value: count / 2048 for verdict, count in found.counts.items()} == pytest.approx(wanted, abs=2 / 2048)
    assert sum(found.counts.values()) == 2048
    assert found.share == found.counts[Verdict.HOLDS] / 2048


def test_the_deciding_parameter_is_the_one_in_the_formula(small: Scenario) -> None:
    texts = ("nadir(untreated) > 0.1", "nadir(untreated) < 0.1", "nadir(untreated) < 1")
    found = robustness([checks(*texts)], Design(256), loaded={"small": small}, run=fake(growth_rate))
    for name, higher in (("T1.1", True), ("T1.2", False)):
        (only,) = found[name].deciding
        assert (only.parameter, only.higher) == ("growth_rate", higher)
        assert only.statistic == pytest.approx(1.0)  # holding and failing samples do not overlap
        assert only.chance < 1e-9
    assert found["T1.3"].deciding == ()  # always true: nothing decides


def test_two_parameters_together_have_the_distance_of_the_closed_form() -> None:
    # u + v > 1 on the unit square: holding samples have distribution u², the others 2u - u²; largest distance 1/2 at 1/2
    from scipy.stats import qmc

    points = qmc.Sobol(3, seed=1).random_base2(12)
    first, second = deciding(points, ["u", "v", "w"], points[:, 0] + points[:, 1] > 1)
    assert {first.parameter, second.parameter} == {"u", "v"}
    assert [first.statistic, second.statistic] == pytest.approx([0.5, 0.5], abs=0.01)
    assert first.higher
    assert second.higher
    assert str(Deciding("u", 0.5, 0.0, higher=False)) == "u ↓ 0.50"


def test_chance_alone_seldom_decides() -> None:
    generator = np.random.default_rng(5)
    named = sum(
        bool(deciding(generator.random((256, 40)), [f"p{n}" for n in range(40)], generator.random(256) < 0.5)) for _ in range(40)
    )
    assert named <= 6  # 5 % of 40 studies are 2; without Holm's correction nearly all would name something
    assert deciding(generator.random((512, 2)), ["a", "b"], np.arange(512) < 4) == ()  # too few on one side to tell


def test_no_parameter_is_named_for_another_that_the_sample_pairs_it_with() -> None:
    from scipy.stats import qmc

    for samples in (6, 8, 10):
        points = qmc.Sobol(40, seed=0).random_base2(samples)
        for index in range(40):
            named = deciding(points, [f"p{number}" for number in range(40)], points[:, index] > 0.63)
            assert [item.parameter for item in named] == ([f"p{index}"] if samples > 7 else []), samples


@pytest.mark.parametrize(
    ("holding", "samples", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_has_the_published_digits(holding: int, samples: int, low: float, high: float) -> None:
    """Newcombe 1998, Stat Med 17:857, table I, method 3."""
    assert wilson(holding, samples) == pytest.approx((low, high), abs=5.1e-5)


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_gains_and_keeps_order(chances: list[float]) -> None:
    corrected = holm(chances)
    assert all(after >= before for before, after in zip(chances, corrected, strict=True))
    order = np.argsort(chances, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_the_box_is_the_plausible_range_or_a_factor(small: Scenario) -> None:
    own, factor = Box().varied(small), Box(2.0).varied(small)
    assert own["growth_rate"] == (*RATE, True)
    assert own["drug_ec50"] == (0.2, 5.0, True)
    assert factor["growth_rate"] == pytest.approx((0.0575, 0.23, True))
    assert "drug_growth_inhibition" not in own  # 0 in this scenario: switched off by design
    assert "drug_growth_inhibition" not in factor
    rigi = load("hibernation-rigi")
    assert Box().varied(rigi)["hibernating_death_rate"] == (0.0, 0.05, False)
    bypass = load("pi3k-jak2-bypass")
    assert Box(3.0).varied(bypass)["jak2_inhibitor_completeness"] == pytest.approx((0.95 / 3, 1.0, True))
    assert "responsive_stroma" not in Box().varied(load("control-no-stroma"))


def test_points_fill_the_box_and_depend_on_the_seed_alone(small: Scenario) -> None:
    first, again, other = (Design(64, seed).points(small) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    for column, (low, high, _) in zip(first.T, Box().varied(small).values(), strict=True):
        assert low <= column.min() < column.max() <= high
        assert len(np.unique(column)) == 64
    with pytest.raises(UserError, match="512 or 1024"):
        Design(1000)


def test_every_parameter_goes_to_either_end_alone(small: Scenario) -> None:
    samples, moved = one_at_a_time(small, Box())
    names = list(Box().varied(small))
    assert samples.shape == (2 * len(names), len(names))
    usual = np.array([small.values[name] for name in names])
    for row, (name, value) in zip(samples, moved, strict=True):
        assert row[names.index(name)] == value
        assert (np.delete(row, names.index(name)) == np.delete(usual, names.index(name))).all()
    found = robustness([checks("nadir(untreated) > 0.1")], Design(16), loaded={"small": small}, run=fake(growth_rate))
    assert found["T1.1"].turned_by == (("growth_rate", 0.02, Verdict.FAILS),)  # 0.115 holds by default


def test_members_are_judged_as_the_board_judges_each_alone(small: Scenario) -> None:
    texts = (
        "smallest_share(monotherapy) < 0.5 * smallest_share(monotherapy with drug_kill_rate * 0.5)",
        "time_to_progression(monotherapy) < 12",
        "log_kill_last(monotherapy) > 0.9 * log_kill_first(monotherapy with growth_rate = 0.05)",
        "mean(burden, monotherapy) < 1e7 and final_burden(untreated) > 2e8",
        "log_kill_first(untreated) > 0",
    )
    seed = checks(*texts)
    fields = list(Box().varied(small))
    samples = Design(8, 4).points(small)
    together = judge_members([seed], small, seed.claims, fields, samples)
    for member, row in enumerate(samples):
        changed = small.changed({name: float(value) for name, value in zip(fields, row, strict=True)})
        alone = Board(loaded={"small": changed}, resolved=1e-4)
        for name, item in together.items():
            assert item.verdict(member) is alone.finding(seed, name).verdict, (name, member)
    assert len({item.verdict(member) for item in together.values() for member in range(8)}) > 1


def test_each_arm_runs_once_for_all_claims_and_changes(small: Scenario) -> None:
    calls: list[tuple[str, int]] = []
    inner = fake(growth_rate)

    def counting(*arguments: Any, threads: int) -> Cohort:
        calls.append((arguments[3][0], len(arguments[2])))
        return inner(*arguments, threads=threads)

    readings = [
        Reading("nadir", "untreated"),
        Reading("nadir", "untreated", (Change("growth_rate", "*", 2.0),)),
        Reading("final_burden", "untreated"),
        Reading("nadir", "monotherapy", (Change("growth_rate", "=", 0.2),)),
    ]
    found = measure(small, readings, ["growth_rate"], np.array([[0.1], [0.3]]), run=counting)
    assert calls == [("untreated", 4), ("monotherapy", 2)]
    assert [found[reading].value.tolist() for reading in readings] == [[0.1, 0.3], [0.2, 0.6], [0.1, 0.3], [0.2, 0.2]]


def test_what_is_said_to_be_compiled_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (seed,) = load_seeds(["wnt16b-stroma"])
    scenario = load("wnt16b-stroma")
    ran: set[tuple[str, ...]] = set()
    asked: list[tuple[str, ...]] = []

    def run(*given: Any, threads: int) -> Cohort:
        ran.add(cohort._plan(given[0], given[4]).watched)
        return fake(lambda fields, arm, name: np.ones(1))(*given, threads=threads)

    def needs(scenario: Scenario, outcomes: Sequence[str]) -> bool:
        asked.append(cohort._plan(scenario, outcomes).watched)
        return scenario.name == "wnt16b-stroma"

    monkeypatch.setattr(claim_readings, "needs_compiling", needs)
    wanted = [name for name in seed.claims if seed.scenario_of(name) == "wnt16b-stroma"]
    robustness([seed], Design(2), wanted, {"wnt16b-stroma": scenario}, run)
    assert claim_readings.has_to_compile([claim for each in load_seeds() for _, claim in each.claims.values()], scenario)
    assert ran == {*asked}


def test_only_what_will_be_compiled_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    scenarios = {name: load(name) for name in ("wnt16b-stroma", "control-no-stroma", "hibernation-rigi")}
    waiting = {"wnt16b-stroma", "hibernation-rigi"}
    monkeypatch.setattr(claim_readings, "needs_compiling", lambda scenario, _: scenario.name in waiting)
    cli_claims._say_what_compiles(scenarios)
    said = capsys.readouterr().err
    assert "compiling wnt16b-stroma, hibernation-rigi for this machine, once" in said
    waiting.clear()
    cli_claims._say_what_compiles(scenarios)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("reading", "hint"),
    [
        (Reading("nadir", "monoterapy"), "monotherapy"),
        (Reading("nadir", "untreated", (Change("growth_rat", "*", 2.0),)), "growth_rate"),
        (Reading("peak", "untreated", of="activ"), "active"),
    ],
)
def test_misspelt_names_are_refused_with_the_nearest(reading: Reading, hint: str, small: Scenario) -> None:
    with pytest.raises(UserError, match=f"`{hint}`"):
        measure(small, [reading], [], np.empty((1, 0)), run=fake(growth_rate))


def test_readings_in_the_words_of_another_form() -> None:
    claim = parse_claim("nadir(a with k = 3, r * 2) < nadir(a with k * 2)")
    words = renamed(claim, [Renamed("k", "n", 10.0)])
    assert [item.changes for item in words.values()] == [
        (Change("n", "=", 30.0), Change("r", "*", 2.0)),
        (Change("n", "*", 2.0),),
    ]


@pytest.mark.slow
def test_the_command_writes_shares_forms_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        cli_claims, "_measured", lambda seeds, scenarios, design, trials, only, advance: _invented(seeds, design, only)
    )
    monkeypatch.setattr(claim_forms, "Trial", lambda *given, **named: None)
    arguments = ["claims", "wnt16b-stroma", "exosome-metastasis", "--robustness", "64", "--seed", "7", "--out", str(tmp_path)]
    assert cli.main([*arguments, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["share"] for row in rows} == {"0.5000"}
    assert {row["share_low"] for row in rows} == {f"{wilson(32, 64)[0]:.4f}"}
    assert {row["flips"] for row in rows if row["verdict"] == "holds"} == {"gompertz growth: fails -0.500"}
    about = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))["about"]
    assert (about["design"]["samples"], about["design"]["seed"]) == (64, 7)
    assert "plausible range" in about["design"]["box"]
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"claims.png", "claims-wnt16b-stroma.png", "claims-exosome-metastasis.png"}
    assert cli.main([*arguments[:6], "7"]) == 0
    printed = capsys.readouterr().out
    for words in ("0.50 [0.38–0.62]", "64 Sobol samples (seed 7)", "plausible range", "screening", "not clinically", "gompertz"):
        assert words in printed
    assert cli.main(["claims", "--explain", "M4.4"]) == 0
    printed = capsys.readouterr().out
    for words in ("512 Sobol samples", "growth_rate: holds rather at higher values", "turn it over", "log_kill_4(monotherapy) ="):
        assert words in printed


def _invented(seeds: Sequence[Seed], design: Design | None, only: Sequence[str]) -> Any:
    """Firmness without a run: half of the samples hold, one form flips."""
    from backfire.claims.filtering import Robustness
    from backfire.claims.variants import FORMS, Formed

    count = design.samples if design else 2
    half = {verdict: count // 2 if verdict in (Verdict.HOLDS, Verdict.FAILS) else 0 for verdict in VERDICTS}
    firm = Robustness(count, half, *wilson(count // 2, count), (Deciding("growth_rate", 0.5, 0.001, higher=True),))
    forms = [Formed(form, Verdict.FAILS if form.choice == "gompertz" else None, -0.5, "") for form in FORMS]
    return dict.fromkeys(only, firm), dict.fromkeys(only, forms)


# The five articles.


@pytest.mark.thorough
@pytest.mark.parametrize("seed", load_seeds(), ids=lambda seed: seed.name)
def test_every_parameter_at_either_end_gives_a_verdict(seed: Seed) -> None:
    for name in dict.fromkeys(seed.scenario_of(identifier) for identifier in seed.claims):
        scenario = load(name)
        claims = [identifier for identifier in seed.claims if seed.scenario_of(identifier) == name]
        samples, moved = one_at_a_time(scenario, Box())
        for identifier, item in judge_members([seed], scenario, claims, list(Box().varied(scenario)), samples).items():
            errors = [moved[member] for member in np.flatnonzero(item.having(Verdict.ERROR))]
            assert errors == [], identifier
            assert len(item.codes) == len(moved)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", load_seeds(), ids=lambda seed: seed.name)
def test_a_must_have_that_holds_in_less_than_half_of_the_box_says_why(seed: Seed) -> None:
    for identifier, item in robustness([seed], Design(1024)).items():
        assert item.counts[Verdict.ERROR] == 0, identifier
        if identifier.startswith("M"):
            reason = seed.claims[identifier][0].fragile
            assert bool(reason) == (item.share < 0.5), (identifier, item.share, reason)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", load_seeds(), ids=lambda seed: seed.name)
def test_a_part_of_a_claim_that_is_said_to_hold_alone_does(seed: Seed) -> None:
    parts = {}
    for identifier, (entry, _) in seed.claims.items():
        if "judged alone, holds in every sample" in entry.fragile:
            for letter, check in zip("xyz", entry.check.split(" and "), strict=False):
                part = entry.model_copy(update={"id": f"{identifier}{letter}", "check": check})
                parts[part.id] = (part, parse_claim(check))
    found = robustness([Seed(seed.name, seed.file, parts)], Design(1024))
    for identifier in {part[:-1] for part in parts}:
        shares = [item.share for name, item in found.items() if name[:-1] == identifier]
        assert len(shares) == 2
        assert min(shares) < 0.5 < max(shares) == 1.0, (identifier, shares)
