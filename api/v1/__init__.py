"""For machines: a CRM's side of Minamoto under /api/v1, by bearer token and JSON, and its documentation."""

from flask import Flask

from api.v1 import (
    accounts,
    calls,
    companies,
    contacts,
    cost_imports,
    cost_rules,
    costs,
    deals,
    definitions,
    events,
    explain,
    funnel,
    journeys,
    mail,
    opportunities,
    overview,
    pathways,
    pipelines,
    policies,
    reports,
    scorecard,
    scores,
    segments,
    stages,
    surveys,
    tasks,
)
from api.v1.contract import publish, routes
from api.v1.docs import routes as docs_routes

# The views declare themselves on `routes` when their module is read.
ROOMS = (
    contacts,
    companies,
    accounts,
    journeys,
    deals,
    pipelines,
    costs,
    cost_imports,
    cost_rules,
    events,
    calls,
    reports,
    scores,
    overview,
    opportunities,
    funnel,
    scorecard,
    segments,
    pathways,
    explain,
    policies,
    definitions,
    stages,
    mail,
    surveys,
    tasks,
)


def register(app: Flask) -> None:
    """Add the API's routes, its OpenAPI document and the docs page."""
    publish(app)
    app.register_blueprint(routes)
    app.register_blueprint(docs_routes)
