"""Run folders: what ``backfire run`` leaves behind, and how it is read back without simulating.

``<out>/<scenario>/`` holds ``manifest.json`` (resolved scenario, versions, hash, solver settings, statuses),
``outcomes.csv``, ``trajectories.csv`` (tidy: arm, day, name, value, unit), ``steps.npz`` (the course between the recorded
rows, from which outcomes are read), where rules decide ``doses.csv`` (what was given), ``comparison.png``, and in
``mechanisms/`` the files of one's own mechanisms. Every file is written under a temporary name and then renamed: a run that is
cut off leaves whole files or none.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import math
import os
import platform
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.errors import MechanismError, RefusedError, StorageError, UserError, echo
from backfire.model import CAUTION
from backfire.scenario import OwnMechanisms, Scenario, stored_copies, stored_scenario
from backfire.simulation.arms import Result, observed_steps
from backfire.solvers import NODES, Floats, Settings, Status, Steps, Trajectory, generate
from backfire.system import require_writable, to_json, write_whole

FORMAT: Final = 2
"""Of the folder: 1 had no steps."""
_DAMAGES: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""What reading something else than a run raises."""
_LIBRARIES: Final = ("backfire", "numpy", "scipy", "sympy", "pydantic", "matplotlib")


def prepare_folder(out: Path, scenario: str) -> Path:
    """The folder of one scenario below ``out``, made and probed for writing before anything is computed.

    Raises RefusedError for links where a folder should be, StorageError if nothing can be written.
    """
    folder = out / scenario
    for part in (out, folder):
        if part.is_symlink():
            raise RefusedError(f"{part} is a symbolic link; give a real folder with --out")
        if part.exists() and not part.is_dir():
            raise RefusedError(f"{part} is a file; give a folder with --out")
    require_writable(folder, folder=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, probe = tempfile.mkstemp(dir=folder, prefix=".probe.")
        os.close(handle)
        os.unlink(probe)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror or error})") from None
    return folder


def save(result: Result, folder: Path) -> None:
    """Write trajectories, outcomes and manifest of a result.

    The old manifest goes first and the new one, which knows the checksum of the trajectories, comes last: whatever
    moment a run is cut off, a manifest never speaks for rows that are not its own.
    """
    trajectories, steps = trajectories_csv(result), steps_npz(result)
    with contextlib.suppress(FileNotFoundError):
        (folder / "manifest.json").unlink()
    sums = {"trajectories_sha256": _sha256(trajectories.encode()), "steps_sha256": _sha256(steps)}
    write_whole(folder / "trajectories.csv", trajectories)
    write_whole(folder / "steps.npz", steps)
    write_whole(folder / "outcomes.csv", outcomes_csv(result))
    if any(item.decisions is not None for item in result.trajectories.values()):
        write_whole(folder / "doses.csv", doses_csv(result))
    else:
        (folder / "doses.csv").unlink(missing_ok=True)
    keep_mechanisms(result.scenario, folder)
    write_whole(folder / "manifest.json", to_json(manifest(result) | sums))


