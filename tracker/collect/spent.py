"""Tokens of links between domains that were used: each lets one page keep the visitor's id, and no second one."""

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete, func, select

from tracker.clock import to_ms
from tracker.collect.crossing import LEEWAY, LIFE
from tracker.db.schema import spent_links
from tracker.db.store import Tx
from tracker.db.writes import insert_new

KEPT = LIFE + LEEWAY + timedelta(hours=1)  # beyond any doubt longer than a token opens


def spend(tx: Tx, token: str, now: datetime) -> bool:
    """Use a token that has been opened; False if it was used before. Of two at the same time one waits."""
    row = (sha256(token.encode()).hexdigest(), to_ms(now))
    return bool(insert_new(tx, spent_links, ("token_hash", "spent_at"), [row]))


def n_old(tx: Tx, now: datetime) -> int:
    """How many used tokens do not open any more anyway."""
    query = select(func.count()).select_from(spent_links).where(spent_links.c.spent_at < now - KEPT)
    return tx.execute(query).scalar_one()


def forget_old(tx: Tx, now: datetime) -> int:
    """Delete the used tokens that do not open any more anyway; returns how many."""
    return tx.execute(delete(spent_links).where(spent_links.c.spent_at < now - KEPT)).rowcount
