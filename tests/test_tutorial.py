"""The tutorial: its cells run one after the other in an empty folder, and say what is kept in it.

``python tests/test_tutorial.py`` runs it and keeps what its cells show.
"""

from __future__ import annotations

import base64
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from backfire.notebook import OFTEN
from console import same

TUTORIAL = Path(__file__).parents[1] / "examples" / "16_tutorial.ipynb"
KEPT = 400_000
"""Bytes of the whole notebook."""


def executed(folder: Path) -> Any:
    """The tutorial after all its cells have run in a kernel of their own, in ``folder``."""
    import nbclient
    import nbformat

    book = nbformat.read(TUTORIAL, 4)
    for cell in book.cells:
        cell.metadata = {}
    return nbclient.NotebookClient(
        book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


def shown(book: Any) -> list[str]:
    """What the cells show as text: HTML without its tags, text as it is; pages and pictures are not compared."""
    found = []
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = str(data.get("text/html", data.get("text/plain", "")))
            if "<iframe" not in text and "image/png" not in data and "display_id" not in output.get("transient", {}):
                found.append(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", text, flags=re.DOTALL))
    return found


@pytest.mark.slow
def test_the_tutorial_runs_from_an_empty_folder_and_says_what_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="no nbclient here: pip install nbclient ipykernel")
    import nbformat

    kept = nbformat.read(TUTORIAL, 4)
    book = executed(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"my-tumour.toml", "plausible.toml", "my-question.toml", "results"}
    for before, now in zip(shown(kept), shown(book), strict=True):
        assert same(" ".join(before.split()), " ".join(now.split()))
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    pictures = [base64.b64decode(output["data"]["image/png"]) for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert any("<iframe" in output.get("data", {}).get("text/html", "") for output in outputs)
    assert "follows" in "".join(shown(book))


def test_the_tutorial_is_small_whole_and_without_paths() -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    assert len(text) < KEPT
    assert '"output_type": "error"' not in text
    assert not re.search(r"/(tmp|home|root|work)/", text)


class FakeKernel:
    """What ``IPython.display`` is asked for: every HTML that a place in a cell shows, in order."""

    kernel = object()

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys
        import types

        self.said: list[str] = []
        display = types.ModuleType("IPython.display")
        display.HTML = str  # type: ignore[attr-defined]
        display.display = self.display  # type: ignore[attr-defined]
        python = types.ModuleType("IPython")
        python.get_ipython = lambda: self  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", python)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(self, html: str, display_id: bool) -> FakeKernel:
        assert display_id
        self.said.append(html)
        return self

    def update(self, html: str) -> None:
        self.said.append(html)


def test_a_bar_moves_in_a_notebook_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    import backfire

    cell = FakeKernel(monkeypatch)
    with backfire.watched(1000, "<members>") as advance:
        for _ in range(1000):
            advance(1)
    assert "1,000 of 1,000 &lt;members&gt;" in cell.said[-1]
    assert 'value="1.0000"' in cell.said[-1]
    assert len(cell.said) < 20
    tell = backfire.latest()
    tell("one & two")
    assert "one &amp; two" in cell.said[-1]
    assert OFTEN > 0


def test_outside_a_notebook_messages_go_to_stderr_and_bars_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    import backfire

    with backfire.watched(3) as advance:
        advance(3)
    backfire.latest()("sampling")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "sampling\n")


if __name__ == "__main__":
    import nbformat

    with tempfile.TemporaryDirectory() as place:
        begun = time.monotonic()
        whole = executed(Path(place))
        for each in whole.cells:
            each.metadata = {}
            if each.cell_type == "code":  # a page is too large to be kept
                each.outputs = [one for one in each.outputs if "<iframe" not in str(one.get("data", {}).get("text/html"))]
        nbformat.write(whole, TUTORIAL)
        print(f"{time.monotonic() - begun:.0f} s, {TUTORIAL.stat().st_size:,} bytes")
