"""For machines: a CRM's side of Minamoto under /api/v1, by bearer token and JSON, and its documentation."""

from flask import Flask

from api.v1 import contacts, costs, deals, docs, events, journeys, reports
from api.v1.contract import publish, routes

# The views declare themselves on `routes` when their module is read.
ROOMS = (contacts, journeys, deals, costs, events, reports)


def register(app: Flask) -> None:
    """Add the API's routes, its OpenAPI document and the docs page."""
    publish(app)
    app.register_blueprint(routes)
    app.register_blueprint(docs.routes)
