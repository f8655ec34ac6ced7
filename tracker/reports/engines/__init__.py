"""Engines: who scans the facts for a report. Each gives the same rows for the same scope (tests/properties).

memory is the oracle, plain loops over lists; sql is SQLite and PostgreSQL. The contract is reports/scans.py.
"""
