"""Studies: questions asked of a scenario and its plausible tumours; each stands for itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
