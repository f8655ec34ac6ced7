"""For whoever watches the installation: is it alive, is it ready, how much of what.

Anyone may ask whether it is; the figures are for who has MINAMOTO_METRICS_TOKEN, because they tell how busy the sites
are and how far a flood has come. No route waits for the collector or the fold, nor long for the store.
"""

from apiflask import APIBlueprint
from flask import Flask, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import choose_encoder

from api.context import here
from api.metrics import Metrics, registry_of
from api.trust import Audience, audience, may_see_figures
from tracker.health import Doctor

# Served by threads of their own, so that they answer while all others wait for the store.
PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
routes = APIBlueprint("health", __name__, enable_openapi=False)


def register(app: Flask) -> None:
    """Add the routes, with one watch on the store for all questions."""
    context = app.extensions["minamoto"]
    doctor = Doctor(context.engine, context.settings, context.now)
    commit = context.door.commit
    metrics = Metrics(doctor, context.engine.dialect.name, lambda: (commit.figures, commit.n_waiting))
    app.extensions["minamoto_doctor"] = doctor
    app.extensions["minamoto_metrics"] = registry_of(metrics)
    app.register_blueprint(routes)


@routes.get("/healthz")
@audience(Audience.ANYONE)
def healthz() -> ResponseReturnValue:
    """The process answers; nothing else was asked."""
    return jsonify(status="ok")


@routes.get("/readyz")
@audience(Audience.ANYONE)
def readyz() -> ResponseReturnValue:
    """200 where hits can be taken and folded, else 503, and which check says so."""
    found = current_app.extensions["minamoto_doctor"].readiness()
    shown = may_see_figures(here().settings)
    checks = {check.name: {"ok": check.ok, **(check.figures if shown else {})} for check in found.checks}
    return jsonify(status="ready" if found.ok else "not_ready", checks=checks), 200 if found.ok else 503


@routes.get("/metrics")
@audience(Audience.MONITOR)
def metrics() -> ResponseReturnValue:
    """Everything that is counted, in the text format that Prometheus asks for."""
    encode, kind = choose_encoder(request.headers.get("Accept", ""))
    answer = Response(encode(current_app.extensions["minamoto_metrics"]), content_type=kind)
    answer.headers["Cache-Control"] = "no-store"
    return answer
