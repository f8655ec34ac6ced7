"""For websites: the snippet, the beacon that it sends, and what it asks."""

from flask import Flask

from api.website.beacon import take, take_by_image
from api.website.routes import routes
from api.website.script import script

# The views declare themselves on `routes` when their module is read.
VIEWS = (script, take, take_by_image)


def register(app: Flask) -> None:
    """Add the routes of websites."""
    app.register_blueprint(routes)
