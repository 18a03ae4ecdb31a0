"""What an archive says of itself: to repositories, in words, with a picture, and without a clock."""

from __future__ import annotations

import io
import shutil
import struct
import xml.etree.ElementTree as Tree
import zipfile
from pathlib import Path

import pytest

import backfire
from backfire.model import CAUTION
from commands import called

DC, RDF, COLLEX = (
    "{http://purl.org/dc/elements/1.1/}",
    "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}",
    "{http://www.collex.org/schema#}",
)
BIOLOGY, MODEL = "{http://biomodels.net/biology-qualifiers/}", "{http://biomodels.net/model-qualifiers/}"
VALIDATOR = shutil.which("biosimulators-utils")


def described(name: str) -> tuple[Tree.Element, zipfile.ZipFile]:
    zipped = zipfile.ZipFile(io.BytesIO(backfire.export(backfire.load(name), "untreated", to="omex")))
    root = Tree.fromstring(zipped.read("metadata.rdf"))
    [about] = root.findall(f"{RDF}Description")
    return about, zipped


def test_the_metadata_say_what_and_whose_it_is() -> None:
    scenario, (about, zipped) = backfire.load("wnt16b-stroma"), described("wnt16b-stroma")
    assert about.get(f"{RDF}about") == "http://omex-library.org/wnt16b-stroma.omex"
    assert about.findtext(f"{DC}title") == scenario.title
    assert CAUTION in (about.findtext(f"{DC}abstract") or "").lower()
    assert scenario.hash in (about.findtext(f"{DC}description") or "")
    identifiers = [item.get(f"{RDF}resource") for item in about.iter(f"{DC}identifier")]
    assert "http://identifiers.org/doi:10.1038/nm.2890" in identifiers
    assert "http://identifiers.org/taxonomy:10090" in identifiers
    assert "http://identifiers.org/spdx:BSD-3-Clause" in identifiers
    [picture] = about.findall(f"{COLLEX}thumbnail")
    file = str(picture.get(f"{RDF}resource")).rpartition("/")[2]
    width, height = struct.unpack(">II", zipped.read(file)[16:24])
    assert width >= 1216
    assert height > 400


def test_a_scenario_of_ours_cites_nobody() -> None:
    about, _ = described("dormant-metastases")
    assert about.find(f"{BIOLOGY}hasTaxon") is None
    assert about.find(f"{MODEL}isDerivedFrom") is None
    assert about.findtext(f"{DC}title")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*backfire.shipped_scenarios()])
def test_the_validator_of_biosimulations_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    """By hand: `pip install biosimulators-utils 'setuptools<80'` in an environment of its own, and its folder in PATH."""
    if VALIDATOR is None:
        pytest.skip("no biosimulators-utils in PATH; it pins old libraries, so it is no dependency of the tests")
    backfire.export(backfire.load(name), to="omex", out=tmp_path / "a.omex")
    done = called([VALIDATOR, "validate-project", str(tmp_path / "a.omex")])
    assert done.returncode == 0, done.stdout + done.stderr
