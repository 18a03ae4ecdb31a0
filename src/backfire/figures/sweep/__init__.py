"""Figures of a stored sweep: each module declares one, ``choose`` finds those that suit the design."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
