"""Models: what a mechanism is made of, how mechanisms compose into a network, and how agents are given."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
