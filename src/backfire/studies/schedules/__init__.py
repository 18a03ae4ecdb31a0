"""Schedules that are searched for: the best for one outcome, and the front of what two allow."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
