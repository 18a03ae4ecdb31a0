"""The batch solver: many members of one network side by side in the lanes of vector instructions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