def keep_mechanisms(scenario: Scenario, folder: Path) -> None:
    """Write the files of mechanisms of one's own to a folder, so that what is in it can be read back wherever it is."""
    for name, content in stored_copies(scenario.library.files, scenario.own_mechanisms).items():
        path = folder / name
        if path.parent.is_symlink():
            raise RefusedError(f"{path.parent} is a symbolic link; give a real folder with --out")
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(f"{path.parent}: cannot be written ({error.strerror or error})") from None
        write_whole(path, content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_run(folder: Path | str, mechanisms: OwnMechanisms = ()) -> Result:
    """A stored run as a Result, without simulating: outcomes and figures are computed from its kept steps.

    ``mechanisms`` are classes of yours that its scenario uses; files with them are stored with the run. Raises
    StorageError if the folder is incomplete, MechanismError if a mechanism is missing, or is not the one that was run.
    """
    place = Path(folder)
    try:
        for name in ("manifest.json", "trajectories.csv", "steps.npz"):
            if (place / name).exists() and not (place / name).is_file():  # a pipe would be waited for, a device read for ever
                raise ValueError(f"{name} is no file")
        stored = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        text, steps = (place / "trajectories.csv").read_text(encoding="utf-8"), (place / "steps.npz").read_bytes()
        if not isinstance(stored["name"], str):
            raise ValueError("its name is no text")
        own = stored.get("own_mechanisms")
        scenario = stored_scenario(place, stored["scenario"], stored["name"], own, mechanisms)
        trajectories = _read_trajectories(text, stored["arms"])
        recorded = (*scenario.network.state_names, *scenario.network.observables)
        if any(item.names != recorded for item in trajectories.values()):
            raise ValueError("its columns are not those of its scenario")
        wanted = {
            "format": FORMAT,
            "hash": scenario.hash,
            "trajectories_sha256": _sha256(text.encode()),
            "steps_sha256": _sha256(steps),
        }
        differing = [key for key, value in wanted.items() if stored[key] != value]
        if differing or not trajectories.keys() <= scenario.arms.keys():
            raise ValueError(f"{', '.join(differing) or 'arms'} of the manifest do not fit what is stored")
        return Result(scenario, _with_steps(scenario, trajectories, steps), Settings(**stored["solver"]))
    except MechanismError:
        raise
    except OSError as error:
        name = Path(error.filename or "").name
        raise StorageError(f"{place}: not a complete run ({error.strerror or error}: {name})") from None
    except (
        KeyError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        IndexError,
        AttributeError,
        RecursionError,
        csv.Error,
        UserError,
    ) as error:
        raise StorageError(f"{place}: the stored run is damaged ({echo(error)}); run the scenario again") from None


def manifest(result: Result) -> dict[str, Any]:
    """What was run, with what, and how it ended."""
    scenario = result.scenario
    return {
        "format": FORMAT,
        "caution": CAUTION,
        "name": scenario.name,
        "hash": scenario.hash,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "solver": dataclasses.asdict(result.settings),
        "arms": {
            arm: {"status": item.status.word, "message": item.message, "evaluations": item.evaluations, "rows": len(item.times)}
            for arm, item in result.trajectories.items()
        },
        "warnings": list(scenario.warnings),
        **({"own_mechanisms": scenario.own_mechanisms} if scenario.own_mechanisms else {}),
        "scenario": scenario.resolved(),
    }


def trajectories_csv(result: Result) -> str:
    """All trajectories as tidy CSV with full precision; failed rows have empty values."""
    text = io.StringIO()
    text.write("arm,day,name,value,unit\n")
    for arm, item in result.trajectories.items():
        days = [repr(day) for day in item.times.tolist()]
        for column, (name, unit) in enumerate(zip(item.names, item.units, strict=True)):
            values = item.values[:, column].tolist()
            text.writelines(
                f"{arm},{day},{name},{'' if math.isnan(value) else repr(value)},{unit}\n"
                for day, value in zip(days, values, strict=True)
            )
    return text.getvalue()


def steps_npz(result: Result) -> bytes:
    """The course of every arm between the recorded rows, as numpy keeps arrays: times, states and fresh of its ``Steps``, and
    what its rules decided."""
    arrays: dict[str, Any] = {}
    for arm, item in result.trajectories.items():
        if item.steps is not None:
            states = item.steps.values[..., : len(result.scenario.network.states)]
            arrays |= {f"{arm}.times": item.steps.times, f"{arm}.states": states, f"{arm}.fresh": item.steps.fresh}
        if item.decisions is not None:
            arrays[f"{arm}.decisions"] = item.decisions
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def _with_steps(scenario: Scenario, trajectories: Mapping[str, Trajectory], content: bytes) -> dict[str, Trajectory]:
    """Trajectories with the steps that were kept of them; observables are computed again."""
    code, constants, made = generate(scenario.network), scenario.constants(), {}
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        for arm, item in trajectories.items():
            steps = Steps(kept[f"{arm}.times"], kept[f"{arm}.states"], kept[f"{arm}.fresh"])
            count, nodes = len(steps.times), len(NODES)
            shapes = [(count, nodes), (count, nodes, len(scenario.network.states)), (count,)]
            if [steps.times.shape, steps.values.shape, steps.fresh.shape] != shapes or not _in_order(steps, item):
                raise ValueError(f"the steps of {arm} do not fit its rows")
            made[arm] = dataclasses.replace(
                item, steps=observed_steps(code, constants, steps), decisions=_decisions(scenario, arm, kept)
            )
    return made


def _decisions(scenario: Scenario, arm: str, kept: Mapping[str, Any]) -> Floats | None:
    """The levels of the rules of an arm after each visit; None where it has no rules."""
    plan = scenario.plan(scenario.arms[arm])
    if not plan.rules:
        return None
    found: Floats = kept[f"{arm}.decisions"]
    if found.shape != (len(plan.visits),) or found.dtype != np.float64:
        raise ValueError(f"the decisions of {arm} do not fit its visits")
    return found


def _in_order(steps: Steps, rows: Trajectory) -> bool:
    """Whether steps follow each other from the first row to the last that has numbers."""
    if not len(steps.times):
        return not rows.status.good
    if steps.times.dtype.kind != "f" or steps.values.dtype != np.float64 or not np.isfinite(steps.times).all():
        return False
    begun, last = steps.times[0, 0] == rows.times[0], rows.times[np.isfinite(rows.values).all(axis=1)][-1:]
    return bool(begun and (np.diff(steps.times.ravel()) >= 0).all() and (not rows.status.good or steps.times[-1, -1] == last))


def outcomes_csv(result: Result) -> str:
    """Outcomes as tidy CSV, one row per arm and outcome."""
    rows = result.outcome_rows()
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["arm"], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return text.getvalue()


def doses_csv(result: Result) -> str:
    """What every arm was given, after its rules, as tidy CSV: one row per dose, and per level of an infusion."""
    units = {name: item.amount_unit for name, item in result.scenario.network.interventions.items()}
    rows = [
        f"{arm},{dose.time!r},{dose.agent},{dose.amount!r},{units[dose.agent]},{dose.duration!r}\n"
        for arm in result.trajectories
        for dose in result.given(arm)
    ]
    return "".join(["arm,day,agent,amount,unit,duration\n", *rows])


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _read_trajectories(text: str, arms: Mapping[str, Mapping[str, Any]]) -> dict[str, Trajectory]:
    """Rows back into arrays; relies on nothing but the tidy columns."""
    columns: dict[str, dict[str, tuple[list[float], list[float], str]]] = {arm: {} for arm in arms}
    for row in csv.DictReader(io.StringIO(text)):
        days, values, _ = columns[row["arm"]].setdefault(row["name"], ([], [], row["unit"]))
        days.append(float(row["day"]))
        values.append(float(row["value"]) if row["value"] else math.nan)
    made = {}
    for arm, about in arms.items():
        names = tuple(columns[arm])
        times = np.array(columns[arm][names[0]][0])
        if len(times) != about["rows"]:
            raise ValueError(f"{len(times)} of {about['rows']} rows of arm {arm}")
        table = np.column_stack([columns[arm][name][1] for name in names])
        units = tuple(columns[arm][name][2] for name in names)
        made[arm] = Trajectory(
            arm, times, names, units, table, Status[str(about["status"]).upper()], about["message"], about["evaluations"]
        )
    return made
