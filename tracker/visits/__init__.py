"""Visits: the hits of one browser, cut into visits; the start of each is a touchpoint.

Its verb is fold; its rows are visits, visit_hits and touchpoints.
"""
