"""The people or companies behind one figure of the Funnel report, the latest first; each once, but for what was
entered, which counts each coming."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select

from tracker.attribution.touches import DAY_MS, Bools, Ints
from tracker.clock import from_ms, parse_day, to_ms
from tracker.db.schema import companies, company_changes, contacts, links
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.errors import Invalid
from tracker.reports.columns import NOBODY
from tracker.reports.funnel import Asked, Facts, Scene
from tracker.reports.funnel_facts import facts_of
from tracker.reports.periods import month_end
from tracker.reports.rows import paged, parse_cursor
from tracker.vocabulary import Scope

# Figures that have rows.
METRICS = ("entered", "reached", "converted", "standing", "stuck", "ripe", "dropped", "named")
MOST_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Which:
    """Which figure: of a stage, of a source (None: of all together), of a month in the place of the period.

    stage     '' for all stages together: of those who are stuck or have dropped off, who are so in one alone
    to_stage  of the converted: the stage that they have reached
    """

    metric: str
    stage: str
    to_stage: str = ""
    month: str = ""
    value: str | None = None
    is_unattributed: bool = False

    @property
    def is_of_all(self) -> bool:
        """Whether it is over all stages."""
        return not self.stage and self.metric in {"stuck", "dropped"}


@dataclass(frozen=True, slots=True)
class Behind:
    """A person or a company behind a figure.

    key     the contact's id, or the company's domain
    at      when it happened: entered, reached, came into the stage that it stands in; converted: reached the later one
    days    converted: from stage to stage (None: both at one step); standing: in the stage; ripe: since it was reached
    of_stage  the stage that the figure is of; usual_days: what is usual in it, where that is asked
    stage   it stands in now, and since when; None: in none
    source  None where no touch explains it
    """

    key: str
    name: str | None
    email: str | None
    company: str | None
    company_domain: str | None
    at: datetime
    days: float | None
    of_stage: str | None
    usual_days: float | None
    stage: str | None
    since: datetime | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """One page. n_rows: on all pages; figure: what the report says, which counts browsers where that is asked."""

    rows: tuple[Behind, ...]
    n_rows: int
    figure: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """A row before it is named. code: of its source; place: of the figure's stage, None of a browser's person."""

    key: str
    at_ms: int
    lasted_ms: int | None
    code: int
    place: int | None


def people_behind(
    tx: Tx, asked: Asked, which: Which, now: datetime, cursor: str | None = None, limit: int = 50
) -> Rows:
    """The rows behind a figure; raises Invalid: an unknown metric, stage or month, a wrong cursor."""
    check(which, asked)
    facts = facts_of(tx, asked, with_browsers=which.metric == "named")
    return behind(tx, facts, Scene(facts, asked, now), which, cursor, limit)


def behind(tx: Tx, facts: Facts, scene: Scene, which: Which, cursor: str | None, limit: int) -> Rows:
    """The same of what was read already."""
    after, asked, names = parse_cursor(cursor), scene.asked, facts.line.names
    if which.metric == "named":
        found, figure = named_people(tx, asked, facts, which)
    else:
        places = range(len(names)) if which.is_of_all else [place_of(names, which.stage, "stage")]
        code = code_of(which, facts)
        found = [one for place in places for one in items_of(scene, which, place) if code is None or one.code == code]
        figure = len(found)
    page, following = paged([([one.at_ms, one.key], one) for one in found], after, limit)
    return Rows(named(tx, asked, scene, page), len(found), figure, following)


def place_of(names: Sequence[str], name: str, field: str) -> int:
    """The place of a stage; raises Invalid."""
    if name not in names:
        raise Invalid(f"{name[:40]!r} is no stage", field=field)
    return names.index(name)


def check(which: Which, asked: Asked) -> None:
    """Raise Invalid for a figure that there is not."""
    if which.metric not in METRICS or (which.metric == "named" and asked.scope is Scope.COMPANY):
        raise Invalid(f"nobody stands behind {which.metric[:40]!r}", field="metric")
    if which.month:
        parse_day(f"{which.month}-01", "month")


def code_of(which: Which, facts: Facts) -> int | None:
    """The code of the asked source; None: all together."""
    if which.is_unattributed:
        return NOBODY
    if which.value is None:
        return None
    return list(facts.values).index(which.value) if which.value in facts.values else len(facts.values)


def items_of(scene: Scene, which: Which, place: int) -> list[Item]:
    """All rows of a figure over all sources."""
    query = scene.asked.query
    days = query.from_day, query.to_day
    if which.month:
        first = f"{which.month}-01"
        days = first, month_end(datetime.fromisoformat(first).date()).isoformat()
    within = scene.in_period(*days)
    cohort, lasts = scene.cohort(place, within), scene.ways.lasts
    if which.metric == "entered":
        changes = scene.entries(place, within)
        return items(scene, place, scene.owners[changes], changes, None)
    if which.metric == "converted":
        end = place_of(scene.line.names, which.to_stage, "to")
        return converted(scene, cohort, place, end)
    masks: Mapping[str, tuple[Bools, Ints]] = {
        "reached": (cohort, scene.reached[place]),
        "standing": (scene.standing(place), lasts),
        "stuck": (scene.stuck(place), lasts),
        "ripe": (scene.ripe(place, cohort), scene.reached[place]),
        "dropped": (scene.dropped(place, cohort), scene.reached[place]),
    }
    mask, at = masks[which.metric]
    ways = np.flatnonzero(mask)
    changes = at[ways]
    lasted = None if which.metric == "reached" else scene.now_ms - scene.ways.at_ms[changes]
    return items(scene, place, ways, changes, lasted)


def converted(scene: Scene, cohort: Bools, first: int, second: int) -> list[Item]:
    """Who of a cohort has reached a later stage, and how long that took."""
    ways = np.flatnonzero(cohort & scene.has_reached(second))
    start, end = scene.reached[first][ways], scene.reached[second][ways]
    lasted = np.where(start == end, -1, scene.ways.at_ms[end] - scene.ways.at_ms[start])
    return items(scene, first, ways, end, lasted)


def items(scene: Scene, place: int, ways: Ints, changes: Ints, lasted: Ints | None) -> list[Item]:
    """Rows of these ways, each with a change and how long it took; a time below 0 is none."""
    at = scene.ways.at_ms[changes].tolist()
    codes = scene.codes[ways].tolist()
    times: list[int] = [-1] * len(at) if lasted is None else lasted.tolist()
    return [
        Item(scene.ways.ids[way], at[i], times[i] if times[i] >= 0 else None, codes[i], place)
        for i, way in enumerate(ways.tolist())
    ]


def named_people(tx: Tx, asked: Asked, facts: Facts, which: Which) -> tuple[list[Item], int]:
    """The people of the period's browsers, and how many browsers these are; dated by their becoming a lead."""
    browsers = facts.browsers
    assert browsers is not None
    numbers = (
        browsers.all_named if which.value is None else browsers.named.get(which.value, np.zeros(0, dtype=np.int64))
    )
    wanted = set(numbers.tolist())
    rows = tx.execute(
        select(links.c.visitor_no, contacts.c.contact_id, contacts.c.lead_at)
        .join(contacts, contacts.c.contact_id == links.c.contact_id)
        .where(contacts.c.site_id == asked.query.site_id)
    )
    leads = {row[1]: to_ms(row[2]) for row in rows if row[0] in wanted}
    codes = dict(zip(facts.ways.ids, facts.codes.tolist(), strict=True))
    return [Item(one, at_ms, None, codes.get(one, NOBODY), None) for one, at_ms in leads.items()], len(wanted)


