"""How large the store is, as the database itself counts it: nothing here reads a table from end to end."""

from sqlalchemy import func, select, text

from tracker.db.schema import hits
from tracker.db.store import Tx


def journal_of(tx: Tx, n_pruned: int) -> tuple[int, int]:
    """How many hits were taken since the beginning, and how many are in the journal.

    SQLite numbers hits in order and the newest is never pruned, so its number is the count, but for those that came
    twice and used one up. On PostgreSQL it is what its statistics say: since their last reset, and estimated.

    n_pruned  hits that have left the journal
    """
    if tx.dialect.name == "sqlite":
        n_taken = tx.execute(select(func.max(hits.c.seq))).scalar() or 0
        return n_taken, n_taken - n_pruned
    query = text("SELECT n_tup_ins, n_live_tup FROM pg_stat_user_tables WHERE relname = :name")
    row = tx.execute(query, {"name": hits.name}).one_or_none()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def store_bytes(tx: Tx) -> int:
    """Bytes of the whole database, free pages included."""
    if tx.dialect.name == "sqlite":
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(tx.exec_driver_sql("PRAGMA page_size").scalar_one())
    return int(tx.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
