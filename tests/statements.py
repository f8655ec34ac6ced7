"""The statements that a store gets, counted: a page that asks once for each of its rows is found with a few of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event


@contextmanager
def counted(store: Engine) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    heard: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        heard.append(statement)

    event.listen(store, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(store, "before_cursor_execute", hear)
