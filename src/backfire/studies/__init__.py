"""Studies: questions asked of many tumours, each from spec to table, summary and figure; strangers to each other."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
