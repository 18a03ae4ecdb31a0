"""Where a number comes from: the five articles, their primary papers, and the grades of a source."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Final

CAUTION: Final = "illustrative, not clinically calibrated"
"""Stands on every figure, table and page."""


def version() -> str:
    """The version of backfire."""
    return importlib.metadata.version("backfire")


GRADES: Final[dict[str, str]] = {
    "article": "stated in the article",
    "paper": "stated in the abstract of the primary paper",
    "recalled": "recalled from the literature, not checked against a text here",
    "derived": "arithmetic on other numbers",
    "central": "of the most central tumour in which every calibrated claim of the article holds",
    "assumed": "a modelling choice of ours, not a literature fact",
}
"""Every parameter carries exactly one of these grades."""


@dataclass(frozen=True)
class Reference:
    """A publication: who, when, where, on what in our words; ``doi`` is empty where we do not know it with certainty."""

    key: str
    authors: str
    year: int
    journal: str
    subject: str
    doi: str = ""

    def __str__(self) -> str:
        where = f"{self.authors} {self.year}, {self.journal}, on {self.subject}"
        return f"{where}, doi:{self.doi}" if self.doi else where


_ALL = (
    Reference("bortezomib-macrophages", "Beyar-Katz … Shaked", 2016, "J Pathol",
              "bortezomib and pro-inflammatory macrophages in multiple myeloma"),
    Reference("exosome-metastasis", "Keklikoglou … De Palma", 2019, "Nat Cell Biol",
              "vesicles of treated breast tumours and the lung", "10.1038/s41556-018-0256-3"),
    Reference("hibernation-rigi", "Brägelmann … Sos", 2021, "Nat Commun 12:5505",
              "targeted drugs, hibernating cells and a RIG-I agonist", "10.1038/s41467-021-25728-8"),
    Reference("wnt16b-stroma", "Sun … Nelson", 2012, "Nat Med 18:1359",
              "damaged stroma and WNT16B in prostate cancer", "10.1038/nm.2890"),
    Reference("pi3k-jak2-bypass", "Britschgi … Bentires-Alj", 2012, "Cancer Cell",
              "the JAK2/STAT5 answer to PI3K/mTOR inhibitors in breast cancer", "10.1016/j.ccr.2012.10.023"),
)  # fmt: skip
ARTICLES: Final[dict[str, Reference]] = {reference.key: reference for reference in _ALL}
"""The five articles by the name that scenarios use in ``article = …``."""
