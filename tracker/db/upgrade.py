"""Bring a database to today's tables, or say that it is not there yet."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from tracker.errors import Unready

MIGRATIONS = Path(__file__).parent / "migrations"


def config() -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS))
    return found


def head() -> str:
    """The newest revision this release knows."""
    return ScriptDirectory.from_config(config()).get_current_head() or ""


def revision(engine: Engine) -> str | None:
    """The revision a database stands at; None for an empty one."""
    with engine.connect() as connection:
        return revision_in(connection)


def revision_in(tx: Connection) -> str | None:
    """The revision that a transaction sees; read without Alembic, which would log each time."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    found: str | None = tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(engine: Engine, to: str = "head") -> None:
    """Run the missing migrations. Safe to run again."""
    with engine.connect() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, to)
        connection.commit()


def downgrade(engine: Engine, to: str) -> None:
    """Take migrations back."""
    with engine.connect() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        command.downgrade(settings, to)
        connection.commit()


def ensure(engine: Engine) -> None:
    """Make the tables of an empty database; raise Unready for one that is behind or not ours."""
    stands = revision(engine)
    if stands is None:
        if set(inspect(engine).get_table_names()) - {"alembic_version"}:
            raise Unready("this database holds other tables; give Minamoto one of its own")
        upgrade(engine)
    elif stands != head():
        raise Unready(f"the database is at revision {stands}, this release needs {head()}: run `minamoto db upgrade`")
