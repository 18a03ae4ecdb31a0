"""The central tumour: where closed forms know it; and the shipped defaults, which are those of the articles.

``python tests/populations/test_central.py FOLDER ARTICLE …`` finds the central tumours of populations that ``backfire population``
wrote to a folder, writes their values into the scenario files, and keeps how firmly the claims hold in them.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.populations import Depth, central_tumour, depth_of, load_population, parse_population, population
from backfire.populations.judging import judge_of
from backfire.sampling import PlausibleTumours, read_tumours
from backfire.scenario import Scenario, load
from backfire.system import to_json, write_whole

POPULATIONS = Path(__file__).parents[2] / "configs" / "populations"
KNOWN = POPULATIONS / "central.json"
SCENARIOS = POPULATIONS.parent / "scenarios"
FOLLOWERS = {"wnt16b-stroma": "control-no-stroma", "bortezomib-macrophages": "control-uninduced-factor"}
"""Controls that are the same tumour but for what their own file says."""
LOW, HIGH = math.log(1e7), math.log(1e8)
GROWING = """
title = "Cells that grow for twenty days, and a drug that does not matter"
days = 20
[mechanisms]
growth = { law = "exponential" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }
[parameters]
growth_rate = { value = 0.1, range = [0.05, 0.4], source = "measured", grade = "paper" }
[regimens]
drug = { amount = 4.0, start = 5 }
[arms]
untreated = []
monotherapy = ["drug"]
"""
BETWEEN = """
title = "Between ten and a hundred million cells"
scenario = "growing.toml"
article = "none"
[claims]
between = "1e7 < final_burden(untreated) < 1e8"
"""


def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KNOWN.read_text(encoding="utf-8"))
    return found


def tumours_between(spec: Any) -> PlausibleTumours:
    """Tumours in which the claim is true, in closed form, whatever the drug does."""
    values = spec.space.sobol(4096, seed=3)
    start, rate = (values[:, spec.space.names.index(name)] for name in ("starting_cells", "growth_rate"))
    final = np.log(start) + 20 * rate
    kept = values[(final > LOW) & (final < HIGH)]
    return PlausibleTumours(Path("drawn"), spec.space.names, kept, np.full(len(kept), 1 / len(kept)), len(kept), {})


def test_of_tumours_nearly_as_deep_as_the_deepest_the_most_typical_is_central(tmp_path: Path) -> None:
    """ln(burden) = ln(cells) + 20 × 0.1. The depth is largest between the walls, in units of the medians of both distances; the
    median number of cells goes with faster growth than was measured, so the nearest tumour is at nine tenths of it, on their side.
    """
    (tmp_path / "growing.toml").write_text(GROWING, encoding="utf-8")
    spec = parse_population(BETWEEN, "between", tmp_path)
    tumours = tumours_between(spec)
    columns = dict(zip(tumours.names, tumours.values.T, strict=True))
    final = np.log(columns["starting_cells"]) + 20 * columns["growth_rate"]
    below, above = np.median(final - LOW), np.median(HIGH - final)
    deepest = (HIGH - LOW) / (below + above)
    assert np.log(np.median(columns["starting_cells"])) + 2 < LOW
    found = central_tumour(spec, tumours)
    assert found.deepest == pytest.approx(deepest, rel=2e-3)
    assert found.depth == pytest.approx(0.9 * deepest, abs=0.06)
    assert found.values["starting_cells"] == pytest.approx(math.exp(LOW + 0.9 * deepest * below - 2), rel=0.06)
    assert found.values["drug_kill_rate"] == pytest.approx(np.median(columns["drug_kill_rate"]), rel=0.06)
    assert "growth_rate" not in found.values
    rate, start = (found.scenario.network.parameters[name] for name in ("growth_rate", "starting_cells"))
    assert (rate.value, rate.grade, rate.source) == (0.1, "paper", "measured")
    assert (start.value, start.grade) == (found.values["starting_cells"], "central")
    again = central_tumour(
        parse_population(BETWEEN.replace("growing", "again"), "between", written(tmp_path, found.scenario)), tumours
    )
    assert again.values == found.values, "whatever the values were before"


def test_what_is_so_by_design_is_not_searched(tmp_path: Path) -> None:
    entry = 'drug_kill_rate = { value = 0.5, source = "by design: it does not matter", grade = "assumed" }'
    designed = GROWING.replace("[regimens]", f"{entry}\n[regimens]")
    (tmp_path / "growing.toml").write_text(designed, encoding="utf-8")
    spec = parse_population(BETWEEN, "between", tmp_path)
    found = central_tumour(spec, tumours_between(spec))
    assert "drug_kill_rate" not in found.values
    assert "starting_cells" in found.values
    assert found.scenario.values["drug_kill_rate"] == 0.5


def written(folder: Path, scenario: Scenario) -> Path:
    (folder / "again.toml").write_text(scenario.text(), encoding="utf-8")
    return folder


def test_sourced_values_that_no_plausible_tumour_has_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "growing.toml").write_text(GROWING, encoding="utf-8")
    spec = parse_population(BETWEEN, "between", tmp_path)
    tumours = tumours_between(spec)
    (tmp_path / "growing.toml").write_text(GROWING.replace("value = 0.1", "value = 2.0"), encoding="utf-8")
    with pytest.raises(UserError, match="with the values that have a source"):
        central_tumour(parse_population(BETWEEN, "between", tmp_path), tumours)
    half = PlausibleTumours(tumours.folder, tumours.names[:2], tumours.values[:, :2], tumours.weights, 1, {})
    with pytest.raises(UserError, match="drawn: was not sampled as between says"):
        central_tumour(spec, half)


@pytest.mark.parametrize("article", sorted(known()) if KNOWN.exists() else [])
def test_the_shipped_values_of_an_article_are_deep_in_its_plausible_set(article: str) -> None:
    """As deep as they are said to be, by the batch solver; that every claim holds by the reference solver, the scorecard says."""
    spec, about = load_population(article), known()[article]
    judge = judge_of(spec.topics, spec.space)
    names = [f"{name}: {claim.comparisons[0]}" for name, _, claim in judge.comparisons]
    assert names == [*about["usual"]], f"find the central tumour of {article} again"
    values = np.array([[spec.scenario.values[name] for name in spec.space.names]])
    depth = Depth(judge, np.array([*about["usual"].values()]))(spec.space.shares(values))[0]
    assert depth >= about["depth"] - 0.02
    assert about["depth"] > 0.84 * about["deepest"] > 0.5


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("article", sorted(known()) if KNOWN.exists() else [])
def test_no_tumour_of_another_population_is_much_deeper(article: str, tmp_path: Path) -> None:
    """Whose values with a source vary too, as those of the shipped tumour do not."""
    spec = load_population(article)
    population(article, tmp_path, members=200, seed=5)
    tumours = read_tumours(tmp_path / article)
    depth, shares = depth_of(spec, tumours), spec.space.shares
    own = depth(shares(np.array([[spec.scenario.values[name] for name in tumours.names]])))[0]
    others = depth(shares(tumours.values))
    assert own > np.quantile(others, 0.9)
    assert others.max() < own + 0.3


def with_values(text: str, scenario: Scenario, names: list[str]) -> str:
    """A scenario file with the entries of some parameters of a scenario, after those that are there already."""
    kept = [line for line in text.split("\n") if line.split(" ")[0] not in names]
    at = kept.index("", kept.index("[parameters]"))
    width = max(map(len, names))
    told = scenario.network.parameters
    lines = [
        f'{name:{width}} = {{ value = {number(told[name].value)},{ranges(text, name)} source = "{told[name].source}", '
        f'grade = "{told[name].grade}" }}'
        for name in names
    ]
    return "\n".join([*kept[:at], *lines, *kept[at:]])


def ranges(text: str, name: str) -> str:
    """The range that an entry of a file gives its parameter."""
    found = re.search(rf"^{name} .*?( range = \[.*?\],)", text, flags=re.MULTILINE)
    return found.group(1) if found else ""


def number(value: float) -> str:
    return re.sub(r"e\+?(-?)0*(\d)", r"e\1\2", f"{value:g}")


def update(folder: Path, article: str) -> None:
    spec, tumours = load_population(article), read_tumours(folder / article)
    found = central_tumour(spec, tumours, print)
    depth = depth_of(spec, tumours)
    names = [f"{name}: {claim.comparisons[0]}" for name, _, claim in depth.judge.comparisons]
    about = {"seed": tumours.manifest["seed"], "depth": found.depth, "deepest": found.deepest}
    about["usual"] = {name: float(f"{value:.4g}") for name, value in zip(names, depth.usual, strict=True)}
    write_whole(KNOWN, to_json((known() if KNOWN.exists() else {}) | {article: about}))
    for name in (article, FOLLOWERS.get(article)):
        if name is not None:
            path = SCENARIOS / f"{name}.toml"
            own = load(path).network.parameters
            follows = [key for key in found.values if key in own and "by design" not in own[key].source]
            write_whole(path, with_values(path.read_text(encoding="utf-8"), found.scenario, follows))


if __name__ == "__main__":
    for article in sys.argv[2:]:
        update(Path(sys.argv[1]), article)
