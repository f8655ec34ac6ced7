"""What is done when somebody comes into a stage: a site's actions, and what each puts into the outbox.

listing.py keeps the actions, act.py has the verb; moved.py, signing.py and messages.py are pure.
"""
