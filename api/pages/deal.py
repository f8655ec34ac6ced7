"""One deal (or one lead) explained: its path on a time line, each touch under each model, the ledger, the versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from babel.numbers import format_percent
from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen
from api.pages.contact import ShownTouch, signed, touch_shown
from api.pages.contacts import offset_asked, page_of
from api.pages.frame import Note, address
from api.pages.masked import deal_word, person_word
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, money
from api.trust import Audience, audience, site_seen
from tracker.access.sites import Site
from tracker.clock import from_ms, local_day
from tracker.db.store import reading
from tracker.errors import NotFound
from tracker.reports.asking import ask
from tracker.reports.catalogue import message
from tracker.reports.explain import (
    Explanation,
    LedgerLine,
    PersonOn,
    SeenTouch,
    explain_conversion,
    explain_deal,
    models_asked,
)
from tracker.reports.query import Query
from tracker.reports.verdicts import Judged, Verdict

PAGE_TOUCHES = 100
# What of a report's address decides about credit: a link from a report to a deal keeps it.
CREDITED_BY = ("model", "currency", "direct", "lookback_days", "scope", "policy")
TAKEN_BACK = message("This win was taken back: it counts as no sale, and its entries come to nothing.")
BY_COMPANY = message("The CRM names nobody on this deal: the people of its company are taken.")
NO_RATE = message("Entries in %(currencies)s have no rate: they are in no figure.")
LATE_RATE = message("Some entries are later than the known rates: the last known rate was taken.")


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody on the way, by the name that a list gives them."""

    name: str
    href: str
    how: str
    is_oldest: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A touch or a milestone of the time line.

    kind       'touch', or the milestone: 'lead', 'deal', 'close'
    number     of a touch: its place on the path, from 1
    shipped    the shipped rules' channel where the site's own rules say something else
    share, amount, weight  what the chosen model gives; texts
    """

    kind: str
    at: datetime
    gap_days: int
    number: int = 0
    touch: ShownTouch | None = None
    channel: str = ""
    shipped: str | None = None
    rule: str = ""
    rules_version: str = ""
    own_rule: int | None = None
    scope: str = ""
    who: Who | None = None
    href: str = ""
    standing: str = ""
    holds: tuple[str, ...] = ()
    share: str = ""
    amount: str | None = None
    weight: int = 0


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A ledger entry; `rate` and `credited` are texts, `rate_day` the banking day of the quotes."""

    on: date
    kind: str
    amount: str
    rate: str | None
    rate_day: date | None
    source: str
    credited: str


@dataclass(frozen=True, slots=True)
class Column:
    """A model in the table of touches and models: what it gives each touch of the page, and nobody."""

    model: str
    href: str
    is_current: bool
    cells: tuple[Cell, ...]
    nobody: Cell


