"""Deals: what the CRM says of an opportunity, and the ledger of its money.

Its verb is record; its rows are deals, deal_contacts and deal_entries.
"""
