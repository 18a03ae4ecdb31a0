"""The claims of articles or of own files, kept: a table, everything needed to make it again, and figures, in a folder."""

from __future__ import annotations

from pathlib import Path

from backfire.claims import Report, scorecard
from backfire.figures import article_page, claims_overview, image
from backfire.system import make_folder, to_json, write_whole


def save_claims(known: Report, folder: Path, form: str = "png") -> list[Path]:
    """Write claims.csv, claims.json and claims.png, and a figure for every file if there are several; gives the paths.

    ``form`` is one of ``backfire.figures.IMAGE_FORMATS``, which the figures have as suffix."""
    make_folder(folder)
    names = [article.name for article in known.articles]
    contents: dict[str, str | bytes] = {
        "claims.csv": scorecard.as_csv(known),
        "claims.json": to_json(scorecard.as_data(known)),
        f"claims.{form}": image(claims_overview(known) if len(names) > 1 else article_page(known, names[0]), form),
    }
    if len(names) > 1:
        contents |= {f"claims-{name}.{form}": image(article_page(known, name), form) for name in names}
    for name, content in contents.items():
        write_whole(folder / name, content)
    return [folder / name for name in contents]
