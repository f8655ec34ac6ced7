"""Fits: what models learned from a site's paths, version after version. The last one is in force until the next.

Append only, and only when somebody asks for it: a deal's credit changes through its own path, or through a fit that was
announced. Learned from are the paths of won deals; and of people who bought nothing: with touches, on no deal that is
won or open, neither by name nor by their company, and silent for longer than the look-back (90 days where there is
none). Lost deals are among them, open ones are left out: nobody knows yet.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Select, and_, insert, or_, select, type_coerce

from tracker.attribution.fitting import Journeys, learn, read, written
from tracker.attribution.hazard import SILENCE_DAYS
from tracker.attribution.policies import policy_in_force
from tracker.attribution.policy import Policy, fields_of, namer
from tracker.attribution.terms import SCALE, Fit
from tracker.attribution.touches import ALWAYS_MS, DAY_MS, NEVER_MS, Ints, Paths
from tracker.clock import from_ms, local_day, to_ms
from tracker.db.schema import contacts, conversions, deal_contacts, deals, fits, links, paths, touchpoints
from tracker.db.store import Tx
from tracker.db.writes import lock_names
from tracker.vocabulary import ConversionKind, DealStatus

WON = ConversionKind.DEAL_WON.value
# Rows turned into columns at a time.
FETCH = 500


@dataclass(frozen=True, slots=True)
class Data:
    """What a fit was made of. Days are in the site's zone: of the first touch, and of the fit.

    n_paths  won deals with a touch that may earn (n_converted), and people who bought nothing; n_touches: of both
    """

    from_day: str
    to_day: str
    n_paths: int
    n_converted: int
    n_touches: int
    policy_version: int


@dataclass(frozen=True, slots=True)
class Version:
    """A fit, when it was made and of what.

    is_in_force  of a new one False: nothing could be learned, and what had been learned before stays
    """

    fit: Fit
    fitted_at: datetime
    data: Data
    is_in_force: bool

    @property
    def headline(self) -> str:
        """Which fit it is and what it was made of, in English."""
        data = self.data
        return (
            f"fit {self.fit.version}, {data.from_day} to {data.to_day}, {data.n_converted} won deals, "
            f"{data.n_paths - data.n_converted} people who bought nothing, {data.n_touches} touches"
            + ("" if self.is_in_force else "; nothing learned, so the fit before stays in force")
        )

    @property
    def lines(self) -> list[str]:
        """What was learned, the strongest channels first, and what was refused."""
        found = [f"markov, order {order}: {told(effects)}" for order, effects in self.fit.effects.items()]
        if known := self.fit.hazard:
            days = known.half_life_ms // DAY_MS
            found.append(f"hazard: baseline {known.baseline / SCALE:.3f}, half-life {days} d, {told(known.effects)}")
        return found + [f"{model} refused: {why}" for model, why in self.fit.refusals.items()]


def told(effects: Mapping[str, int]) -> str:
    """Effects by channel in words, the strongest first."""
    ordered = sorted(effects.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {effect / SCALE:.3f}" for name, effect in ordered)


def fit_in_force(tx: Tx, site_id: int) -> Fit | None:
    """What the models of a site have learned; None: nothing was ever fitted."""
    row = tx.execute(
        select(fits.c.version, fits.c.learned, fits.c.refusals)
        .where(fits.c.site_id == site_id)
        .order_by(fits.c.version.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else read(row.version, row.learned, row.refusals)


def fits_of(tx: Tx, site_id: int) -> list[Version]:
    """Every fit of a site, the newest first."""
    rows = tx.execute(select(fits).where(fits.c.site_id == site_id).order_by(fits.c.version.desc())).mappings().all()
    return [
        Version(
            read(row["version"], row["learned"], row["refusals"]),
            row["fitted_at"],
            Data(**{name: row[name] for name in Data.__slots__}),
            is_in_force=i == 0,
        )
        for i, row in enumerate(rows)
    ]


def refit(tx: Tx, site_id: int, timezone: str, now: datetime) -> Version:
    """Fit the models on a site's paths under its policy, and put the result in force.

    Where nothing at all can be learned and something was before, that stays: the version given is not stored.
    """
    lock_names(tx, [f"fit {site_id}"])
    policy_version, policy = policy_in_force(tx, site_id)
    journeys = journeys_of(tx, site_id, policy, now)
    learned = learn(journeys, policy)
    known = fit_in_force(tx, site_id)
    first_ms = int(journeys.paths.touched_ms.min(initial=to_ms(now)))
    data = Data(
        from_day=local_day(from_ms(first_ms), timezone),
        to_day=local_day(now, timezone),
        n_paths=learned.n_paths,
        n_converted=learned.n_converted,
        n_touches=learned.n_touches,
        policy_version=policy_version,
    )
    version = known.version + 1 if known else 1
    row = {"site_id": site_id, "version": version, "fitted_at": now, **asdict(data)}
    row |= {"learned": written(learned), "refusals": dict(learned.refusals)}
    stays = learned.is_nothing and known is not None and bool(known.effects or known.hazard)
    if not stays:
        tx.execute(insert(fits).values(**row))
    return Version(read(version, row["learned"], row["refusals"]), now, data, is_in_force=not stays)


# --- the paths ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Gathered:
    """Touches as they are read, column by column: whose (a number), when, in which scope, their words.

    hit_ids  what orders touches of one instant
    words    the different combinations of words, in the order in which they came
    """

    owners: "array[int]" = field(default_factory=lambda: array("q"))
    touched_ms: "array[int]" = field(default_factory=lambda: array("q"))
    scopes: "array[int]" = field(default_factory=lambda: array("q"))
    seen: "array[int]" = field(default_factory=lambda: array("q"))
    hit_ids: list[tuple[str, str]] = field(default_factory=list)
    words: dict[tuple[str, ...], int] = field(default_factory=dict)

    def add(self, owner: int, touched_ms: int, scope: int, order: tuple[str, str], words: Sequence[str]) -> None:
        """One touch."""
        self.owners.append(owner)
        self.touched_ms.append(touched_ms)
        self.scopes.append(scope)
        self.hit_ids.append(order)
        self.seen.append(self.words.setdefault(tuple(words), len(self.words)))

    def in_order(self) -> Ints:
        """The touches by owner, time and the sender's hit id."""
        owners, touched_ms = numbers(self.owners), numbers(self.touched_ms)
        order = np.lexsort((touched_ms, owners))
        same = (np.diff(owners[order]) == 0) & (np.diff(touched_ms[order]) == 0)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])).astype(np.int8)))
        for first, end in edges.reshape(-1, 2).tolist():
            tied = order[first : end + 1].tolist()
            order[first : end + 1] = sorted(tied, key=self.hit_ids.__getitem__)
        return np.asarray(order, dtype=np.int64)


