"""The demo: an invented company, Hinode Systems, with a history that went through the real pipeline; labelled as demo.

Its verb is prepare; it has no rows of its own.
"""
