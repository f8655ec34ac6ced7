"""Load costs: the same site, day, source, medium and campaign is replaced, never added twice.

A cost keeps the names under which it was told, which are its key; the names that reports show follow from them by the
site's rules (naming.py), so that several told names can be one.
What an import replaces is kept under it (replaced_costs), so that the import can be taken back. What a program or a
user tells cannot be, so nothing is kept under that.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, literal, select, update

from tracker.channels.rules import canonical_names, classify_names
from tracker.clock import to_ms
from tracker.costs.naming import CostRule, Naming
from tracker.costs.rows import Cost
from tracker.db.schema import cost_rules, costs, replaced_costs
from tracker.db.store import Tx
from tracker.db.writes import among, chunks, drop, lock_names, put
from tracker.errors import Invalid
from tracker.ids import derive

AT_ONCE = 5_000


def cost_id_of(site_id: int, day: str, source: str, medium: str, campaign: str) -> str:
    """The id of a cost, by its key: the names under which it was told."""
    return derive("cost", site_id, day, source, medium, campaign)


def load(tx: Tx, site_id: int, rows: Sequence[Cost], now: datetime, import_id: str | None = None) -> int:
    """Put these costs in the place of what was known for their keys; returns how many they are.

    Sources and media get the names that visits have ('FB' and 'facebook' are one source).
    import_id  the file that they are from
    raises     Invalid: two rows are of one day, source, medium and campaign; nothing is written
    """
    by_key: dict[str, Cost] = {}
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for n, given in enumerate(rows):
        pair = (given.source, given.medium)
        if pair not in known:
            known[pair] = canonical_names(*pair)
        source, medium = known[pair]
        row = given if known[pair] == pair else replace(given, source=source, medium=medium)
        cost_id = cost_id_of(site_id, row.day, source, medium, row.campaign)
        if cost_id in by_key:
            same = f"{row.day}, {source}, {medium}, {row.campaign}"
            raise Invalid(f"two rows are of {same}; send their sum", field=f"costs.{n}")
        by_key[cost_id] = row
    hold(tx, site_id)
    cost_ids = sorted(by_key)
    if import_id is None:
        drop(tx, replaced_costs.c.cost_id, cost_ids)
    else:
        keep_replaced(tx, import_id, cost_ids)
    naming = Naming(rules_of(tx, site_id))
    called: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for some in chunks(cost_ids, AT_ONCE):
        put(tx, costs, KEPT, [as_kept(site_id, one, by_key[one], naming, called, now, import_id) for one in some])
    return len(by_key)


# The columns of a cost, in the order of as_kept.
KEPT = (
    *("cost_id", "site_id", "day", "told_source", "told_medium", "told_campaign"),
    *("channel", "source", "medium", "campaign"),
    *("amount_minor", "currency", "clicks", "impressions", "updated_at", "import_id"),
)
NAMES = KEPT[6:10]


def as_kept(
    site_id: int,
    cost_id: str,
    row: Cost,
    naming: Naming,
    called: dict[tuple[str, str, str], tuple[str, ...]],
    now: datetime,
    import_id: str | None,
) -> tuple[Any, ...]:
    """A cost as the database keeps it.

    called  what told names are called, as far as it was found out; filled here
    """
    told = (row.source, row.medium, row.campaign)
    if told not in called:
        names = named(naming.name(told))
        called[told] = tuple(names[name] for name in NAMES)
    amounts = (row.amount_minor, row.currency, row.clicks, row.impressions)
    return (cost_id, site_id, row.day, *told, *called[told], *amounts, to_ms(now), import_id)


def named(names: tuple[str, str, str]) -> dict[str, str]:
    """The columns that follow from a cost's names."""
    source, medium, campaign = names
    channel = classify_names(source, medium, campaign)
    return {"channel": channel, "source": source, "medium": medium, "campaign": campaign}


def take_away(tx: Tx, site_id: int, cost_id: str) -> bool:
    """Take a cost away, and what imports had replaced in its place; returns whether there was one."""
    hold(tx, site_id)
    is_there = costs.c.site_id == site_id, costs.c.cost_id == cost_id
    if not tx.execute(delete(costs).where(*is_there)).rowcount:
        return False
    drop(tx, replaced_costs.c.cost_id, [cost_id])
    return True


# --- what imports replaced ------------------------------------------------------------------------------------------

# What a cost and one that it replaced do not share: the names are one and the same.
AMOUNTS = ("amount_minor", "currency", "clicks", "impressions", "updated_at")