def numbers(column: "array[int]") -> Ints:
    """A column of integers."""
    return np.frombuffer(column, dtype=np.int64) if len(column) else np.zeros(0, dtype=np.int64)


def journeys_of(tx: Tx, site_id: int, policy: Policy, now: datetime) -> Journeys:
    """The paths of a site's won deals, and those of the people who bought nothing."""
    gathered = Gathered()
    names = tuple(dict.fromkeys(("channel", *fields_of(policy.rules))))
    won = won_of(tx, site_id)
    add_won(tx, site_id, names, gathered, {one: i for i, one in enumerate(won)})
    n_people = add_lost(tx, site_id, names, gathered, len(won))
    order = gathered.in_order()
    owners, touched_ms = numbers(gathered.owners)[order], numbers(gathered.touched_ms)[order]
    offsets = np.searchsorted(owners, np.arange(len(won) + n_people + 1)).astype(np.int64)
    ends = [ms for ms, _ in won.values()]
    wins = [ALWAYS_MS if ms is None else ms for _, ms in won.values()]
    lasts = touched_ms[offsets[1 + len(won) :] - 1]
    channels, is_excluded, known = named(policy, names, gathered)
    seen = numbers(gathered.seen)[order]
    converted_ms = np.concatenate((np.array(ends, dtype=np.int64), lasts))
    never = np.full(len(converted_ms), NEVER_MS, dtype=np.int64)
    everyone = Paths(
        offsets,
        touched_ms,
        channels[seen],
        known,
        numbers(gathered.scopes)[order],
        is_excluded[seen],
        converted_ms,
        np.full(len(converted_ms), ALWAYS_MS, dtype=np.int64),
        never,
        never,
        never,
    )
    is_won = np.arange(len(converted_ms)) < len(won)
    is_silent = converted_ms < to_ms(now) - (policy.money_days or SILENCE_DAYS) * DAY_MS
    kept = is_won | is_silent
    return Journeys(
        paths_of_some(everyone, kept),
        np.array([*wins, *[ALWAYS_MS] * n_people], dtype=np.int64)[kept],
        np.where(is_won, converted_ms, to_ms(now))[kept],
        is_won[kept],
    )


