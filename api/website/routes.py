"""The blueprint that the routes of websites hang on, and how much one address may do there; kept apart from both."""

from datetime import datetime
from enum import StrEnum

from apiflask import APIBlueprint
from flask import Flask, current_app, request

from tracker.collect.rate import RateLimit

routes = APIBlueprint("website", __name__, enable_openapi=False, template_folder="templates")
KEPT = "minamoto.website.pace"


class Pace(StrEnum):
    """What is limited for each address."""

    CLICKS = "clicks"
    ANSWERS = "answers"


# How many a minute; all of them at once, too.
A_MINUTE = {Pace.CLICKS: 120, Pace.ANSWERS: 20}


def limit(app: Flask) -> None:
    """Give an application its own limits."""
    app.extensions[KEPT] = {of: RateLimit(n / 60, burst_s=60) for of, n in A_MINUTE.items()}


def pace(of: Pace, now: datetime) -> bool:
    """Whether the address that asks may do one more of these; it is counted if so."""
    limits: dict[Pace, RateLimit] = current_app.extensions[KEPT]
    return limits[of].wait_s(request.remote_addr or "", 1, now.timestamp()) == 0