def keep_replaced(tx: Tx, import_id: str, cost_ids: Sequence[str]) -> None:
    """Keep the costs as they stand whose place an import is about to take."""
    below = select(literal(import_id), *(costs.c[name] for name in ("cost_id", *AMOUNTS, "import_id")))
    names = ["import_id", "cost_id", *AMOUNTS, "under_id"]
    for some in chunks(cost_ids, AT_ONCE):
        tx.execute(insert(replaced_costs).from_select(names, below.where(among(tx, costs.c.cost_id, some))))


def give_back(tx: Tx, import_id: str) -> tuple[int, int]:
    """Take an import's costs away and put in their place what it replaced.

    What a later import put over them stays, and has then under it what this one had.
    returns  how many of its costs stood, and in the place of how many another stands now
    """
    own, over = replaced_costs.alias("own"), replaced_costs
    back: dict[str, Any] = {name: own.c[name] for name in AMOUNTS}
    is_standing = (costs.c.import_id == import_id, own.c.import_id == import_id, own.c.cost_id == costs.c.cost_id)
    n_back = tx.execute(update(costs).values(**back, import_id=own.c.under_id).where(*is_standing)).rowcount
    n_gone = tx.execute(delete(costs).where(costs.c.import_id == import_id)).rowcount
    is_under = (over.c.under_id == import_id, own.c.import_id == import_id, own.c.cost_id == over.c.cost_id)
    tx.execute(update(over).values(**back, under_id=own.c.under_id).where(*is_under))
    # Over what had nothing under it, nothing is left to give back.
    tx.execute(delete(over).where(over.c.under_id == import_id))
    tx.execute(delete(over).where(over.c.import_id == import_id))
    return n_back + n_gone, n_back


def hold(tx: Tx, site_id: int) -> None:
    """Let nobody else load a site's costs or change its rules until the transaction ends."""
    lock_names(tx, [f"{site_id} costs"])


# --- the rules ------------------------------------------------------------------------------------------------------


def rules_of(tx: Tx, site_id: int) -> tuple[CostRule, ...]:
    """A site's rules, in order."""
    columns = [cost_rules.c[name] for name in CostRule.__dataclass_fields__]
    rows = tx.execute(select(*columns).where(cost_rules.c.site_id == site_id).order_by(cost_rules.c.position))
    return tuple(CostRule(*row) for row in rows)


def save_rules(tx: Tx, site_id: int, rules: Sequence[CostRule], by: str, now: datetime) -> int:
    """Put these rules in the place of a site's, and name all its costs by them; returns how many changed their names.

    rules  as read_rules gave them
    """
    hold(tx, site_id)
    fields = tuple(CostRule.__dataclass_fields__)
    query = select(*(cost_rules.c[name] for name in (*fields, "saved_by", "saved_at")))
    known = {tuple(row[:-2]): tuple(row[-2:]) for row in tx.execute(query.where(cost_rules.c.site_id == site_id))}
    tx.execute(delete(cost_rules).where(cost_rules.c.site_id == site_id))
    fresh = []
    for position, rule in enumerate(rules):
        values = tuple(getattr(rule, name) for name in fields)
        saved_by, saved_at = known.get(values, (by, now))  # who wrote a rule that stays is not forgotten
        fresh.append(
            {
                **dict(zip(fields, values, strict=True)),
                "site_id": site_id,
                "position": position,
                "saved_by": saved_by,
                "saved_at": saved_at,
            }
        )
    if fresh:
        tx.execute(insert(cost_rules), fresh)
    return reclassify(tx, site_id)


def reclassify(tx: Tx, site_id: int) -> int:
    """Give every cost of a site the names and the channel that today's rules give; returns how many changed."""
    naming = Naming(rules_of(tx, site_id))
    columns = ("channel", "source", "medium", "campaign")
    query = select(
        costs.c.cost_id,
        costs.c.told_source,
        costs.c.told_medium,
        costs.c.told_campaign,
        *(costs.c[name] for name in columns),
    ).where(costs.c.site_id == site_id)
    changed: list[dict[str, Any]] = []
    today: dict[tuple[str, str, str], dict[str, str]] = {}
    for cost_id, *told, channel, source, medium, campaign in tx.execute(query):
        names = (told[0], told[1], told[2])
        if names not in today:
            today[names] = named(naming.name(names))
        if today[names] != dict(zip(columns, (channel, source, medium, campaign), strict=True)):
            changed.append({"its_id": cost_id, **{f"new_{name}": word for name, word in today[names].items()}})
    if changed:
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
        tx.execute(update(costs).where(costs.c.cost_id == bindparam("its_id")).values(**new), changed)
    return len(changed)
