"""Why a deal (or a lead) is credited as it is: its path, its ledger, its milestones, and what each model makes of them.

Reads the stored path, names its channels by the site's policy and asks the plain models (verdicts.py); the sums are
those of the Source report, which shares all paths at once. Called by the API and by the deal's page; writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from tracker.attribution.attribute import colleagues, touches_of
from tracker.attribution.models import MODELS
from tracker.attribution.policy import RULE_FIELDS, ChannelRule, Policy, channel_by
from tracker.attribution.touches import ALWAYS_MS, SCOPES, Way
from tracker.attribution.touches import Touch as WayTouch
from tracker.clock import to_ms
from tracker.db.schema import contacts, conversions, deal_entries, deals, paths, touchpoints
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.errors import Invalid, NotFound
from tracker.rates import Rate, find_rate
from tracker.reports.exchange import Exchange
from tracker.reports.journey import Touch, touch_of
from tracker.reports.query import Query, SiteFacts
from tracker.reports.records import DealRecord, read_deal
from tracker.reports.verdicts import Booking, Judged, judged, refused
from tracker.vocabulary import ConversionKind, EntryKind, Model, PathScope

# Which of a deal's conversions is explained.
DEAL_KINDS = {"won": ConversionKind.DEAL_WON, "created": ConversionKind.DEAL_CREATED}
# A channel's name that no rule of a site can give.
MATCHED = "\x00"


@dataclass(frozen=True, slots=True)
class PersonOn:
    """Somebody whose touches are on the path.

    how        'own' (the lead itself), 'named' (by the CRM on the deal), 'company' (the deal names nobody: these are
               its company's people), 'colleague' (of the deal's company: counts only in the scope company)
    is_oldest  who became a lead first: of the scope contact
    """

    contact_id: str
    email: str | None
    name: str | None
    lead_at: datetime
    how: str
    is_oldest: bool


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A ledger entry with the rate that turned it into the report's currency.

    rate             None where none was needed (the currency is the report's), or where there is none
    converted_minor  in the report's currency; None where there is no rate: it is in no figure
    """

    position: int
    kind: EntryKind
    occurred_at: datetime
    day: str
    amount_minor: int
    currency: str
    rate: Rate | None
    converted_minor: int | None


@dataclass(frozen=True, slots=True)
class Milestone:
    """A moment that models may look at: 'lead', 'deal' or 'close'.

    on_way  whether it had come when the path led to its outcome; if not, no model sees it
    """

    name: str
    at: datetime
    on_way: bool


