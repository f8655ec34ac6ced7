"""Deals: what the CRM says of an opportunity, and the ledger of its money.

Its verb is record; its rows are deals, deal_contacts, deal_entries and deal_states.
"""
