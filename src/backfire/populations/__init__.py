"""Populations: sets of plausible tumours, each of which satisfies every claim, sampled from a space of parameters."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
