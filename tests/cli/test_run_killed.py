"""Runs that are cut off at any moment."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from commands import python

KILLED = """
import json, os, random, shutil, signal, sys, time
from backfire import cli
from backfire.reports import runs as study

study.comparison, study.image = lambda result: None, lambda figure, form: b"a figure takes most of the time and is not in question"
scenario, place = sys.argv[1:]
folder = os.path.join(place, "out", "small")
null = os.open(os.devnull, os.O_WRONLY)


def child(*arguments, fatal=0, after=None):
    # fatal: the call of os.replace or os.unlink at which it dies, negative for just after; after: seconds until it dies
    number = os.fork()
    if number == 0:
        os.dup2(null, 1)
        os.dup2(null, 2)
        left = [abs(fatal)]

        def dying(do):
            def done(*given, **named):
                left[0] -= 1
                if left[0] == 0 and fatal > 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = do(*given, **named)
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result
            return done

        os.replace, os.unlink = dying(os.replace), dying(os.unlink)
        os._exit(cli.main(list(arguments)))
    if after is not None:
        time.sleep(after)
        os.kill(number, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def run(rate, **how):
    return child("run", scenario, "--out", os.path.join(place, "out"), "--set", f"growth_rate={rate}", **how)


def look(code):
    # what a reader of the folder would see now: growth rate of the manifest, and what redraw makes of it
    copy = shutil.copytree(folder, os.path.join(place, "copy"))
    seen = {"code": code, "redraw": child("redraw", copy)}
    if seen["redraw"] == 0:
        with open(os.path.join(copy, "manifest.json")) as file:
            seen["rate"] = json.load(file)["scenario"]["parameters"]["growth_rate"]["value"]
        with open(os.path.join(copy, "outcomes.csv")) as file:
            seen["outcomes"] = file.read()
    shutil.rmtree(copy)
    return seen


rates = [0.1, 0.2]
cli.main(["run", scenario, "--out", os.path.join(place, "warm")])  # so that children die at work, not at imports
started = time.monotonic()
code = run(rates[0])
span = time.monotonic() - started
whole = [look(code), look(run(rates[1]))]
cut = []
for number in range(1, 7):
    for sign in (1, -1):
        cut.append(look(run(rates[number % 2], fatal=sign * number)))
draw = random.Random(20240607)
for number in range(10):
    cut.append(look(run(rates[number % 2], after=draw.uniform(0.0, span))))
print(json.dumps({"whole": whole, "cut": cut, "last": look(run(rates[0]))}), file=sys.__stdout__)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_run_killed_at_any_moment_leaves_no_lie_and_runs_again(small: Path, tmp_path: Path) -> None:
    """Runs with two growth rates in turn in one folder, killed before and after each rename and at random moments."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = python("-c", KILLED, small, tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    wanted = {one["rate"]: one["outcomes"] for one in seen["whole"]}
    rates = list(wanted)
    assert len(set(wanted.values())) == 2
    killed = [one for one in seen["cut"] if one["code"] == -signal.SIGKILL]
    assert len(killed) >= 12
    assert {one["code"] for one in seen["cut"]} <= {-signal.SIGKILL, 0}
    for one in [*seen["cut"], seen["last"]]:
        assert one["redraw"] in (0, 5)
        if one["redraw"] == 0:
            assert one["outcomes"] == wanted[one["rate"]]
    assert {one["redraw"] for one in killed} == {0, 5}  # the moments were well chosen
    # nothing that was left behind stands in the way of a run
    assert all(one["redraw"] == 0 for one in seen["cut"] if one["code"] == 0)
    assert (seen["last"]["code"], seen["last"]["redraw"], seen["last"]["rate"]) == (0, 0, rates[0])
