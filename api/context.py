"""What a request may use: the store, the settings, the clock. Made once by create_app, found through `here()`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from flask import current_app
from sqlalchemy import Engine

from api.door import Door
from tracker.config import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """One application's surroundings.

    now     gives the present instant
    door    where the beacons come in
    hasher  what hashes passwords
    """

    engine: Engine
    settings: Settings
    now: Callable[[], datetime]
    door: Door
    hasher: PasswordHasher


def here() -> Context:
    """The context of the application that serves this request."""
    found = current_app.extensions["minamoto"]
    assert isinstance(found, Context)
    return found