# --- names ------------------------------------------------------------------------------------------------------------


def named(tx: Tx, asked: Asked, scene: Scene, page: list[Item]) -> tuple[Behind, ...]:
    """Rows with what is known of each."""
    keys = [one.key for one in page]
    known: Mapping[str, Mapping[Any, Any]]
    known = companies_told(tx, asked, keys) if asked.scope is Scope.COMPANY else contacts_told(tx, keys)
    empty: Mapping[str, Any] = {}
    return tuple(
        Behind(
            key=one.key,
            name=(found := known.get(one.key, empty)).get("name"),
            email=found.get("email"),
            company=found.get("company_name") or found.get("company_domain"),
            company_domain=found.get("company_domain"),
            at=from_ms(one.at_ms),
            days=None if one.lasted_ms is None else one.lasted_ms / DAY_MS,
            of_stage=None if one.place is None else scene.line.names[one.place],
            usual_days=usual_of(scene, one.place),
            stage=found.get("stage"),
            since=found.get("stage_at"),
            source=None if one.code == NOBODY else scene.values[one.code],
        )
        for one in page
    )


def usual_of(scene: Scene, place: int | None) -> float | None:
    """How many days nine in ten had been in a stage who moved on."""
    lasted = None if place is None else scene.usual[place].p90_ms
    return None if lasted is None else lasted / DAY_MS


def contacts_told(tx: Tx, ids: list[str]) -> dict[str, Mapping[Any, Any]]:
    """These contacts."""
    row = contacts.c
    found: dict[str, Mapping[Any, Any]] = {}
    columns = (row.contact_id, row.name, row.email, row.company_name, row.company_domain, row.stage, row.stage_at)
    for some in chunks(ids):
        for told in tx.execute(select(*columns).where(row.contact_id.in_(some))).mappings():
            found[told["contact_id"]] = told
    return found


def companies_told(tx: Tx, asked: Asked, domains: list[str]) -> dict[str, dict[Any, Any]]:
    """These companies: where each stands is its last change."""
    row, change, site_id = companies.c, company_changes.c, asked.query.site_id
    found: dict[str, dict[Any, Any]] = {}
    for some in chunks(domains):
        own = select(change.domain, change.stage, change.occurred_at.label("stage_at"))
        query = own.where(change.site_id == site_id, change.domain.in_(some)).order_by(change.domain, change.position)
        for told in tx.execute(query).mappings():
            found[told["domain"]] = dict(told)
        names = select(row.domain, row.name).where(row.site_id == site_id, row.domain.in_(some))
        for domain, name in tx.execute(names):
            found.setdefault(domain, {})["name"] = name
    return found
