"""Reports: figures by source, asked of the facts when somebody reads.

A query is checked, an engine scans the facts (visits, conversions and their paths, ledgers, costs), models weigh the
paths, and the scans are zipped by key into one table. Nothing is stored, so every report is as current as its facts.
Words: docs/reports.md; arithmetic: docs/attribution.md.
"""
