"""For people: the server-rendered pages, in Japanese and English. Every figure links to the rows behind it."""

from flask import Flask

from api.pages import contact, contacts, frame, session, source, source_rows, tracking
from api.pages.routes import routes


def register(app: Flask) -> None:
    """Add the pages and what every page needs."""
    frame.register(app)
    app.register_blueprint(routes)


__all__ = ["contact", "contacts", "register", "session", "source", "source_rows", "tracking"]
