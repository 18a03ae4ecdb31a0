"""Statistics of studies, from numbers alone: survival, power, shares of a whole, indices of sensitivity."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
