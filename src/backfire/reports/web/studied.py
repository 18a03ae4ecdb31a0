"""What stored studies of a scenario found, for its page: their figures and what they say of themselves."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

from backfire.errors import StorageError, UserError, echo
from backfire.reports.web.writer import scrolled
from backfire.scenario import Scenario


def studied(folders: Iterable[Path | str], scenario: Scenario) -> str:
    """The folders of studies as HTML, each with its figures; nothing for none.

    Raises StorageError for what is no study, UserError for a study of another scenario or one without a PNG figure.
    """
    return "\n".join(_study(Path(folder), scenario) for folder in folders)


def _study(folder: Path, scenario: Scenario) -> str:
    try:
        about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        kind, title, notes, of = str(about["kind"]), str(about["title"]), [*map(str, about["notes"])], about["scenario"]
        name, digest, figures = (
            str(of["name"]),
            str(of["hash"]),
            [(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.png"))],
        )
    except OSError as error:
        raise StorageError(
            f"{folder}: is no study ({error.strerror or error}); trial, ablation and sensitivity make one"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{folder}: is no sound study ({echo(error)})") from None
    if (name, digest) != (scenario.name, scenario.hash):
        raise UserError(f"{folder}: is a study of `{name}` {digest}, not of `{scenario.name}` {scenario.hash}")
    if not figures:
        raise UserError(f"{folder}: has no figure as PNG; `backfire {kind} --show {folder}` draws it")
    head = f"<h3>{escape(title)}</h3><p>{escape(kind)} over {escape(str(about.get('tumours', 'many')))}.</p>"
    shown = "".join(picture("png", drawn, f"{title}: {stem}", f"{kind}: {stem.replace('_', ' ')}") for stem, drawn in figures)
    told = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"{head}{shown}{f'<ul>{told}</ul>' if told else ''}"


def picture(kind: str, drawn: bytes, words: str, caption: str) -> str:
    """A figure inside the page: what it shows in words for those who hear it, and its caption."""
    encoded = base64.b64encode(drawn).decode()
    image = f'<img class="figure" src="data:image/{kind};base64,{encoded}" alt="{escape(words)}">'
    return f"<figure>{scrolled(image, caption)}<figcaption>{escape(caption)}</figcaption></figure>"
