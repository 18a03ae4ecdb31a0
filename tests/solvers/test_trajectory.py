"""Courses as recorded: columns by name, pieces between jumps, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.solvers.trajectory import Status, Trajectory


def course(**changes: Any) -> Trajectory:
    given: dict[str, Any] = {
        "times": np.arange(3.0),
        "names": ("a", "b"),
        "units": ("cell", "1"),
        "values": np.arange(6.0).reshape(3, 2),
    }
    return Trajectory("arm", **(given | changes))


def test_columns_by_name() -> None:
    found = course()
    assert found["b"].tolist() == [1.0, 3.0, 5.0]
    assert "a" in found
    assert "c" not in found
    with pytest.raises(UserError, match="unknown state or observable"):
        found["c"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"values": np.zeros((2, 2))}, "shape"),
        ({"units": ("1",)}, "shape"),
        ({"times": np.array([0.0, 0.0, 1.0])}, "rise strictly"),
        ({"times": np.array([0.0, np.nan, 1.0])}, "rise strictly"),
        ({"times": np.zeros(0), "values": np.zeros((0, 2))}, "needs times"),
    ],
)
def test_what_is_no_course_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError, match=word):
        course(**changes)


def test_pieces_end_where_something_jumps() -> None:
    assert course().pieces == (slice(0, 3),)
    times = np.array([0.0, np.nextafter(1.0, 0.0), 1.0, 2.0])
    assert course(times=times, values=np.zeros((4, 2))).pieces == (slice(0, 2), slice(2, 4))


def test_numbers_of_statuses_are_stable() -> None:
    """Tables of before hold them."""
    assert [status.word for status in Status] == [
        "ok", "extinct", "max_steps", "max_time", "step_too_small", "nonfinite", "negative_state", "event_root_failed",
        "newton_failed", "worker_died", "not_run",
    ]  # fmt: skip
    assert [int(status) for status in Status] == list(range(11))
    assert [status for status in Status if status.good] == [Status.OK, Status.EXTINCT]
