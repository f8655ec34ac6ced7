"""Minamoto without HTTP: from a hit on a page to a number in a report."""

__version__ = "0.1.0"
