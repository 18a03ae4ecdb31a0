"""The shipped mechanisms, strangers to each other: one file each, found because it is there."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

from backfire.model import Mechanism


@cache
def shipped() -> dict[str, type[Mechanism]]:
    """All shipped mechanism classes by label, sorted."""
    found: dict[str, type[Mechanism]] = {}
    for module in pkgutil.iter_modules(__path__):
        for _, member in inspect.getmembers(importlib.import_module(f"{__name__}.{module.name}"), inspect.isclass):
            if issubclass(member, Mechanism) and member.__module__ == f"{__name__}.{module.name}":
                found[member.label] = member
    return dict(sorted(found.items()))
