"""Any deal: what the explanation says, one touch after the other, is what the Source report credits, all at once."""

from dataclasses import replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine as Store

from tests.facts import SITE_ID
from tests.properties.test_engines import ARRIVALS, CURRENCIES, DAYS, QUERIES, add_conversion, stored, unhurried, worlds
from tests.spec.test_source import Site
from tracker.attribution.credit import MICRO
from tracker.attribution.policy import ChannelRule, Measured, Policy
from tracker.attribution.standing import Standing
from tracker.clock import to_ms
from tracker.db.store import Tx
from tracker.reports.crediting import NOBODY, Credits, credit
from tracker.reports.engines.memory import Facts, PathRow, Touchpoint
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.exchange import Exchange
from tracker.reports.explain import Explanation, explain_conversion, explain_deal, models_asked
from tracker.reports.query import Query
from tracker.reports.scans import Entry
from tracker.reports.source import scope_of
from tracker.reports.verdicts import Judged
from tracker.vocabulary import Basis, ConversionKind, EntryKind, Model

POLICIES = st.builds(
    Policy,
    rules=st.lists(
        st.builds(
            ChannelRule,
            where=st.sampled_from([{"source": "a"}, {"channel": "e*"}, {"campaign": "SPRING", "source": "*"}]),
            channel=st.sampled_from(["", "partner", "direct"]),
        ),
        max_size=2,
    ).map(tuple),
    capture=st.sampled_from([(), ("email",)]),
    measured=st.sampled_from([(), (Measured("paid_search", 40, 20, 60, "2026-03-01", "2026-03-31"),)]),
    upsells=st.sampled_from(["full", "since_last_win"]),
)


@st.composite
def deals(draw: st.DrawFn) -> Facts:
    """Any facts, and a won deal on whose path are all touches that were in time; its amounts leave odd units."""
    facts = draw(worlds())
    number = len(facts.touchpoints)
    for i in range(number, number + 4):
        day = draw(DAYS)
        at = to_ms(datetime.fromisoformat(f"{day}T12:00:00+00:00"))
        facts.touchpoints.append(Touchpoint(f"touch {i}", "visit", 1, at, day, draw(ARRIVALS)))
    add_conversion(draw, facts, 9, ConversionKind.DEAL_WON, "deal 9")
    won = facts.conversions[-1]
    facts.paths[:] = [row for row in facts.paths if row.conversion_id != won.conversion_id]
    in_time = sorted((one for one in facts.touchpoints if one.occurred_ms <= won.converted_ms), key=place)
    facts.paths.extend(PathRow(won.conversion_id, i, touch, draw(st.integers(0, 2))) for i, touch in enumerate(in_time))
    for position, amount in enumerate(draw(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=4))):
        facts.entries.append(Entry("deal 9", position, EntryKind.AMENDED, amount, draw(CURRENCIES), draw(DAYS)))
    return facts


def place(touch: Touchpoint) -> tuple[int, str]:
    return touch.occurred_ms, touch.touchpoint_id


Sums = dict[tuple[int, str | None], int]


def said(found: Explanation, one: Judged) -> Sums:
    """By (entry, touch) what the explanation gives; touch None: nobody's."""
    by_touch = [
        (seen.touch.touchpoint_id, verdict.part) for seen, verdict in zip(found.touches, one.verdicts, strict=True)
    ]
    rows = [
        (i, name, amount) for name, part in [*by_touch, (None, one.nobody)] for i, amount in enumerate(part.by_entry)
    ]
    return {(found.ledger[i].position, name): amount for i, name, amount in rows if amount}


def reported(credits_: Credits, deal_id: str) -> Sums:
    """The same of the report."""
    found: Sums = {}
    money = credits_.money
    for subject, touch, amount in zip(
        money.subjects.tolist(), money.touches.tolist(), money.amounts.tolist(), strict=True
    ):
        entry = credits_.entries[subject]
        if entry.deal_id == deal_id:
            name = None if touch == NOBODY else credits_.walked.touchpoint_ids[touch]
            found[entry.position, name] = found.get((entry.position, name), 0) + amount
    return found


def counted(credits_: Credits, conversion_id: str) -> dict[str | None, int]:
    """By touch the millionths of a conversion that the report gives."""
    found: dict[str | None, int] = {}
    counts = credits_.counts
    for subject, touch, amount in zip(
        counts.subjects.tolist(), counts.touches.tolist(), counts.amounts.tolist(), strict=True
    ):
        if credits_.conversions[subject].conversion_id == conversion_id:
            name = None if touch == NOBODY else credits_.walked.touchpoint_ids[touch]
            found[name] = found.get(name, 0) + amount
    return found


def all_credits(tx: Tx, query: Query) -> Credits:
    return credit(SqlEngine(tx), query, scope_of(query), Exchange(query.currency))


@settings(unhurried, max_examples=12)
@given(
    facts=deals(),
    query=QUERIES,
    policy=POLICIES,
    models=st.lists(st.sampled_from(list(models_asked(None))), min_size=2, max_size=2, unique=True),
)
def test_the_explanation_gives_each_touch_what_the_report_gives_it(
    store: Store, facts: Facts, query: Query, policy: Policy, models: list[Model]
) -> None:
    # A whole report: an explanation tells of all touches of a conversion.
    whole = {"where": (), "from_day": "2020-01-01", "to_day": "2030-01-01"}
    query = replace(query, policy=policy, basis=Basis.ACTIVITY, **whole)
    with stored(store, facts) as tx:
        for model in models:
            asked = replace(query, model=model)
            credits_ = all_credits(tx, asked)
            for one in facts.conversions:
                if one.kind == ConversionKind.DEAL_WON:
                    assert one.deal_id
                    deal = explain_deal(tx, Site(SITE_ID), f"ref {one.deal_id}", asked, [model])
                    assert said(deal, deal.models[0]) == reported(credits_, one.deal_id)
                found = explain_conversion(tx, Site(SITE_ID), one.conversion_id, asked, [model])
                shares = {
                    seen.touch.touchpoint_id: verdict.part.share_micro
                    for seen, verdict in zip(found.touches, found.models[0].verdicts, strict=True)
                }
                given_ = {**shares, None: found.models[0].nobody.share_micro}
                assert {name: n for name, n in given_.items() if n and found.n} == counted(credits_, one.conversion_id)


@settings(unhurried, max_examples=6)
@given(facts=deals(), query=QUERIES, policy=POLICIES)
def test_every_models_parts_add_up_to_the_ledger_and_to_one(
    store: Store, facts: Facts, query: Query, policy: Policy
) -> None:
    with stored(store, facts) as tx:
        for one in facts.conversions:
            found = explain_conversion(
                tx, Site(SITE_ID), one.conversion_id, replace(query, policy=policy), list(models_asked(None))
            )
            for judged in found.models:
                parts = [*(verdict.part for verdict in judged.verdicts), judged.nobody]
                assert sum(part.share_micro for part in parts) == MICRO
                assert sum(part.amount_minor for part in parts) == found.total_minor
                for i, line in enumerate(found.ledger):
                    assert sum(part.by_entry[i] for part in parts) == (line.converted_minor or 0)
                assert all(v.standing is Standing.EARNS for v in judged.verdicts if v.part.weight or v.holds)
                assert bool(judged.nobody.share_micro) == bool(judged.reasons) or judged.nobody.weight
