"""Temporary alias while tests move."""

from backfire.simulation import Result, observed, record_days, simulate, watch  # noqa: F401
