"""Reports by mail: who ordered one, of which period one is due, which is sent, and the way to the mail server.

What stands in a mail is the edge's business (api/mail).
"""
