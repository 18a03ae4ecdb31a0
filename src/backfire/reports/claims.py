"""The claims of articles or of own files, kept: a table, everything needed to make it again, and figures, in a folder."""

from __future__ import annotations

from pathlib import Path

from backfire.claims import Report, scorecard
from backfire.figures import article_page, claims_overview, png
from backfire.system import to_json, write_whole


def save_claims(known: Report, folder: Path) -> list[Path]:
    """Write claims.csv, claims.json and claims.png, and a figure for every file if there are several; gives the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [article.name for article in known.articles]
    contents: dict[str, str | bytes] = {
        "claims.csv": scorecard.as_csv(known),
        "claims.json": to_json(scorecard.as_data(known)),
        "claims.png": png(claims_overview(known) if len(names) > 1 else article_page(known, names[0])),
    }
    if len(names) > 1:
        contents |= {f"claims-{name}.png": png(article_page(known, name)) for name in names}
    for name, content in contents.items():
        write_whole(folder / name, content)
    return [folder / name for name in contents]
