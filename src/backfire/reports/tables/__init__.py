"""Tables for people and scripts: outcomes of runs, runs over populations, what stands in a store."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
