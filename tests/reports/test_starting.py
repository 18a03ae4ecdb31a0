"""Files to start from: they check clean beside the scenario they are about, and run as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import backfire
from backfire.claims.own import parse_claims
from backfire.errors import DocumentError
from backfire.reports.starting import new_claims, new_scenario, new_sweep
from backfire.scenario.scenario import shipped_scenarios
from backfire.sweeps.spec import parse_sweep
from commands import call
from small import SMALL

ALONE = SMALL[: SMALL.index("[regimens]")] + "[arms]\nnothing = []\n"


@pytest.mark.parametrize("name", shipped_scenarios())
def test_every_shipped_scenario_has_a_sweep_and_claims_to_start_from(name: str) -> None:
    study = parse_sweep(new_sweep(name), "study")
    assert study.scenario.name == name
    assert study.design.members > 1
    known = parse_claims(new_claims(name))
    assert known.scenarios[name].name == name
    assert len(known.claims) >= 1


@pytest.mark.parametrize("text", [SMALL, ALONE], ids=["small", "no treatment"])
def test_what_is_new_runs_as_it_is(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(text, encoding="utf-8")
    for option in ("--sweep", "--claims"):
        for name in ("mine.toml", "mine"):
            assert call("new", name, option) == 0
            Path(f"mine{option}.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert call("check", "mine.toml", "mine--sweep.toml", "mine--claims.toml") == 0
    assert capsys.readouterr().out.count("ok: ") == 3
    assert call("claims", "mine--claims.toml", "--out", "out") == 0
    assert "holds" in capsys.readouterr().out
    result = backfire.sweep("mine--sweep.toml", "swept", workers=0)
    assert result.ok


def test_a_name_of_ones_own_gives_a_file_about_the_example_and_a_misspelt_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "my-study: a copy of" in new_scenario("my-study")
    for new in (new_sweep, new_claims):
        assert 'scenario = "wnt16b-stroma"' in new("my-study")
        Path("my-study.toml").touch()  # as a shell does before it writes there
        assert 'scenario = "wnt16b-stroma"' in new("my-study")
        with pytest.raises(DocumentError, match="did you mean `wnt16b-stroma`"):
            new("wnt16b-strom")
        with pytest.raises(DocumentError, match="cannot be opened"):
            new("none.toml")
    assert call("new", "wnt16b-stroma", "--sweep", "--claims") == 2
    assert "not two of them" in capsys.readouterr().err


def test_claims_begin_with_every_arm_that_adds_to_the_reference_and_with_names_of_the_scenario(tmp_path: Path) -> None:
    more = 'late = { agent = \'drug\', amount = 1.0, start = 25 }\n\n[arms]\nlate = ["drug", "late"]\nlater = ["late", "drug"]\n'
    (tmp_path / "mine.toml").write_text(SMALL.replace("[arms]\n", more), encoding="utf-8")
    text = new_claims(tmp_path / "mine.toml")
    known = parse_claims(text, folder=tmp_path)
    arms = [[ref.arm for ref in claim.refs()] for _, claim in known.claims.values()]
    assert arms == [["monotherapy", "untreated"], ["late", "monotherapy"], ["later", "monotherapy"]]
    assert "`monotherapy with growth_rate * 2`" in text
    assert "stroma" not in text
