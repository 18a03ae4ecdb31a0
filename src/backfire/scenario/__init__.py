"""Scenarios: from a TOML file to checked objects, every problem with its line, every named input once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
