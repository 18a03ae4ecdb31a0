"""Pairs of agents over a grid of doses: what the pair would do if its parts added up, and what it does beyond."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
