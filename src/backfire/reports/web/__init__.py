"""A model as one page that opens anywhere: everything inside one HTML file, and a simulation that runs in it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
