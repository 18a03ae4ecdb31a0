"""One member computed again: the row to the last bit, and rows that are not its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire.sweeps import store
from backfire.sweeps.planning import plan_of
from backfire.sweeps.repeat import rerun
from backfire.sweeps.spec import load_sweep
from backfire.sweeps.store import write_chunk
from commands import call, sweep
from small import SMALL


def test_rerun_gives_the_row_to_the_last_bit(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(study, "--chunk", 2)
    capsys.readouterr()
    folder = study.parent / "out" / "study"
    for member in (0, 4, 8):
        assert call("rerun", folder, "--member", member) == 0
        shown = capsys.readouterr()
        assert shown.out.count("bit-identical") == 2
        assert shown.err == ""
    assert call("rerun", folder, "--member", 4, "--arm", "monotherapy") == 0
    assert capsys.readouterr().out.count("bit-identical") == 1
    assert call("rerun", folder, "--member", 9) == 2
    assert "0 to 8" in capsys.readouterr().err
    assert call("rerun", folder, "--member", 1, "--arm", "monoterapy") == 2
    assert call("rerun", study.parent, "--member", 1) == 5


def test_rerun_sees_a_row_that_is_not_its_own(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(sound)
    folder = sound.parent / "out" / "study"
    layout, manifest = store.read_layout(folder)
    rows, _ = rerun(folder, 0)
    # a store of the same study, written by a solver that is off by one bit in one number of one arm
    made = load_sweep(sound)
    plan = plan_of(made)
    samples = made.design.samples(0, 6)
    cohort = plan.runner(samples)
    values = cohort.values["monotherapy"]["final_burden"]
    values[0] = np.nextafter(values[0], np.inf)  # type: ignore[index]
    (folder / "manifest.json").write_text(json.dumps({**manifest, "versions": {**manifest["versions"], "scipy": "0.1"}}))
    write_chunk(folder, layout, 0, samples, cohort)
    capsys.readouterr()
    assert call("rerun", folder, "--member", 0) == 3
    shown = capsys.readouterr()
    assert "monotherapy: different" in shown.out
    assert "untreated: bit-identical" in shown.out
    assert "scipy 0.1" in shown.err
    assert not rows[1].different


def test_a_mechanism_of_ones_own_can_be_swept(sound: Path) -> None:
    from backfire.mechanisms.growth import Growth

    class Own(Growth):
        """Growth under another name."""

        label = "own_growth"

    (sound.parent / "small.toml").write_text(SMALL.replace("growth =", "own_growth ="), encoding="utf-8")
    result = backfire.sweep(sound, sound.parent / "out", workers=0, mechanisms=[Own])
    assert result.ok
    rows, _ = rerun(result.folder, 1, mechanisms=[Own])
    assert not any(row.different for row in rows)
