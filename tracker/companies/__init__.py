"""Companies: what CRMs told of them by their domains, and those that a site wants to win.

Its verbs are hear and record; its rows are the companies' names and properties, accounts and account_roles.
"""
