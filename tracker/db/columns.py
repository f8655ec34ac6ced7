"""The kinds of columns that tables are made of: instants, words, running numbers, the flat dimensions of an arrival."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Dialect, Integer, MetaData, Text, TypeDecorator

from tracker.clock import from_ms, to_ms
from tracker.vocabulary import FLAT

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware datetime in Python, integer milliseconds since 1970 in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_ms(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_ms(value)


# Sorted and grouped text: bytewise order in every engine (an ICU-collated PostgreSQL would sort `_x a B`).
Word = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite only numbers rows by itself for INTEGER.
Serial = BigInteger().with_variant(Integer(), "sqlite")


def one_of(column: str, words: type[Any]) -> CheckConstraint:
    """A CHECK that a column holds one of an enumeration's words."""
    listed = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def reach_columns() -> list[Column[Any]]:
    """What a contact's touches and deals come to (attribution/reach.py): lists of people find and sort by it alone."""
    return [
        Column("first_at", Instant),
        Column("first_channel", Word),
        Column("first_source", Word),
        Column("last_at", Instant),
        Column("last_channel", Word),
        Column("last_source", Word),
        Column("touch_channels", Text, nullable=False, default=""),  # of all touches, a line each
        Column("touch_sources", Text, nullable=False, default=""),
        Column("country", Word),
        Column("n_visits", Integer, nullable=False, default=0),
        Column("n_deals", Integer, nullable=False, default=0),
        Column("revenue_minor", BigInteger, nullable=False, default=0),  # in the site's currency
    ]


def arrival_columns() -> list[Column[Any]]:
    """The dimensions that facts carry flat; reports scan and group by them and never join."""
    return [Column(name, Word, nullable=False) for name in FLAT]
