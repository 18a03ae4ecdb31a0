"""The commands `optimise` and `synergy`: nothing is left behind by a wrong question, and nothing is read that was changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backfire import studies
from backfire.studies import Synergy
from commands import call
from small import SMALL_FOR_RUNS

SEARCH = "optimise small.toml --vary drug.every=5:9 --arm monotherapy --generations 1 --out results"
PAIR = """
title = "A small tumour and two drugs"
days = 40

[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug", "other"] }
kill = { by = ["drug", "other"] }

[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 2 }
other = { amount = 2.0, start = 10, every = 7, count = 2 }

[arms]
untreated = []
both = ["drug", "other"]
"""


@pytest.fixture(name="folder", autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.toml").write_text(SMALL_FOR_RUNS, encoding="utf-8")
    (tmp_path / "pair.toml").write_text(PAIR, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


WRONG = (
    (f"{SEARCH} --outcome nadirr", "did you mean `nadir`"),
    (f"{SEARCH} --outcome nadir --tumours 3", "--population"),
    (f"{SEARCH} --outcome nadir --outcome final_burden --points 1", "two ends"),
    (f"{SEARCH} --outcome nadir --vary drug.count=1.2:1.8", "none lies between"),
    ("synergy pair.toml --endpoint log_kil --out results", "did you mean `log_kill`"),
    ("synergy pair.toml --tumours 3 --out results", "--population"),
    ("synergy pair.toml --doses 0,1,1e300 --out results", "is no dose"),
)


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[words for words, _ in WRONG])
def test_a_wrong_question_leaves_nothing_behind(
    words: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*words.split()) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "results").exists()


def test_a_front_leaves_none_of_an_older_one(folder: Path) -> None:
    words = f"{SEARCH} --outcome nadir --outcome final_burden --better low --better high"
    assert call(*words.split(), "--points", "4") == 0
    results = folder / "results" / "small"
    for name in ("front-8.toml", "front-mine.toml"):
        (results / name).write_text("", encoding="utf-8")
    assert call(*words.split(), "--points", "2") == 0
    points = len(json.loads((results / "front.json").read_text(encoding="utf-8"))["points"])
    expected = {*(f"front-{number}.toml" for number in range(1, points + 1)), "front-mine.toml"}
    assert {path.name for path in results.glob("front-*.toml")} == expected


def _studied(failed: int = 0) -> Synergy:
    """A pair without a simulation."""
    import backfire

    scenario, doses = backfire.load("pair.toml"), np.array([0.0, 1.0])
    effects = np.array([[[0.0, 1.0], [1.0, 3.0]]])
    nulls = dict.fromkeys(studies.NULLS, effects - 0.5)
    surface = studies.Surface("log_kill", doses, effects, nulls, np.array([0.5]), np.array([[2.0, 2.0]]), 20.0)
    return Synergy(scenario, "both", ("drug", "other"), 1, (surface,), ("more",), 84, failed, "a rate is not finite")


DAMAGES = {
    "a number": lambda text: text.replace("0.5", "0.7", 1),
    "a word": lambda text: text.replace('"tumours": 1', '"tumours": "one"'),
    "no effects": lambda text: json.dumps(json.loads(text) | {"effects": [None]}),
    "no checksum": lambda text: text.replace('"sum"', '"sums"'),
    "a list": lambda _: "[1]",
    "a null": lambda _: "null",
    "deep": lambda _: "[" * 100_000,
    "cut off": lambda text: text[:200],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_stored_pair_that_was_changed_is_not_shown(
    damage: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(studies, "synergy", lambda *_: _studied())
    assert call("synergy", "pair.toml", "--out", "results") == 0
    path = folder / "results" / "pair" / "synergy.json"
    capsys.readouterr()
    assert call("synergy", "--show", str(path.parent)) == 0
    assert "drug + other" in capsys.readouterr().out
    path.write_text(DAMAGES[damage](path.read_text(encoding="utf-8")), encoding="utf-8")
    assert call("synergy", "--show", str(path.parent)) == 5
    assert "damaged, or of an older version" in capsys.readouterr().err


def test_members_of_a_pair_that_failed_end_in_their_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(studies, "synergy", lambda *_: _studied(failed=3))
    assert call("synergy", "pair.toml", "--out", "results") == 3
    assert "failed: 3 of 84 members, which are left out: a rate is not finite" in capsys.readouterr().err
