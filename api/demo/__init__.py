"""The demo company's site, with the real tag on its pages, and a small CRM to play with; only under settings.demo.

Everybody may see these pages: their data are invented, and `minamoto demo` listens on this machine alone.
"""

from flask import Flask

from api.demo import crm, pages
from api.demo.routes import routes

__all__ = ["crm", "pages", "register"]


def register(app: Flask) -> None:
    """Add the demo's routes."""
    app.register_blueprint(routes)
