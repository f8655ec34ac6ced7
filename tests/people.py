"""People who are logged in, for tests of the pages: their passwords are hashed as cheaply as argon2id can be."""

import re
from functools import lru_cache
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert
from werkzeug.test import TestResponse

from tests.world import CHEAP, PASSWORD, START, World
from tracker.db.schema import users
from tracker.db.store import begin
from tracker.vocabulary import Role

# Put on a module of page tests (`pytestmark = SQLITE_ONLY`): what pages read is tried on PostgreSQL below them. Of each
# page the test that asks the store for most runs on both.
SQLITE_ONLY = pytest.mark.stores("sqlite")
ON_BOTH = pytest.mark.stores("sqlite", "postgresql")


@lru_cache(maxsize=8)
def cheap_hash(password: str) -> str:
    """A hash that is checked in no time."""
    return CHEAP.hash(password)


def add_cheap_user(
    world: World, email: str, role: Role | None = Role.OWNER, language: str = "en", password: str = PASSWORD
) -> int:
    """A user with a role on every site (None: on none); gives their number."""
    row: dict[str, Any] = {
        "email": email,
        "password_hash": cheap_hash(password),
        "role": role.value if role else None,
        "language": language,
        "created_at": START,
    }
    with begin(world.store) as tx:
        return int(tx.execute(insert(users).returning(users.c.user_id), row).scalar_one())


def browser_of(
    world: World, role: Role | None = Role.OWNER, email: str = "", language: str = "en", site: str = "acmekey"
) -> FlaskClient:
    """The browser of somebody who is logged in and looks at a site."""
    user_id = add_cheap_user(world, email or f"{role.value if role else 'nobody'}@acme.example", role, language)
    browser = world.app.test_client()
    with browser.session_transaction() as session:
        session["user_id"], session["language"], session["site"] = user_id, language, site
    return browser


def send(browser: FlaskClient, path: str, form: dict[str, Any], **more: Any) -> TestResponse:
    """Post a form with the token that the browser's pages bear."""
    page = browser.get("/login").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    return browser.post(path, data={"csrf_token": token[1], **form}, **more)
