"""Who ordered which report by mail, and which is sent: claimed in a transaction, so that two workers send one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, CursorResult, RowMapping, delete, or_, select, update

from tracker.access.roles import roles_of
from tracker.access.sites import Site, all_sites
from tracker.access.users import LANGUAGES, User, find_user
from tracker.db.schema import digests, users
from tracker.db.store import Tx
from tracker.db.writes import insert_once
from tracker.digests.due import Period, State, is_due, last_whole
from tracker.errors import Invalid
from tracker.vocabulary import Every


@dataclass(frozen=True, slots=True)
class Order:
    """One user's report of one site. error: of the last try, a kind of failure and no address; None after a success."""

    user_id: int
    site_id: int
    every: Every
    since_at: datetime
    sent_day: str | None = None
    given_up_day: str | None = None
    tried_at: datetime | None = None
    n_failed: int = 0
    error: str | None = None

    @property
    def state(self) -> State:
        """How far it is."""
        settled = max(self.sent_day or "", self.given_up_day or "") or None
        return State(self.since_at, settled, self.tried_at, self.n_failed)

    @property
    def is_given_up(self) -> bool:
        """Whether the last period was given up, because the address is refused for good."""
        return (self.given_up_day or "") > (self.sent_day or "")


@dataclass(frozen=True, slots=True)
class Claim:
    """A report that is this worker's to send."""

    order: Order
    user: User
    site: Site
    period: Period


def order_of(row: RowMapping) -> Order:
    """A row as a record."""
    return Order(**{**row, "every": Every(row["every"])})


def orders_of(tx: Tx, user_id: int, site_id: int) -> dict[Every, Order]:
    """What a user gets of a site."""
    query = select(digests).where(digests.c.user_id == user_id, digests.c.site_id == site_id)
    return {order.every: order for order in map(order_of, tx.execute(query).mappings())}


def set_orders(tx: Tx, user_id: int, site_id: int, wanted: Sequence[Every], now: datetime) -> None:
    """What a user gets of a site from now on; what they get already goes on as it was."""
    gone = [one.value for one in Every if one not in wanted]
    tx.execute(
        delete(digests).where(digests.c.user_id == user_id, digests.c.site_id == site_id, digests.c.every.in_(gone))
    )
    known = orders_of(tx, user_id, site_id)
    rows = [
        {"user_id": user_id, "site_id": site_id, "every": one.value, "since_at": now, "n_failed": 0}
        for one in wanted
        if one not in known
    ]
    if rows:
        insert_once(tx, digests, rows)


def set_language(tx: Tx, user_id: int, language: str) -> None:
    """In which language a user gets mail; raises Invalid."""
    if language not in LANGUAGES:
        raise Invalid(f"languages are {', '.join(LANGUAGES)}", field="language")
    tx.execute(update(users).where(users.c.user_id == user_id).values(language=language))


def due_orders(tx: Tx, now: datetime) -> list[Claim]:
    """The reports that are to be sent now; of users whose role on the site is gone none."""
    query = select(digests).order_by(digests.c.user_id, digests.c.site_id, digests.c.every)
    orders = [order_of(row) for row in tx.execute(query).mappings()]
    if not orders:
        return []
    by_id = {site.site_id: site for site in all_sites(tx)}
    found = []
    for order in orders:
        site = by_id[order.site_id]
        period = last_whole(order.every, now, site.timezone)
        if not is_due(period, order.state, now):
            continue
        user = find_user(tx, order.user_id)
        if user is not None and order.site_id in roles_of(tx, user, [site]):
            found.append(Claim(order, user, site, period))
    return found


def claim(tx: Tx, wanted: Claim, now: datetime) -> bool:
    """Take a report for sending, unless another worker has; it counts as failed until it is settled.

    So one whose worker dies in between is tried again after the pause of a failure.
    """
    order = wanted.order
    is_new = order.tried_at is None or order.tried_at < wanted.period.due_at
    unchanged = digests.c.tried_at.is_(None) if order.tried_at is None else digests.c.tried_at == order.tried_at
    unsettled = [
        or_(column.is_(None), column < wanted.period.to_day) for column in (digests.c.sent_day, digests.c.given_up_day)
    ]
    taken = tx.execute(
        update(digests)
        .where(*key_of(order), unchanged, *unsettled)
        .values(tried_at=now, n_failed=1 if is_new else order.n_failed + 1)
    )
    assert isinstance(taken, CursorResult)
    return taken.rowcount == 1


def settle_sent(tx: Tx, sent: Claim) -> None:
    """The mail server took it."""
    values = {"sent_day": sent.period.to_day, "n_failed": 0, "error": None}
    tx.execute(update(digests).where(*key_of(sent.order)).values(values))


def settle_failed(tx: Tx, failed: Claim, error: str, *, is_final: bool) -> None:
    """It did not go out. is_final: nor will it: the period is given up."""
    values = {"error": error[:200]} | ({"given_up_day": failed.period.to_day} if is_final else {})
    tx.execute(update(digests).where(*key_of(failed.order)).values(values))


def key_of(order: Order) -> tuple[ColumnElement[bool], ...]:
    """What names an order's row."""
    return (
        digests.c.user_id == order.user_id,
        digests.c.site_id == order.site_id,
        digests.c.every == order.every.value,
    )
