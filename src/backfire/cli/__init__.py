"""The command line: reads options and prints; whatever it does, Python can do."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
