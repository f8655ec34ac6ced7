"""Which language a page speaks, English or Japanese: what the reader chose (?lang=), else what the browser asks for."""

from flask import Flask, request, session
from flask_babel import Babel

from tracker.access.users import LANGUAGES


def chosen() -> str:
    """'en' or 'ja' for this request."""
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        session["language"] = asked
        return asked
    kept = session.get("language")
    if kept in LANGUAGES:
        return str(kept)
    return request.accept_languages.best_match(LANGUAGES) or "en"


def register(app: Flask) -> None:
    """Set up gettext; translations live in api/translations."""
    Babel(app, locale_selector=chosen)