def paths_of_some(every: Paths, kept: "np.ndarray[Any, np.dtype[np.bool_]]") -> Paths:
    """Some of the paths."""
    lengths = np.diff(every.offsets)
    of_touch = np.repeat(kept, lengths)
    return Paths(
        np.concatenate(([0], np.cumsum(lengths[kept]))).astype(np.int64),
        every.touched_ms[of_touch],
        every.channels[of_touch],
        every.names,
        every.scopes[of_touch],
        every.is_excluded[of_touch],
        every.converted_ms[kept],
        every.earliest_ms[kept],
        every.lead_ms[kept],
        every.deal_ms[kept],
        every.close_ms[kept],
    )


def named(
    policy: Policy, names: Sequence[str], gathered: Gathered
) -> tuple[Ints, "np.ndarray[Any, np.dtype[np.bool_]]", list[str]]:
    """Per combination of words: the number of its channel, and whether a rule excludes it; and the channels."""
    name = namer(policy.rules)
    given = [(words[0], name(dict(zip(names, words, strict=True)))) for words in gathered.words]
    places: dict[str, int] = {}
    codes = [places.setdefault(shipped if own is None else own, len(places)) for shipped, own in given]
    return (
        np.array(codes, dtype=np.int64),
        np.array([own is None for _, own in given], dtype=np.bool_),
        list(places),
    )


def won_of(tx: Tx, site_id: int) -> dict[str, tuple[int, int | None]]:
    """The conversions of won deals: when they were won, and the customer's last win before an upsell."""
    table = conversions.c
    query = select(
        table.conversion_id, type_coerce(table.occurred_at, BigInteger), type_coerce(table.last_win_at, BigInteger)
    ).where(table.site_id == site_id, table.kind == WON, table.n == 1)
    return {conversion_id: (won_ms, last_ms) for conversion_id, won_ms, last_ms in tx.execute(query)}


def add_won(tx: Tx, site_id: int, names: Sequence[str], gathered: Gathered, owners: Mapping[str, int]) -> None:
    """The touches of won deals."""
    table = paths.c
    query = select(
        table.conversion_id,
        table.position,
        type_coerce(table.touched_at, BigInteger),
        table.scope,
        *(table[name] for name in names),
    ).where(table.site_id == site_id, table.kind == WON)
    for conversion_id, position, touched_ms, scope, *words in rows_of(tx, query):
        if conversion_id in owners:
            gathered.add(owners[conversion_id], touched_ms, scope, (f"{position:09}", ""), words)


def add_lost(tx: Tx, site_id: int, names: Sequence[str], gathered: Gathered, first: int) -> int:
    """The touches of the people who bought nothing, numbered from `first` on; how many people."""
    busy = {contact_id for query in with_deals(site_id) for contact_id in tx.execute(query).scalars()}
    owners: dict[str, int] = {}
    for query in touches_of_people(site_id, names):
        for contact_id, touched_ms, hit_id, touchpoint_id, *words in rows_of(tx, query):
            if contact_id not in busy:
                owner = owners.setdefault(contact_id, first + len(owners))
                gathered.add(owner, touched_ms, 0, (hit_id, touchpoint_id), words)
    return len(owners)


def with_deals(site_id: int) -> list[Select[Any]]:
    """The people on a won or an open deal: by name, or of its company."""
    is_live = and_(deals.c.site_id == site_id, deals.c.status.in_([DealStatus.WON.value, DealStatus.OPEN.value]))
    return [
        select(deal_contacts.c.contact_id).join(deals).where(is_live),
        select(contacts.c.contact_id)
        .join(deals, deals.c.company_domain == contacts.c.company_domain)
        .where(is_live, contacts.c.site_id == site_id),
    ]


def touches_of_people(site_id: int, names: Sequence[str]) -> list[Select[Any]]:
    """(contact, when, hit, touch, its words): visits of their browsers while these were theirs, and their own."""
    table = touchpoints.c
    columns = (
        type_coerce(table.occurred_at, BigInteger),
        table.hit_id,
        table.touchpoint_id,
        *(table[name] for name in names),
    )
    return [
        select(links.c.contact_id, *columns)
        .join(touchpoints, table.visitor_no == links.c.visitor_no)
        .where(
            table.site_id == site_id,
            table.contact_id.is_(None),
            or_(links.c.from_at.is_(None), table.occurred_at >= links.c.from_at),
            or_(links.c.to_at.is_(None), table.occurred_at < links.c.to_at),
        ),
        select(table.contact_id, *columns).where(table.site_id == site_id, table.contact_id.is_not(None)),
    ]


def rows_of(tx: Tx, query: Select[Any]) -> Iterator[Any]:
    """The rows of a query, some at a time."""
    for some in tx.execute(query).partitions(FETCH):
        yield from some