@dataclass(frozen=True, slots=True)
class ShownModel:
    """The chosen model; choices: all there are. earliest_at: touches must be later."""

    name: str
    family: str
    refusal: str | None
    direct: str
    scope: str
    earliest_at: datetime | None
    nobody: str
    reasons: tuple[str, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """What is explained. reference: empty for a lead; other_href: the deal's other conversion."""

    title: str
    kind: str
    at: datetime
    total: str | None
    reference: str
    status: str
    type: str
    stage: str
    other: str
    other_href: str
    policy_version: int
    fit_version: int | None
    n_touches: int


@routes.get("/deals/<reference>")
@audience(Audience.PEOPLE)
def deal(reference: str) -> ResponseReturnValue:
    """Why a deal of the site that is looked at is credited as it is."""
    site = site_seen()
    if site is None:
        raise NotFound("no deal")
    with reading(here().engine) as tx:
        query = ask(tx, credited_by(), site, local_day(here().now(), site.timezone))
        found = explain_deal(tx, site, reference, query, models_asked(None), request.args.get("of") or None)
    return explained_page(found, query, site)


@routes.get("/conversions/<conversion_id>")
@audience(Audience.PEOPLE)
def conversion(conversion_id: str) -> ResponseReturnValue:
    """Why a lead, a form, a call … is credited as it is."""
    site = site_seen()
    if site is None:
        raise NotFound("no conversion")
    with reading(here().engine) as tx:
        query = ask(tx, credited_by(), site, local_day(here().now(), site.timezone))
        found = explain_conversion(tx, site, conversion_id, query, models_asked(None))
    return explained_page(found, query, site)


def credited_by() -> dict[str, str]:
    """The parameters of this page's address that decide about credit, but for the model: all are shown."""
    return {name: request.args.get(name, "") for name in CREDITED_BY if name != "model"}


def explained_page(found: Explanation, query: Query, site: Site) -> ResponseReturnValue:
    """The page of an explanation."""
    wanted = models_asked(request.args.get("model") or query.model.value)[0]
    judged = next(one for one in found.models if one.model is wanted)
    offset = min(offset_asked(), max(0, len(found.touches) - 1))
    shown = slice(offset, offset + PAGE_TOUCHES)
    people = {one.contact_id: who_of(one) for one in found.people}
    return render_template(
        "deal.html",
        head=head_of(found),
        model=shown_model(judged, found),
        people=list(people.values()),
        steps=steps_of(found, judged, people, offset, site),
        columns=columns_of(found, judged, shown),
        touches=[(i, one.channel) for i, one in enumerate(found.touches, 1)][shown],
        ledger=[line_of(line, found.currency) for line in found.ledger],
        milestones=found.milestones,
        last_win_at=found.last_win_at,
        notes=notes_of(found),
        page=page_of(offset, PAGE_TOUCHES, len(found.touches)),
        back_href=url_for("pages.source"),
    )


def head_of(found: Explanation) -> Head:
    """What is explained, in words."""
    deal = found.deal
    other = "" if deal is None or not found.ledger else "created"
    if deal is not None and found.kind.value == "deal_created" and request.args.get("of") == "created":
        other = "won" if deal.closed_at is not None else ""
    kept = {name: value for name, value in request.args.items() if name in CREDITED_BY}
    here_ = url_for("pages.deal", reference=deal.reference) if deal else ""
    person = next(iter(found.people), None)
    return Head(
        title=deal_word(deal.reference, deal.name)
        if deal
        else (who_of(person).name if person else found.conversion_id[:8]),
        kind=found.kind.value,
        at=found.converted_at,
        total=money(found.total_minor, found.currency) if found.currency and found.ledger else None,
        reference=deal.reference if deal else "",
        status=deal.status.value if deal else "",
        type=deal.type.value if deal else "",
        stage=(deal.stage or "") if deal else "",
        other=other,
        other_href=address(here_, {**kept, "of": other}) if other else "",
        policy_version=found.policy_version,
        fit_version=found.fit_version,
        n_touches=len(found.touches),
    )


def shown_model(judged: Judged, found: Explanation) -> ShownModel:
    """The chosen model, and what could be chosen."""
    return ShownModel(
        name=judged.model.value,
        family=judged.family.value,
        refusal=judged.refusal,
        direct=judged.terms.direct.value if judged.terms else "",
        scope=judged.terms.scope.value if judged.terms else "",
        earliest_at=None if judged.earliest_ms is None else from_ms(judged.earliest_ms),
        nobody=given_text(judged.nobody.share_micro, judged.nobody.amount_minor, found) if judged.reasons else "",
        reasons=judged.reasons,
        choices=tuple(one.model.value for one in found.models),
    )


def given_text(share_micro: int, amount_minor: int, found: Explanation) -> str:
    """What fell to a touch: money where there is a ledger, else the share."""
    if found.ledger and found.currency:
        return money(amount_minor, found.currency)
    return percent(share_micro)


def percent(share_micro: int) -> str:
    """A share in percent with one decimal at the most."""
    return str(format_percent(Decimal(share_micro).scaleb(-6), "#,##0.#%", locale=chosen()))


def who_of(one: PersonOn) -> Who:
    """A person by name, leading to their page."""
    name = person_word(one.contact_id, one.name, one.email)
    return Who(name, url_for("pages.contact", contact_id=one.contact_id), one.how, one.is_oldest)


def steps_of(found: Explanation, judged: Judged, people: Mapping[str, Who], offset: int, site: Site) -> list[Step]:
    """The time line: a page of touches, with the milestones that fall between them."""
    verdicts: Sequence[Verdict | None] = judged.verdicts or [None] * len(found.touches)
    pairs = list(zip(found.touches, verdicts, strict=True))
    page = pairs[offset : offset + PAGE_TOUCHES]
    from_at = page[0][0].touch.occurred_at if offset else None
    end = offset + PAGE_TOUCHES
    to_at = pairs[end][0].touch.occurred_at if end < len(pairs) else None
    steps = [step_of(seen, verdict, number, people, found) for number, (seen, verdict) in enumerate(page, offset + 1)]
    steps += [
        Step(one.name, one.at, 0)
        for one in found.milestones
        if (from_at is None or one.at >= from_at) and (to_at is None or one.at < to_at)
    ]
    # What stands at a milestone came at or before it.
    steps.sort(key=lambda step: (step.at, step.kind != "touch", step.number))
    return with_gaps(steps, site)


def with_gaps(steps: Sequence[Step], site: Site) -> list[Step]:
    """The steps with the days between them."""
    days = [date.fromisoformat(local_day(step.at, site.timezone)) for step in steps]
    before = [*days[:1], *days]
    return [
        replace(step, gap_days=max(0, (day - last).days)) for step, day, last in zip(steps, days, before, strict=False)
    ]


def step_of(
    seen: SeenTouch, verdict: Verdict | None, number: int, people: Mapping[str, Who], found: Explanation
) -> Step:
    """One touch of the time line."""
    part = verdict.part if verdict else None
    return Step(
        kind="touch",
        at=seen.touch.occurred_at,
        gap_days=0,
        number=number,
        touch=touch_shown(seen.touch),
        channel=seen.channel,
        shipped=seen.touch.channel if seen.touch.channel != seen.channel else None,
        rule=seen.touch.rule,
        rules_version=seen.touch.rules_version,
        own_rule=seen.own_rule,
        scope=seen.scope.value,
        who=people.get(seen.contact_id or ""),
        href=url_for("pages.touch", touchpoint_id=seen.touch.touchpoint_id),
        standing=verdict.standing.value if verdict else "",
        holds=verdict.holds if verdict else (),
        share=percent(part.share_micro) if part else "",
        amount=money(part.amount_minor, found.currency) if part and found.ledger and found.currency else None,
        weight=part.weight if part else 0,
    )


def columns_of(found: Explanation, chosen_: Judged, shown: slice) -> list[Column]:
    """Each model that can be asked: what it gives the touches of the page, and nobody."""
    kept = {name: value for name, value in request.args.items() if name != "lang"}

    def cell(part_share: int, part_amount: int) -> Cell:
        return Cell(part_share, given_text(part_share, part_amount, found) if part_share or part_amount else NOTHING)

    return [
        Column(
            model=one.model.value,
            href=address(request.path, {**kept, "model": one.model.value}),
            is_current=one.model is chosen_.model,
            cells=tuple(cell(v.part.share_micro, v.part.amount_minor) for v in one.verdicts[shown]),
            nobody=cell(one.nobody.share_micro, one.nobody.amount_minor) if one.reasons else Cell(None, NOTHING),
        )
        for one in found.models
        if one.refusal is None
    ]


def line_of(line: LedgerLine, currency: str | None) -> ShownLine:
    """A ledger entry in the reader's language."""
    rate = line.rate
    is_credited = line.converted_minor is not None and currency is not None
    return ShownLine(
        on=date.fromisoformat(line.day),
        kind=line.kind.value,
        amount=signed(line.amount_minor, line.currency),
        rate=f"{line.currency} 1 = {currency} {rate.value:f}" if rate else None,
        rate_day=date.fromisoformat(rate.rate_day) if rate else None,
        source=rate.source if rate else "",
        credited=signed(line.converted_minor or 0, currency or "") if is_credited else NOTHING,
    )


def notes_of(found: Explanation) -> list[Note]:
    """What the reader should know of the sums."""
    notes = []
    if found.ledger and not found.n:
        notes.append(Note(gettext(TAKEN_BACK)))
    if found.by_company:
        notes.append(Note(gettext(BY_COMPANY)))
    missing = sorted({line.currency for line in found.ledger if line.converted_minor is None})
    if missing:
        notes.append(Note(gettext(NO_RATE, currencies=", ".join(missing)), is_warning=True))
    if any(line.rate and line.rate.is_late for line in found.ledger):
        notes.append(Note(gettext(LATE_RATE), is_warning=True))
    return notes
