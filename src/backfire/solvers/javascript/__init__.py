"""A network as JavaScript, and a solver for it, for pages that simulate where they are read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
