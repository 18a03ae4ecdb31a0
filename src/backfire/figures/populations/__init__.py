"""Figures of populations: where the tumours lie, what the claims say of them, what every arm does in all of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
