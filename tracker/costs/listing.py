"""A site's costs as people look through them: rows, or sums by day, source or campaign, with totals by currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, null, select

from tracker.db.schema import costs
from tracker.db.store import Tx
from tracker.errors import Invalid, NotFound

ROW, DAY, SOURCE, CAMPAIGN = "row", "day", "source", "campaign"
# What the columns of each kind of list are told apart by; sums never mix currencies.
GROUPS: dict[str, tuple[str, ...]] = {
    DAY: ("day",),
    SOURCE: ("channel", "source", "medium"),
    CAMPAIGN: ("channel", "source", "medium", "campaign"),
}
VIEWS = (ROW, *GROUPS)
SORTS = ("day", "source", "campaign", "amount", "clicks", "impressions")
LONGEST = 255


@dataclass(frozen=True, slots=True)
class CostsAsked:
    """Which costs of a site, and in what order.

    view      VIEWS; sort one of SORTS; days are YYYY-MM-DD
    search    what the campaign's name has in it, without regard to case; the others are exact
    """

    from_day: str
    to_day: str
    view: str = ROW
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    currency: str | None = None
    search: str | None = None
    sort: str = "day"
    is_rising: bool = False


@dataclass(frozen=True, slots=True)
class CostLine:
    """A cost, or the sum of several of one currency; None where they differ.

    cost_id, told_*, import_id  of a single cost
    """

    cost_id: str | None
    day: str | None
    channel: str | None
    source: str | None
    medium: str | None
    campaign: str | None
    told_source: str | None
    told_medium: str | None
    told_campaign: str | None
    import_id: str | None
    currency: str
    amount_minor: int
    clicks: int | None
    impressions: int | None
    n_costs: int


@dataclass(frozen=True, slots=True)
class Spent:
    """The sum of costs in one currency."""

    currency: str
    amount_minor: int
    clicks: int | None
    impressions: int | None
    n_costs: int


WORDS = ("cost_id", "day", "channel", "source", "medium", "campaign")
TOLD = ("told_source", "told_medium", "told_campaign", "import_id")


def read_asked(from_day: str, to_day: str, *, view: str, sort: str, is_rising: bool, **words: str | None) -> CostsAsked:
    """What a page asks for, checked; raises Invalid."""
    if view not in VIEWS:
        raise Invalid(f"unknown view {view[:40]!r}", field="view")
    if sort not in SORTS:
        raise Invalid(f"unknown sort {sort[:40]!r}", field="sort")
    if any(word is not None and (len(word) > LONGEST or "\x00" in word) for word in words.values()):
        raise Invalid("is too long")
    kept = {name: word or None for name, word in words.items()}
    return CostsAsked(from_day, to_day, view, sort=sort, is_rising=is_rising, **kept)


def which(site_id: int, asked: CostsAsked) -> list[ColumnElement[bool]]:
    """The conditions on a cost."""
    found = [costs.c.site_id == site_id, costs.c.day >= asked.from_day, costs.c.day <= asked.to_day]
    for name in ("source", "medium", "campaign", "currency"):
        word = getattr(asked, name)
        if word is not None:
            found.append(costs.c[name] == word)
    if asked.search:
        found.append(func.lower(costs.c.campaign).contains(asked.search.lower(), autoescape=True))
    return found


def spent(tx: Tx, site_id: int, asked: CostsAsked) -> list[Spent]:
    """The sums of all these costs by currency, the one of most costs first."""
    query = (
        select(
            costs.c.currency,
            func.sum(costs.c.amount_minor),
            func.sum(costs.c.clicks),
            func.sum(costs.c.impressions),
            func.count(),
        )
        .where(*which(site_id, asked))
        .group_by(costs.c.currency)
        .order_by(func.count().desc(), costs.c.currency)
    )
    return [Spent(row[0], int(row[1]), whole(row[2]), whole(row[3]), row[4]) for row in tx.execute(query)]


def cost_lines(tx: Tx, site_id: int, asked: CostsAsked, offset: int, limit: int) -> list[CostLine]:
    """A page of the list, in its order; what is equal in that stands by names and currency."""
    grouped = GROUPS.get(asked.view)
    query = rows_of(asked) if grouped is None else sums_by(grouped)
    query = query.where(*which(site_id, asked)).order_by(*order_of(asked, grouped)).offset(offset).limit(limit)
    return [line_of(row) for row in tx.execute(query)]


def rows_of(asked: CostsAsked) -> Select[Any]:
    """Single costs."""
    return select(
        *(costs.c[name] for name in (*WORDS, *TOLD, "currency", "amount_minor", "clicks", "impressions")),
        literal(1).label("n_costs"),
    )


def sums_by(grouped: Sequence[str]) -> Select[Any]:
    """Sums by these columns and currency."""
    return select(
        *((costs.c[name] if name in grouped else null()).label(name) for name in (*WORDS, *TOLD)),
        costs.c.currency,
        func.sum(costs.c.amount_minor).label("amount_minor"),
        func.sum(costs.c.clicks).label("clicks"),
        func.sum(costs.c.impressions).label("impressions"),
        func.count().label("n_costs"),
    ).group_by(*(costs.c[name] for name in grouped), costs.c.currency)


def order_of(asked: CostsAsked, grouped: Sequence[str] | None) -> list[ColumnElement[Any]]:
    """What the list is sorted by."""
    known = ("day", "source", "medium", "campaign", "cost_id") if grouped is None else grouped
    first: ColumnElement[Any]
    if asked.sort in ("amount", "clicks", "impressions"):
        of = costs.c["amount_minor" if asked.sort == "amount" else asked.sort]
        first = func.coalesce(of if grouped is None else func.sum(of), -1)
    else:
        first = costs.c[asked.sort if asked.sort in known else known[0]]
    rest = [costs.c[name] for name in known]
    return [first.asc() if asked.is_rising else first.desc(), *rest, costs.c.currency]


def line_of(row: Any) -> CostLine:
    """A row of either query."""
    known = dict(row._mapping)
    counts = {name: whole(known[name]) for name in ("clicks", "impressions")}
    return CostLine(**{**known, **counts, "amount_minor": int(known["amount_minor"])})


def whole(number: Any) -> int | None:
    """A sum as the databases give it."""
    return None if number is None else int(number)


def cost_of(tx: Tx, site_id: int, cost_id: str) -> CostLine:
    """One cost by its id; raises NotFound."""
    asked = CostsAsked("", "9999-12-31")
    query = rows_of(asked).where(costs.c.site_id == site_id, costs.c.cost_id == cost_id)
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound("there is no such cost")
    return line_of(row)


def first_day(tx: Tx, site_id: int) -> str | None:
    """The day of a site's first cost."""
    return tx.execute(select(func.min(costs.c.day)).where(costs.c.site_id == site_id)).scalar()


def sources_of(tx: Tx, site_id: int, from_day: str, to_day: str) -> list[str]:
    """The sources that have costs in a period."""
    period = (costs.c.site_id == site_id, costs.c.day >= from_day, costs.c.day <= to_day)
    return list(
        tx.execute(select(costs.c.source).where(*period).distinct().order_by(costs.c.source).limit(200)).scalars()
    )
