"""For websites: the snippet, and the beacon that it sends."""

from flask import Flask

from api.website import beacon


def register(app: Flask) -> None:
    """Add the routes of websites."""
    app.register_blueprint(beacon.routes)
