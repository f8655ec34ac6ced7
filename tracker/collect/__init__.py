"""Collect: a beacon, an API event or a log line comes in and becomes one row of the journal, or is refused.

Its verb is accept; its rows are hits, hits_waiting and refusals.
"""
