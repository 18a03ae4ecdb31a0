"""Figures of a stored sweep: each module declares one, ``choose`` finds those that suit the design."""
