"""Sampling: which values of which inputs; spaces, and designs that fill them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
