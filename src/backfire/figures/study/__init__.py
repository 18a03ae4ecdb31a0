"""Figures of studies: survival, twins and response of trials; ablation; sensitivity. They are handed numbers, and draw them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
