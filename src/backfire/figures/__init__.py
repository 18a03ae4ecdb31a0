"""Figures: the only family that knows matplotlib.

Whatever the command line draws, Python draws: ``comparison`` of a result, ``atlas`` of several, ``sweep_figures`` of the
folder of a stored sweep (``draw_sweep`` writes them there), ``claims_overview`` and ``article_page`` of a report of claims.
All are matplotlib figures; ``image`` makes PNG, SVG or PDF whose metadata carry version, caution and scenario hashes.

    import backfire

    result = backfire.simulate(backfire.load("wnt16b-stroma"))
    backfire.figures.comparison(result).savefig("a.png")
    for name, figure in backfire.figures.sweep_figures("results/sweeps/wnt16b-dose-and-break"):
        figure.savefig(name)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
