"""backfire simulates why treated tumours come back. Illustrative, not clinically calibrated.

    import backfire

    scenario = backfire.load("wnt16b-stroma")          # or a path, or backfire.parse(toml_text)
    result = backfire.simulate(scenario)
    result.table()                                     # outcomes of all arms, as a DataFrame
    backfire.figures.comparison(result).savefig("a.png")

Everything public is imported when it is first used, so that importing backfire costs nothing. The families below are nouns
(``sweeps``), the functions verbs (``sweep``), so that no module hides a function.
"""

from typing import Any

import lazy_loader

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """What is public, when it is first used; of functions one that refuses arguments of a wrong type."""
    from types import FunctionType

    found = _find(name)
    if isinstance(found, FunctionType):
        from .arguments import checked

        found = checked(found)
        found.__module__ = __name__  # where it is found again when it is unpickled
        globals()[name] = found
    return found
