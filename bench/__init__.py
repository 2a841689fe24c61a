"""Measurements: each claim of speed beside its limit, taken in the same run."""