@dataclass(frozen=True, slots=True)
class SeenTouch:
    """A touch of the path.

    touch        as it is stored, under the shipped channel rules (its rule and rules_version say which)
    channel      as the site's policy names it; is_excluded: a rule of the policy takes it off every path
    own_rule     the number of the policy's rule that decided, from 1; None: the shipped rules' word stands
    contact_id   whose touch; None of a call by somebody who cannot be named
    """

    touch: Touch
    channel: str
    is_excluded: bool
    own_rule: int | None
    scope: PathScope
    contact_id: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One conversion explained.

    n            1, or 0 for a win that was taken back: it counts for nothing, and its ledger still needs its path
    deal         None of a lead; ledger: only of a deal's win
    currency     of all credited amounts; None while the site has none
    total_minor  what the ledger comes to in it: what each model shares out
    last_win_at  of an upsell and its like: where the path begins if the policy says so
    fit_version  None: nothing was ever fitted
    """

    conversion_id: str
    kind: ConversionKind
    converted_at: datetime
    day: str
    n: int
    by_company: bool
    deal: DealRecord | None
    people: tuple[PersonOn, ...]
    ledger: tuple[LedgerLine, ...]
    milestones: tuple[Milestone, ...]
    last_win_at: datetime | None
    touches: tuple[SeenTouch, ...]
    models: tuple[Judged, ...]
    currency: str | None
    total_minor: int
    policy_version: int
    fit_version: int | None


def explain_deal(
    tx: Tx, site: SiteFacts, reference: str, query: Query, models: Sequence[Model], of: str | None = None
) -> Explanation:
    """Why a deal of a site is credited as it is; raises NotFound, Invalid(field="of").

    query   its policy, fit, currency, scope, direct policy and look-back are used; its period is not: all days count
    models  in the order in which they are wanted
    of      'won' or 'created'; None: its win if it ever had one, else its creation
    """
    deal = read_deal(tx, site.site_id, reference)
    rows = tx.execute(select(conversions).where(conversions.c.deal_id == deal.deal_id)).mappings().all()
    by_kind = {row["kind"]: row for row in rows}
    wanted = [DEAL_KINDS[of]] if of in DEAL_KINDS else list(DEAL_KINDS.values())
    if of is not None and of not in DEAL_KINDS:
        raise Invalid(f"{of[:40]!r} is not known; use won or created", field="of")
    found = next((by_kind[kind.value] for kind in wanted if kind.value in by_kind), None)
    if found is None:
        raise NotFound(f"the deal {reference[:80]!r} was never won", field="of")
    return explained(tx, site, found, deal, query, models)


def explain_conversion(
    tx: Tx, site: SiteFacts, conversion_id: str, query: Query, models: Sequence[Model]
) -> Explanation:
    """The same of any conversion: a form, a call, a new lead, a deal's win; raises NotFound."""
    row = (
        tx.execute(
            select(conversions).where(
                conversions.c.site_id == site.site_id, conversions.c.conversion_id == conversion_id
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound(f"no conversion {conversion_id[:40]!r}")
    deal = None
    if row["deal_id"]:
        reference = tx.execute(select(deals.c.reference).where(deals.c.deal_id == row["deal_id"])).scalar_one()
        deal = read_deal(tx, site.site_id, reference)
    return explained(tx, site, row, deal, query, models)


def explained(
    tx: Tx, site: SiteFacts, row: Mapping[Any, Any], deal: DealRecord | None, query: Query, models: Sequence[Model]
) -> Explanation:
    """The explanation of a conversion's row."""
    kind = ConversionKind(row["kind"])
    ledger = ledger_of(tx, deal, query) if deal is not None and kind is ConversionKind.DEAL_WON else ()
    steps = tx.execute(
        select(paths).where(paths.c.conversion_id == row["conversion_id"]).order_by(paths.c.position)
    ).mappings()
    path = steps.all()
    people, whose = people_of(tx, site, row, deal, path)
    seen = touches_seen(tx, query.policy, path, whose)
    way = way_of(row, path, seen)
    ties = [step["tie"] for step in path]
    bookings = [Booking(line.converted_minor, line.currency) for line in ledger]
    return Explanation(
        conversion_id=row["conversion_id"],
        kind=kind,
        converted_at=row["occurred_at"],
        day=row["day"],
        n=row["n"],
        by_company=row["by_company"],
        deal=deal,
        people=people,
        ledger=ledger,
        milestones=milestones_of(row),
        last_win_at=row["last_win_at"],
        touches=seen,
        models=tuple(asked(replace(query, model=model), row, way, ties, bookings) for model in models),
        currency=query.currency,
        total_minor=sum(line.converted_minor or 0 for line in ledger),
        policy_version=query.policy_version,
        fit_version=query.fit.version if query.fit else None,
    )


def asked(query: Query, row: Mapping[Any, Any], way: Way, ties: Sequence[int], ledger: Sequence[Booking]) -> Judged:
    """What the query's model makes of the path, or why it cannot be asked."""
    try:
        terms = query.terms
    except Invalid as error:
        return refused(query.model, error.message, len(ledger))
    last_win_ms = None if row["last_win_at"] is None else to_ms(row["last_win_at"])
    earliest_ms = terms.earliest_ms(row["kind"], way.converted_ms, last_win_ms)
    told = None if earliest_ms == ALWAYS_MS else earliest_ms
    return judged(terms, replace(way, earliest_ms=earliest_ms), ties, ledger, told)


def way_of(row: Mapping[Any, Any], path: Sequence[Mapping[Any, Any]], seen: Sequence[SeenTouch]) -> Way:
    """The path as models see it."""
    converted_ms = to_ms(row["occurred_at"])
    moments = {one.name: to_ms(one.at) for one in milestones_of(row) if one.on_way}
    return Way(
        [
            WayTouch(step["touchpoint_id"], to_ms(step["touched_at"]), one.channel, step["scope"], one.is_excluded)
            for step, one in zip(path, seen, strict=True)
        ],
        converted_ms,
        lead_ms=moments.get("lead"),
        deal_ms=moments.get("deal"),
        close_ms=moments.get("close"),
    )


def milestones_of(row: Mapping[Any, Any]) -> tuple[Milestone, ...]:
    """The moments on a conversion's way that are known."""
    closed_at = row["occurred_at"] if row["kind"] == ConversionKind.DEAL_WON.value else None
    known = {"lead": row["lead_at"], "deal": row["deal_at"], "close": closed_at}
    return tuple(Milestone(name, at, at <= row["occurred_at"]) for name, at in known.items() if at is not None)


def ledger_of(tx: Tx, deal: DealRecord, query: Query) -> tuple[LedgerLine, ...]:
    """The deal's ledger in its order, each entry at the rate of its own day."""
    rows = tx.execute(
        select(deal_entries).where(deal_entries.c.deal_id == deal.deal_id).order_by(deal_entries.c.position)
    ).mappings()
    exchange = Exchange(query.currency)
    return tuple(
        LedgerLine(
            position=row["position"],
            kind=EntryKind(row["kind"]),
            occurred_at=row["occurred_at"],
            day=row["day"],
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            rate=rate_used(row["currency"], query.currency, row["day"]),
            converted_minor=exchange.convert(row["amount_minor"], row["currency"], row["day"]),
        )
        for row in rows
    )


def rate_used(currency: str, to_currency: str | None, day: str) -> Rate | None:
    """The rate of a conversion; None where none was needed or there is none."""
    return None if to_currency in {None, currency} else find_rate(currency, to_currency or "", day)


def touches_seen(
    tx: Tx, policy: Policy, path: Sequence[Mapping[Any, Any]], whose: Mapping[str, str]
) -> tuple[SeenTouch, ...]:
    """The touches of a path in its order, under the site's own rules. whose: contact by touch."""
    stored: dict[str, Touch] = {}
    for some in chunks(step["touchpoint_id"] for step in path):
        for row in tx.execute(select(touchpoints).where(touchpoints.c.touchpoint_id.in_(some))).mappings():
            stored[row["touchpoint_id"]] = touch_of(row)
    found = []
    for step in path:
        words = {name: step[name] for name in RULE_FIELDS}
        channel = channel_by(policy.rules, words)
        found.append(
            SeenTouch(
                touch=stored[step["touchpoint_id"]],
                channel=step["channel"] if channel is None else channel,
                is_excluded=channel is None,
                own_rule=own_rule(policy.rules, words),
                scope=SCOPES[step["scope"]],
                contact_id=whose.get(step["touchpoint_id"]),
            )
        )
    return tuple(found)


def own_rule(rules: Sequence[ChannelRule], words: Mapping[str, str]) -> int | None:
    """The number, from 1, of the first rule that matches; None: none does."""
    marked = (ChannelRule(rule.where, MATCHED) for rule in rules)
    return next((i for i, rule in enumerate(marked, 1) if channel_by((rule,), words) == MATCHED), None)


def people_of(
    tx: Tx, site: SiteFacts, row: Mapping[Any, Any], deal: DealRecord | None, path: Sequence[Mapping[Any, Any]]
) -> tuple[tuple[PersonOn, ...], dict[str, str]]:
    """Who is on the way, oldest lead first, and whose each touch is; of touches of several, the narrowest scope's.

    Of a company only those are given who have a touch on the path.
    """
    how = dict.fromkeys([row["contact_id"]] if row["contact_id"] else [], "own")
    if deal is not None:
        how = {person.contact_id: "named" for person in deal.people}
        company = colleagues(tx, site.site_id, deal.company_domain) if deal.company_domain else []
        how |= {one: "company" if row["by_company"] else "colleague" for one in company if one not in how}
    rows = {
        one["contact_id"]: one
        for some in chunks(sorted(how))
        for one in tx.execute(select(contacts).where(contacts.c.contact_id.in_(some))).mappings()
    }
    order = sorted(rows, key=lambda one: (how[one] == "colleague", rows[one]["lead_at"], one))
    oldest = next((one for one in order if how[one] != "colleague"), None)
    on_path = {step["touchpoint_id"] for step in path}
    whose: dict[str, str] = {}
    touches = touches_of(tx, order, ("touchpoint_id",)) if on_path else {}
    for contact_id in order:
        for touch in touches.get(contact_id, ()):
            if touch["touchpoint_id"] in on_path:
                whose.setdefault(touch["touchpoint_id"], contact_id)
    shown = {one for one in order if how[one] in {"own", "named"}} | set(whose.values()) | {oldest}
    people = tuple(
        PersonOn(
            contact_id=one,
            email=rows[one]["email"],
            name=rows[one]["name"],
            lead_at=rows[one]["lead_at"],
            how=how[one],
            is_oldest=one == oldest,
        )
        for one in order
        if one in shown
    )
    return people, whose


def models_asked(text: str | None) -> tuple[Model, ...]:
    """The models that a text names, separated by commas; all there are without one. Raises Invalid(field="model")."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    known = [model for model in MODELS if not MODELS[model].is_global]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise Invalid(f"{unknown[:40]!r} is no model of a single path; use {', '.join(known)}", field="model")
    return tuple(Model(name) for name in dict.fromkeys(names)) or tuple(known)
