"""Segments: lists of a site's people under a name, saved filters and those that actions fill.

listing.py keeps them, hashed.py (pure) writes their people as advertising platforms take them; who is in one is
asked in reports/segment_people.py.
"""
