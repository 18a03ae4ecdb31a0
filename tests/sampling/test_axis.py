"""Axes: values spread as they promise, and contradictions refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.sampling import Axis, Sobol

AXES = (Axis("a", 0, 1), Axis("b", 0.01, 100, scale="log"), Axis("c", 1, 4, whole=True), Axis("d", values=(5, 1, 3)))


def test_whole_numbers_and_lists_come_equally_often() -> None:
    rows = Sobol(AXES, 1 << 12, 1).samples(0, 1 << 12)
    for column, wanted in ((2, [1, 2, 3, 4]), (3, [1, 3, 5])):
        values, counts = np.unique(rows[:, column], return_counts=True)
        assert values.tolist() == wanted
        assert counts / counts.sum() == pytest.approx(1 / len(wanted), abs=2e-3)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"low": 1, "high": 1}, "below high"),
        ({"low": 2, "high": 1}, "below high"),
        ({"low": 0, "high": 1, "scale": "log"}, "above 0"),
        ({"low": 0, "high": math.inf}, "below high"),
        ({"low": 0, "high": math.nan}, "below high"),
        ({"low": 0, "high": 1, "points": 1}, "points"),
        ({"low": 0, "high": 1, "points": 10**7}, "points"),
        ({"low": 0, "high": 1, "scale": "cubic"}, "scale"),
        ({"values": (1, 1)}, "twice"),
        ({"values": (math.nan,)}, "finite"),
        ({"values": (1.5,), "whole": True}, "whole"),
        ({"low": 1.5, "high": 3, "whole": True}, "whole"),
        ({"low": 1, "high": 6, "points": 4, "whole": True}, "6 are"),
        ({"low": 1, "high": 8, "points": 4, "whole": True, "scale": "log"}, "list them"),
    ],
)
def test_axes_that_contradict_themselves_are_refused(how: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Axis("a", **how)  # type: ignore[arg-type]
