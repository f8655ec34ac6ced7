"""For people: the server-rendered pages, in Japanese and English. Every figure links to the rows behind it."""

from flask import Flask

import api.pages.contact
import api.pages.contacts
import api.pages.session
import api.pages.source
import api.pages.source_rows
import api.pages.tracking
from api.pages.frame import register as register_frame
from api.pages.routes import routes

# The views declare themselves on `routes` when their module is read.
ROOMS = (
    api.pages.contact,
    api.pages.contacts,
    api.pages.session,
    api.pages.source,
    api.pages.source_rows,
    api.pages.tracking,
)


def register(app: Flask) -> None:
    """Add the pages and what every page needs."""
    register_frame(app)
    app.register_blueprint(routes)
