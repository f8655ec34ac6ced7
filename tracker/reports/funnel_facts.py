"""What the Funnel report reads, and the question it is asked. Writes nothing.

The ways are one scan of the changes, the sources one of the touches; nothing is asked per person.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import BigInteger, Text, cast, func, select, type_coerce

from tracker.access.sites import Site
from tracker.attribution.touches import Bools, Ints
from tracker.db.schema import companies, company_changes, contacts, links, stage_changes, touchpoints
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.lifecycle.settled import stages_of
from tracker.reports.asking import POLICY, ask
from tracker.reports.columns import NOBODY
from tracker.reports.engines.sql import FETCH, together, visitor_numbers, visits_of
from tracker.reports.funnel import Asked, Browsers, Facts, Report, Scene, Touch, report_of
from tracker.reports.funnel_sources import Sources, oldest_contacts, sources_of
from tracker.reports.funnel_ways import Changes, Line, Ways, ways_of
from tracker.reports.keeping import engine_of
from tracker.reports.query import Asked as Given
from tracker.reports.query import Query, given_in, period_before
from tracker.reports.scans import Scope as Span
from tracker.reports.where import FILTERS
from tracker.vocabulary import Basis, Scope, Stage

Word = TypeVar("Word", bound=StrEnum)
OWN = ("scope", "touch", "from_stage", "to_stage")
# What the report takes of what every report is asked.
SHARED = ("from", "to", "by", "compare", POLICY, *FILTERS)
PARAMETERS = (*SHARED, *OWN)


def ask_funnel(tx: Tx, args: Given, site: Site, today: str | None = None) -> Asked:
    """A question from a request's parameters (PARAMETERS); raises Invalid, NotFound for an unknown policy.

    today  the site's day now, where the period may be left out
    """
    given = given_in(args, PARAMETERS)
    query = ask(tx, {name: value for name, value in args.items() if name in SHARED}, site, today)
    if len(query.by) != 1:
        raise Invalid("the stages go by one dimension", field="by")
    line = line_of(tx, site.site_id)
    steps = [line.names[place] for place in line.on_line]
    start = step_of(given.get("from_stage", Stage.LEAD.value), steps, "from_stage")
    if start == steps[-1]:
        raise Invalid(f"{start!r} is the last stage; nothing comes after it", field="from_stage")
    later = steps[steps.index(start) + 1 :]
    usual = Stage.CUSTOMER.value if Stage.CUSTOMER in later else later[0]
    end = step_of(given.get("to_stage", usual), steps, "to_stage")
    if end not in later:
        raise Invalid(f"{end!r} does not come after {start!r}", field="to_stage")
    return Asked(query, word_of(Scope, given, "scope"), word_of(Touch, given, "touch"), start, end)


def step_of(name: str, steps: list[str], field: str) -> str:
    """A stage of the line; raises Invalid."""
    if name not in steps:
        raise Invalid(f"{name[:40]!r} is no step of the funnel; use {', '.join(steps)}", field=field)
    return name


def word_of(words: type[Word], given: Mapping[str, str], name: str) -> Word:
    """A word that is given, the first one where none is; raises Invalid."""
    text = given.get(name, next(iter(words)).value)
    if text not in {one.value for one in words}:
        raise Invalid(f"{text[:40]!r} is no {name}; use {', '.join(one.value for one in words)}", field=name)
    return words(text)


def line_of(tx: Tx, site_id: int) -> Line:
    """The stages of a site."""
    return Line(stages_of(tx, site_id).names)


def funnel_report(tx: Tx, asked: Asked, now: datetime) -> Report:
    """The Funnel report of a question."""
    facts = facts_of(tx, asked)
    return report_of(facts, Scene(facts, asked, now), days_before(asked.query))


def days_before(query: Query) -> tuple[str, str] | None:
    """The period that stands beside the asked one."""
    if query.against is None:
        return None
    return period_before(query.from_day, query.to_day, query.against)


def facts_of(tx: Tx, asked: Asked, *, with_browsers: bool = True) -> Facts:
    """All that the report is made of; rows of people need no browsers, unless they are asked of."""
    query, line = asked.query, line_of(tx, asked.query.site_id)
    ways = ways_of(read_changes(tx, query.site_id, asked.scope), line)
    sources = sources_of(tx, query, asked.touch)
    whose = ways.ids
    if asked.scope is Scope.COMPANY:
        oldest = oldest_contacts(tx, query.site_id)
        whose = [oldest.get(domain, "") for domain in ways.ids]
    before, has_browsers = days_before(query), with_browsers and asked.scope is Scope.CONTACT
    return Facts(
        line,
        ways,
        sources.values,
        np.array([sources.codes.get(one, NOBODY) for one in whose], dtype=np.int64),
        taken(sources, whose),
        browsers_of(tx, query, ways, query.from_day, query.to_day) if has_browsers else None,
        browsers_of(tx, query, ways, *before) if has_browsers and before else None,
        count_all(tx, query.site_id, asked.scope),
    )


def taken(sources: Sources, whose: Sequence[str]) -> Bools | None:
    """Per way whether its source meets the filters."""
    if sources.taken is None:
        return None
    return np.array([one in sources.taken for one in whose], dtype=np.bool_)


def read_changes(tx: Tx, site_id: int, scope: Scope) -> Changes:
    """All changes of a site's people or companies.

    The site is added to nothing, so that the table is read as it lies, and not row by row by an index of its days.
    """
    table = (company_changes if scope is Scope.COMPANY else stage_changes).c
    whose = table.domain if scope is Scope.COMPANY else table.contact_id
    query = select(whose, table.position, table.stage, type_coerce(table.occurred_at, BigInteger), table.day).where(
        table.site_id + 0 == site_id
    )
    found: list[list[Any]] = [[], [], [], [], []]
    for some in tx.execute(query).partitions(FETCH):
        for column, cells in zip(found, zip(*some, strict=True), strict=True):
            column.extend(cells)
    return Changes(*found)


def count_all(tx: Tx, site_id: int, scope: Scope) -> int:
    """How many people (companies) a site knows."""
    if scope is Scope.COMPANY:
        domains = (
            select(contacts.c.company_domain)
            .where(contacts.c.site_id == site_id, contacts.c.company_domain.is_not(None))
            .union(select(companies.c.domain).where(companies.c.site_id == site_id))
            .subquery()
        )
        return int(tx.execute(select(func.count()).select_from(domains)).scalar_one())
    query = select(func.count()).select_from(contacts).where(contacts.c.site_id == site_id)
    return int(tx.execute(query).scalar_one())


# --- browsers -------------------------------------------------------------------------------------------------------


def browsers_of(tx: Tx, query: Query, ways: Ways, from_day: str, to_day: str) -> Browsers:
    """The browsers of a period; how many there are is what the Source report says, whatever the way of counting."""
    span = Span(query.site_id, Basis.ACTIVITY, from_day, to_day, query.by, rules=query.policy.rules, where=query.where)
    counts = engine_of(tx).visits(span)
    owned, owners = owners_of(tx, query.site_id, ways)
    return Browsers(
        counts.n_visitors,
        {row.values[0]: row.n_visitors for row in counts.rows},
        named_in(tx, span),
        owned,
        owners,
    )


def named_in(tx: Tx, span: Span) -> dict[str, Ints]:
    """By source the browsers of a period that belong to somebody by now; one may stand there several times."""
    _, query = visits_of(span)
    words = [touchpoints.c[name] for name in span.grouped]
    rows = tx.execute(
        query.add_columns(*words, func.aggregate_strings(cast(touchpoints.c.visitor_no, Text), ","))
        .where(touchpoints.c.visitor_no.in_(select(links.c.visitor_no)))
        .group_by(*words)
    ).all()
    named = span.naming()
    found: dict[str, list[Ints]] = {}
    for *told, numbers in rows:
        found.setdefault(named(told)[0], []).append(visitor_numbers(numbers))
    return {value: together(parts) for value, parts in found.items()}


def owners_of(tx: Tx, site_id: int, ways: Ways) -> tuple[Ints, Ints]:
    """Per browser and person whose it is or was: its number, and the place of the person's way, NOBODY without one."""
    rows = tx.execute(
        select(links.c.visitor_no, links.c.contact_id)
        .join(contacts, contacts.c.contact_id == links.c.contact_id)
        .where(contacts.c.site_id == site_id)
    ).all()
    places = {contact_id: place for place, contact_id in enumerate(ways.ids)}
    return (
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([places.get(row[1], NOBODY) for row in rows], dtype=np.int64),
    )
