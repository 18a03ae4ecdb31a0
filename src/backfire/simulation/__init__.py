"""Simulation: the arms of one scenario, or of many members of it, and the folder a run leaves."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
