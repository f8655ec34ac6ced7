"""For whoever watches the installation: is it alive, is it ready.

Anyone may ask whether it is; the figures are for who has MINAMOTO_METRICS_TOKEN, because they tell how busy the sites
are and how far a flood has come. Neither route waits for the store, the collector or the fold.
"""

from apiflask import APIBlueprint
from flask import Flask, current_app, jsonify
from flask.typing import ResponseReturnValue

from api.context import here
from api.trust import Audience, audience, may_see_figures
from tracker.health import Doctor

routes = APIBlueprint("health", __name__, enable_openapi=False)


def register(app: Flask) -> None:
    """Add the routes, with one watch on the store for all questions."""
    context = app.extensions["minamoto"]
    app.extensions["minamoto_doctor"] = Doctor(context.engine, context.settings, context.now)
    app.register_blueprint(routes)


def doctor() -> Doctor:
    """Who knows how the installation is."""
    found = current_app.extensions["minamoto_doctor"]
    assert isinstance(found, Doctor)
    return found


@routes.get("/healthz")
@audience(Audience.ANYONE)
def healthz() -> ResponseReturnValue:
    """The process answers; nothing else was asked."""
    return jsonify(status="ok")


@routes.get("/readyz")
@audience(Audience.ANYONE)
def readyz() -> ResponseReturnValue:
    """200 where hits can be taken and folded, else 503, and which check says so."""
    found = doctor().readiness()
    shown = may_see_figures(here().settings)
    checks = {check.name: {"ok": check.ok, **(check.figures if shown else {})} for check in found.checks}
    return jsonify(status="ready" if found.ok else "not_ready", checks=checks), 200 if found.ok else 503
