"""Access: sites, users and tokens: what is tracked, who may read it, and which programs may write.

Its verbs are add, find and revoke; its rows are sites, users and tokens.
"""
