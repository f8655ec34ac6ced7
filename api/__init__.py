"""The edge: everything that knows HTTP. Three audiences, three kinds of trust: websites, a CRM, people.

create_app puts the rooms together; nothing in tracker/ imports Flask.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from apiflask import APIFlask
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import Engine

from api import compiled, errors, headers, health, languages, mail, pages, trust, v1, website
from api.context import Context
from api.door import Door
from api.proxies import BehindProxies
from tracker import __version__, clock
from tracker.access.users import STRONG
from tracker.config import Settings
from tracker.db.store import connect
from tracker.db.upgrade import ensure
from tracker.reports.keeping import keep_paths
from tracker.secret import secret_key


def static_folder() -> Path:
    """Where static/ is: beside the package in a checkout, inside it in an installed wheel."""
    packed = Path(__file__).parent.parent / "tracker" / "static"
    return packed if packed.is_dir() else Path(__file__).parent.parent / "static"


def create_app(
    settings: Settings,
    *,
    engine: Engine | None = None,
    now: Callable[[], datetime] = clock.now,
    hasher: PasswordHasher = STRONG,
) -> Flask:
    """The web application of one installation.

    engine  an open store; opened from the settings (and made, if it is empty) when not given
    now     the clock
    hasher  what hashes passwords
    """
    if engine is None:
        engine = connect(settings.database_url, synchronous=settings.sqlite_synchronous)
        ensure(engine)
    keep_paths(engine, settings.paths_mb)
    app = APIFlask(
        "api",
        title="Minamoto API",
        version=__version__,
        spec_path="/api/openapi.json",
        docs_path=None,
        static_folder=str(static_folder()),
        static_url_path="/static",
    )
    door = Door(engine, settings, now)
    app.extensions["minamoto"] = Context(engine, settings, now, door, hasher)
    app.config.update(
        SECRET_KEY=secret_key(settings),
        SESSION_COOKIE_NAME="minamoto",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        PERMANENT_SESSION_LIFETIME=14 * 24 * 3600,
        MAX_CONTENT_LENGTH=8 * 1024 * 1024,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        OPENAPI_VERSION="3.1.0",
        VALIDATION_ERROR_STATUS_CODE=422,
    )
    app.wsgi_app = BehindProxies(app.wsgi_app, door.trusted)  # type: ignore[method-assign]
    for room in (compiled, errors, headers, languages, trust, health, website, v1, mail, pages):
        room.register(app)
    if settings.demo:
        from api.demo import register as register_demo

        register_demo(app)
    return app
