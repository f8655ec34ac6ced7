"""What a request may use: the store, the settings, the clock. Made once by create_app, found through `here()`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import Engine

from api.door import Door
from tracker.config import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """One application's surroundings.

    now   gives the present instant
    door  where the beacons come in
    """

    engine: Engine
    settings: Settings
    now: Callable[[], datetime]
    door: Door


def here() -> Context:
    """The context of the application that serves this request."""
    found = current_app.extensions["minamoto"]
    assert isinstance(found, Context)
    return found
