"""Attribution: an outcome, the touches on the way to it, and what each of them earned.

Its verb is attribute; its rows are conversions and paths. Credits are computed when a report reads, never stored.
"""
