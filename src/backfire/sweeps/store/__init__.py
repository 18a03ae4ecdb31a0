"""The store of a sweep: a folder of files that prove themselves, survives a kill, and has one writer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
