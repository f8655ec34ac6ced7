"""Programmes of mails: what was sent to whom, what became of it, and links that count their clicks."""
