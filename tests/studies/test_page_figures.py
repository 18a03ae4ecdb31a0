"""The figures of the model pages are those of the shipped studies: ``python tests/studies/test_page_figures.py`` draws them anew.

The first figure of every shipped trial and ablation, small enough to be kept beside the pages: which study and scenario it shows
stands in the file. Give names of scenarios to draw only theirs.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backfire import studies
from backfire.figures import image
from backfire.studies import Means, shipped_studies

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "figures"
PAGES = ROOT / "configs" / "scenarios"
LARGEST = 60_000
"""Bytes of a figure."""
WIDTHS = 1100, 1000, 900
KINDS = ("trial", "ablation")
SHOWN = [(kind, name) for kind in KINDS for name in shipped_studies(kind)]


def path_of(kind: str, name: str) -> Path:
    return FOLDER / f"{name}-{kind}.png"


def belongs_to(kind: str, name: str) -> dict[str, str]:
    """What a figure was drawn from: the scenario with its hash, and the study file."""
    scenario = getattr(studies, f"load_{kind}")(name).scenario
    text = shipped_studies(kind)[name].read_bytes()
    return {"Source": f"{scenario.name} {scenario.hash}", "Study": hashlib.sha256(text).hexdigest()[:12]}


@pytest.mark.parametrize(("kind", "name"), SHOWN)
def test_a_figure_is_of_the_present_scenario_and_study_and_small(kind: str, name: str) -> None:
    path = path_of(kind, name)
    assert path.exists(), "run: python tests/studies/test_page_figures.py"
    assert path.stat().st_size < LARGEST
    with Image.open(path) as picture:
        said = {key: picture.info[key] for key in ("Source", "Study")}
        assert picture.size[0] in WIDTHS
    assert said == belongs_to(kind, name), f"run: python tests/studies/test_page_figures.py {name}"


def test_no_figure_is_left_over_and_every_page_shows_its_own() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {path_of(*item).name for item in SHOWN}
    for page in PAGES.glob("*.md"):
        shown = re.findall(r"]\(\.\./\.\./docs/figures/([^)]+)\)", page.read_text(encoding="utf-8"))
        assert shown == [path_of(kind, page.stem).name for kind in KINDS], page.name


def palette() -> Image.Image:
    """The colours of arms and of the scale of the matrices, each towards white, and greys: an arm keeps its colour."""
    arms = ["#D55E00", "#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#7b5aa6", "#8c5a2b"]
    tints = [255 + share * (np.array(to_rgb(arm)) * 255 - 255) for arm in arms for share in np.linspace(0.09, 1, 13)]
    scale = 255 * colormaps["PuOr_r"](np.linspace(0, 1, 60))[:, :3]
    greys = np.repeat(np.append(np.linspace(34, 242, 91), 255)[:, None], 3, axis=1)
    made = Image.new("P", (1, 1))
    made.putpalette(np.vstack([tints, scale, greys]).round().astype(np.uint8).ravel().tolist())
    return made


def update(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for kind, name in SHOWN:
        if names and name not in names:
            continue
        made = getattr(studies, kind)(getattr(studies, f"load_{kind}")(name), means=Means(workers=0))
        with Image.open(io.BytesIO(image(next(studies.study_figures(made))[1]))) as drawn:
            about = PngInfo()
            for key, words in {**drawn.info, **belongs_to(kind, name)}.items():
                if isinstance(words, str):
                    about.add_text(key, words)
            for width in WIDTHS:
                size = width, round(drawn.height * width / drawn.width)
                small = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
                small = small.quantize(palette=palette(), dither=Image.Dither.NONE)
                small.save(path_of(kind, name), optimize=True, pnginfo=about)
                if path_of(kind, name).stat().st_size < LARGEST:
                    break
        print(path_of(kind, name).name, path_of(kind, name).stat().st_size, "bytes", flush=True)


if __name__ == "__main__":
    update(sys.argv[1:])
