"""Solvers that share one interface: a problem in, a solution with a status out."""
