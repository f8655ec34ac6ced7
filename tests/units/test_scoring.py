"""What points tell of leads: counted again, by hand, from the same people."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from lifecycle import FORMS, NOW, build
from sqlalchemy import Engine, insert, select

from tracker.access.sites import Site, site_by_id
from tracker.clock import to_ms
from tracker.db.schema import contacts, crm_changes, hits, identifications, stage_changes
from tracker.db.store import begin, connect, reading
from tracker.lifecycle.settled import Lifecycle, save_lifecycle
from tracker.lifecycle.versions import save_definition
from tracker.reports.lift import lift_of, points_for
from tracker.reports.points import points_of
from tracker.reports.scoring import scoring_of
from tracker.vocabulary import Stage

DEFINITION = """
[[rule]]
name = "seminar"
stage = "lead"
when = { form = "seminar" }

[[points]]
name = "whitepaper"
points = 10
each = { form = "whitepaper" }
"""
N = 240
Built = tuple[Engine, dict[str, str], set[str], dict[str, str]]
YEAR = ("2025-01-01", "2026-12-31")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """People of whom each sent one form; of those who asked for a demo most became customers, of the others few."""
    engine = connect(f"sqlite:///{tmp_path_factory.mktemp('scoring') / 'store'}")
    build(engine, N)
    with begin(engine) as tx:
        sent = select(identifications.c.contact_id, hits.c.details).join(hits, hits.c.seq == identifications.c.hit_seq)
        forms = {row.contact_id: row.details["form"]["id"] for row in tx.execute(sent)}
        said = select(crm_changes.c.key, crm_changes.c.payload)
        industries = {row.key: row.payload["properties"]["industry"] for row in tx.execute(said)}
        leads = {row.contact_id: row.lead_at for row in tx.execute(select(contacts.c.contact_id, contacts.c.lead_at))}
        ordered = sorted(forms)
        won = {one for place, one in enumerate(ordered) if (forms[one] == "demo") != (place % 7 == 0)}
        tx.execute(
            insert(stage_changes),
            [
                {
                    "contact_id": one, "position": 0, "site_id": 1, "stage": Stage.CUSTOMER.value, "day": "2026-01-01",
                    "occurred_at": leads[one] + timedelta(days=40), "cause": "crm", "decided_by": "crm", "evidence": [],
                }
                for one in won
            ],
        )  # fmt: skip
        save_lifecycle(tx, 1, Lifecycle(needs_sign_off=False))
        save_definition(tx, 1, DEFINITION, reason="so", by="ann", now=NOW, from_at=NOW - timedelta(days=500))
    yield engine, forms, won, industries
    engine.dispose()


def site_of(engine: Engine) -> Site:
    with reading(engine) as tx:
        return site_by_id(tx, 1)


def test_what_goes_with_becoming_a_customer_is_counted_and_suggested(built: Built) -> None:
    engine, forms, won, industries = built
    now = NOW + timedelta(days=60)
    with reading(engine) as tx:
        found = scoring_of(tx, site_of(engine), *YEAR, now)
        leads = {row.contact_id: row.lead_at for row in tx.execute(select(contacts.c.contact_id, contacts.c.lead_at))}
    old = [one for one in forms if to_ms(leads[one]) + 90 * 86_400_000 <= to_ms(now)]
    assert (found.n_leads, found.n_read, found.n_old_enough) == (N, N, len(old))
    by_form = {form: [one for one in old if forms[one] == form] for form in FORMS}

    def lift(form: str, n_looked_at: int = 1) -> object:
        did, others = by_form[form], [one for one in old if forms[one] != form]
        return lift_of(len(did), len(won & {*did}), len(others), len(won & {*others}), n_looked_at)

    (whitepaper,) = found.rules
    assert (whitepaper.points, whitepaper.n_people, whitepaper.share) == (
        10 * sum(form == "whitepaper" for form in forms.values()),
        sum(form == "whitepaper" for form in forms.values()),
        1.0,
    )
    assert whitepaper.lift == lift("whitepaper")
    assert found.stage_rules == (("seminar", "lead", lift("seminar")),)
    demo = next(one for one in found.suggestions if one.deed.text == "demo")
    expected = lift("demo", found.n_looked_at)
    assert demo.lift == expected
    assert demo.points == points_for(expected) > 0
    assert demo.toml == f'[[points]]\nname = "form demo"\npoints = {demo.points}\neach = {{ form = "demo" }}\n'
    assert not any(one.deed.text == "whitepaper" for one in found.suggestions)  # a rule looks at it already
    assert len(set(industries.values())) == 4


def test_of_very_many_people_every_nth_is_read(built: Built) -> None:
    engine, *_ = built
    with reading(engine) as tx:
        found = scoring_of(tx, site_of(engine), *YEAR, NOW, most=100)
    assert (found.n_leads, found.n_read) == (N, N // 3)


def test_who_was_a_customer_within_the_month_speaks_for_nothing(built: Built) -> None:
    engine, _, won, _ = built
    with reading(engine) as tx:
        at_once = scoring_of(tx, site_of(engine), *YEAR, NOW + timedelta(days=200))
    assert at_once.n_old_enough == N
    with begin(engine) as tx:
        early = sorted(won)[:5]
        for one in early:
            lead_at = tx.execute(select(contacts.c.lead_at).where(contacts.c.contact_id == one)).scalar_one()
            change = stage_changes.update().where(stage_changes.c.contact_id == one)
            tx.execute(change.values(occurred_at=lead_at + timedelta(days=29)))
        assert scoring_of(tx, site_of(engine), *YEAR, NOW + timedelta(days=200)).n_old_enough == N - 5
        tx.rollback()


def test_a_contact_shows_the_sum_and_its_parts(built: Built) -> None:
    engine, forms, *_ = built
    who = {form: next(one for one in forms if forms[one] == form) for form in FORMS}
    with reading(engine) as tx:
        paper, demo = (points_of(tx, 1, who[form], NOW) for form in ("whitepaper", "demo"))
    assert paper is not None
    assert demo is not None
    assert (paper.points, paper.version, [(one.name, one.points, one.n) for one in paper.parts]) == (
        10, 1, [("whitepaper", 10, 1)],
    )  # fmt: skip
    assert (demo.points, demo.parts) == (0, ())
