"""The sampler: points of a region of the unit cube that a judge defines, and the region's volume; knows nothing of tumours."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
