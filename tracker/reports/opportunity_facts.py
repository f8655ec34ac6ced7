"""What the Opportunity report reads, and the question it is asked. Writes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from tracker.access.sites import Site
from tracker.attribution.terms import DirectPolicy
from tracker.clock import parse_day
from tracker.db.schema import deal_contacts, deal_states
from tracker.db.store import Tx
from tracker.deals.pipelines import read_pipelines
from tracker.errors import Invalid
from tracker.reports.asking import POLICY, ask
from tracker.reports.engines.sql import FETCH
from tracker.reports.exchange import Exchange
from tracker.reports.globally import check_single
from tracker.reports.keeping import engine_of
from tracker.reports.kept_ways import ways_kept, words_on_deals
from tracker.reports.opportunity import Asked, Facts, Report, report_of
from tracker.reports.opportunity_credit import credited_of
from tracker.reports.opportunity_ways import OPEN, StateRow, ToldStage, Ways, ways_of
from tracker.reports.query import given_in
from tracker.reports.rows import deal_names
from tracker.reports.source import model_notes
from tracker.reports.table import Note
from tracker.vocabulary import NOT_SET

CREDITED_BY = ("by", "model", "currency", "direct", "lookback_days", "scope", POLICY)
PARAMETERS = ("as_of", "pipeline", "from", "to", *CREDITED_BY)
# By pipeline.
StagesTold = Mapping[str, Sequence[ToldStage]]
COLUMNS = tuple(deal_states.c[name] for name in StateRow._fields)


def ask_opportunities(tx: Tx, args: Mapping[str, str], site: Site, today: str) -> Asked:
    """A question from a request's parameters (PARAMETERS); raises Invalid, NotFound for an unknown policy.

    today  the site's day now: as_of where none is given. The period is the last 30 days up to as_of
    """
    given = given_in(args, PARAMETERS)
    as_of = parse_day(str(given.get("as_of", today)), "as_of")
    if as_of > today:
        raise Invalid(f"{as_of} is in the future; nobody knows how deals will stand", field="as_of")
    query = ask(tx, {name: value for name, value in given.items() if name not in ("as_of", "pipeline")}, site, as_of)
    if len(query.by) != 1:
        raise Invalid("the stages go by one dimension", field="by")
    if query.to_day > as_of:
        raise Invalid(f"the period ends on {query.to_day}, after the day that is asked for, {as_of}", field="to")
    check_single(query.model)
    pipeline = given.get("pipeline")
    return Asked(query, as_of, None if pipeline is None else "" if pipeline == NOT_SET else str(pipeline))


def opportunity_report(tx: Tx, asked: Asked, now: datetime) -> Report:
    """The Opportunity report of a question; kept while nothing is told of deals, stages or people on them."""
    site_id = asked.query.site_id
    told = stages_told(tx, site_id)
    question = asked.query.key, asked.as_of, asked.pipeline, repr(told), words_on_deals(tx, site_id)
    report = engine_of(tx).once(site_id, ("opportunities", *question), lambda: find_report(tx, asked, told, now))
    return replace(report, generated_at=now)


def find_report(tx: Tx, asked: Asked, told: StagesTold, now: datetime) -> Report:
    """The same, made of what the tables hold."""
    exchange = Exchange(asked.query.currency)
    report = report_of(facts_of(tx, asked, told), asked, exchange, lambda: list(notes_of(asked, exchange)), now)
    names = deal_names(tx, (one.deal_id for one in report.stuck))
    named = (replace(one, reference=names[one.deal_id][0], name=names[one.deal_id][1]) for one in report.stuck)
    return replace(report, stuck=tuple(named))


def facts_of(tx: Tx, asked: Asked, told: StagesTold) -> Facts:
    """All that the report is made of, as of its day; told: stages_told."""
    site_id = asked.query.site_id
    return Facts(
        read_ways(tx, site_id, asked.as_of),
        told,
        credited_of(engine_of(tx), asked.query),
        read_people(tx, site_id, asked.as_of),
    )


def stages_told(tx: Tx, site_id: int) -> StagesTold:
    """The stages of each pipeline that somebody told of."""
    return {
        name: [ToldStage(one.stage, one.label, one.probability_bp) for one in stages]
        for name, stages in read_pipelines(tx, site_id).items()
    }


def read_ways(tx: Tx, site_id: int, day: str) -> Ways:
    """The ways of a site's deals up to a day; kept while nothing is told of deals."""
    return ways_kept(tx, site_id, day, lambda: ways_in(tx, site_id, day))


def ways_in(tx: Tx, site_id: int, day: str) -> Ways:
    """The same from the tables."""
    table = deal_states.c
    rows = tx.execute(
        select(*COLUMNS).where(table.site_id == site_id, table.from_day <= day).order_by(table.deal_id, table.position)
    )
    found: list[StateRow] = []
    for some in rows.partitions(FETCH):
        found += map(StateRow._make, some)
    return ways_of(found, day)


def read_people(tx: Tx, site_id: int, day: str) -> dict[str, list[str]]:
    """By deal that stood open at the end of a day: the contacts that the CRM names on it."""
    table = deal_states.c
    wanted = (table.site_id == site_id, table.from_day <= day, table.status == OPEN)
    rows = tx.execute(
        select(deal_contacts.c.deal_id, deal_contacts.c.contact_id)
        .join(deal_states, table.deal_id == deal_contacts.c.deal_id)
        .where(*wanted, (table.to_day > day) | table.to_day.is_(None))
    )
    found: dict[str, list[str]] = {}
    for deal_id, contact_id in rows:
        found.setdefault(deal_id, []).append(contact_id)
    return found


def notes_of(asked: Asked, exchange: Exchange) -> Iterator[Note]:
    """What the model and the currencies ask to be said."""
    query = asked.query
    if query.terms.direct is DirectPolicy.LAST_RESORT:
        yield Note("direct_last_resort")
    yield from model_notes(query)
    if query.currency is None:
        yield Note("no_currency")
    elif exchange.unconverted:
        yield Note("unconverted", (("currencies", ", ".join(one.currency for one in exchange.unconverted)),))
    if exchange.has_late_rates:
        yield Note("late_rates", (("last_day", exchange.last_day),))
