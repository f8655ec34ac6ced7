"""The life cycle: how far each person is on the way from visitor to customer, and when they got there.

Its verb is record; its rows are stage_changes, and stage and stage_at of contacts.
"""
