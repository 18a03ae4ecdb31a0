"""The style: arms are told apart in colour and in grey, and the user's settings stay theirs."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb

from backfire.figures import comparison
from backfire.figures.style import arm_styles
from backfire.scenario.scenario import parse
from backfire.simulation.arms import simulate
from small import SMALL


def test_arms_are_told_apart_in_grey() -> None:
    looks = arm_styles([])

    def grey(colour: str) -> float:
        return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))

    marks = [(round(grey(look.colour), 1), look.dashes) for look in looks.values()]
    assert len(set(marks)) == len(marks)


def test_drawing_leaves_the_users_settings_alone() -> None:
    before = dict(matplotlib.rcParams)
    figure = comparison(simulate(parse(SMALL)))
    figure.savefig(io.BytesIO())
    assert dict(matplotlib.rcParams) == before
