"""backfire simulates why treated tumours come back. Illustrative, not clinically calibrated.

    import backfire

    scenario = backfire.load("wnt16b-stroma")          # or a path, or backfire.parse(toml_text)
    result = backfire.simulate(scenario)
    result.table()                                     # outcomes of all arms, as a DataFrame
    backfire.figures.comparison(result).savefig("a.png")

Everything public is imported when it is first used, so that importing backfire costs nothing. The families below are nouns
(``sweeps``), the functions verbs (``sweep``), so that no module hides a function.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
