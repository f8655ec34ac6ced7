"""Identity: an e-mail address or a CRM id names a contact, and a browser becomes that contact's.

Its verb is stitch; its rows are contacts, identifiers, identifications and links.
"""
