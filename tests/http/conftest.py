"""Fixtures for tests over HTTP, each on SQLite and on PostgreSQL: the known world, its application, its programs."""

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.world import Program, World


@pytest.fixture
def world(store: Engine) -> World:
    """Alice's and Carol's sites on an empty store, with a clock that the test moves."""
    return World(store)


@pytest.fixture
def app_on(world: World) -> Flask:
    """The application on that store."""
    return world.app


@pytest.fixture
def crm(world: World) -> Program:
    """Acme's CRM."""
    return world.program(world.token)


@pytest.fixture
def carol(world: World) -> Program:
    """The CRM of the other site."""
    return world.program(world.carols_token)
