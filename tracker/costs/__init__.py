"""Costs: what a source was paid on a day, in the platform's own currency.

Its verb is load; its rows are costs.
"""
