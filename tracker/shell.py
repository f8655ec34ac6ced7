"""What every command shares: its example, its errors in one line, the store, one writing transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any

import click
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from tracker import clock
from tracker.config import Settings, settings
from tracker.db.store import Tx, begin, connect
from tracker.db.upgrade import ensure
from tracker.errors import MinamotoError


def example(*lines: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Show these commands at the end of a command's help, and print errors of ours as one line."""

    def mark(command: Callable[..., Any]) -> Callable[..., Any]:
        shown = "\n".join(f"  {line}" for line in lines)
        command.__doc__ = f"{command.__doc__}\n\n\b\nExample:\n{shown}\n"

        @wraps(command)
        def told(*args: Any, **kwargs: Any) -> Any:
            try:
                return command(*args, **kwargs)
            except MinamotoError as error:
                where = f"{error.field}: " if error.field else ""
                raise click.ClickException(f"{where}{error.message}") from error
            except OperationalError as error:
                raise click.ClickException(f"the database does not answer: {error.orig}") from error

        return told

    return mark


def store(own: Settings | None = None) -> Engine:
    """The installation's database, made if it is empty."""
    own = own or settings()
    engine = connect(own.database_url, synchronous=own.sqlite_synchronous)
    ensure(engine)
    return engine


@contextmanager
def writing() -> Iterator[tuple[Tx, datetime]]:
    """One writing transaction, and the instant of the command."""
    with begin(store()) as tx:
        yield tx, clock.now()
