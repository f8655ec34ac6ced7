"""The migrations end where schema.py stands, on both stores, can be taken back, and keep what is there."""

from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, inspect, text

from tracker.access.sites import add_site, all_sites
from tracker.db.schema import metadata
from tracker.db.store import begin, connect, reading
from tracker.db.upgrade import downgrade, ensure, head, revision, upgrade
from tracker.errors import Invalid, Unready


def test_the_migrations_make_the_tables_of_the_schema(store: Engine) -> None:
    with store.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert revision(store) == head()


def test_checks_and_collations_are_those_of_the_schema(store: Engine) -> None:
    inspector = inspect(store)
    for table in metadata.tables.values():
        checks = (constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint))
        expected = {check.name for check in checks}
        assert {check["name"] for check in inspector.get_check_constraints(table.name)} == expected, table.name


def test_upgrading_again_keeps_what_is_there(store: Engine) -> None:
    now = datetime(2026, 4, 1, tzinfo=UTC)
    with begin(store) as tx:
        site = add_site(tx, "Acme", ["www.acme.example"], now=now)
    upgrade(store)
    with reading(store) as tx:
        assert all_sites(tx) == [site]


def test_a_downgrade_takes_every_table_away(store: Engine) -> None:
    downgrade(store, "base")
    assert set(inspect(store).get_table_names()) == {"alembic_version"}
    ensure(store)
    assert revision(store) == head()


def test_another_programs_database_is_left_alone(store: Engine) -> None:
    downgrade(store, "base")
    with begin(store) as tx:
        tx.execute(text("CREATE TABLE theirs (x INTEGER)"))
    with pytest.raises(Unready):
        ensure(store)


def test_other_databases_are_refused() -> None:
    with pytest.raises(Invalid):
        connect("mysql://localhost/x")
    with pytest.raises(Invalid):
        connect("nonsense")
