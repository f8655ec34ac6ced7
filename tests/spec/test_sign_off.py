"""Nothing counts before marketing and sales have both signed it; then it counts for everybody, once; on both stores."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from tests.walks import START, World
from tracker import flow
from tracker.clock import from_ms
from tracker.companies import accounts
from tracker.db.schema import company_changes, contacts, due, stage_changes
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Invalid
from tracker.lifecycle.settled import Lifecycle, lifecycle_of, restage, save_lifecycle
from tracker.lifecycle.versions import save_definition, saved_version, sign, withdraw
from tracker.staging import has_due, look_again, n_left, restage_some, tiers_told
from tracker.vocabulary import Side

DAY = timedelta(days=1)
MQL = '[[rule]]\nname = "demo"\nstage = "marketingqualifiedlead"\nwhen = { form = "demo" }\n'
ALICE, BOB = "user alice@acme.example", "user bob@acme.example"


@pytest.fixture
def world(store: Engine) -> World:
    return World(store)


def asks(world: World, visitor: str, at: datetime, email: str, form: str = "demo") -> None:
    """Somebody sends a form."""
    sent = {"form": {"id": form}, "identifiers": {"email": email}}
    world.send(visitor, [world.hit(at, "/contact", kind="form", **sent)])
    world.fold()


def save(world: World, text: str, now: datetime, from_at: datetime | None = None) -> int:
    with begin(world.store) as tx:
        return save_definition(
            tx, world.site.site_id, text, reason="agreed in March", by=ALICE, now=now, from_at=from_at
        ).version


def agree(world: World, version: int, now: datetime) -> None:
    """Both sides sign, and everybody is derived anew."""
    with begin(world.store) as tx:
        sign(tx, world.site.site_id, version, Side.MARKETING, by=ALICE, now=now)
        sign(tx, world.site.site_id, version, Side.SALES, by=BOB, now=now)
        restage(tx, world.site.site_id)
    count_anew(world, now)


def count_anew(world: World, now: datetime) -> None:
    with begin(world.store) as tx:
        while restage_some(tx, 2, now):
            pass
        assert lifecycle_of(tx, world.site.site_id).restaged_id is None
        assert n_left(tx, world.site.site_id) == 0


def moved(tx: Tx) -> list[tuple[str, str, datetime, int | None]]:
    query = select(contacts.c.email, stage_changes.c.stage, stage_changes.c.occurred_at, stage_changes.c.version)
    joined = query.join(contacts, contacts.c.contact_id == stage_changes.c.contact_id)
    return [tuple(row) for row in tx.execute(joined.order_by(stage_changes.c.occurred_at, contacts.c.email))]


def stages(world: World) -> list[tuple[str, str, datetime, int | None]]:
    with reading(world.store) as tx:
        return moved(tx)


def test_nothing_counts_before_both_have_signed(world: World) -> None:
    asks(world, "v", START, "hana@kyoto.example")
    version = save(world, MQL, START, from_at=START - DAY)
    asks(world, "w", START + DAY, "ken@osaka.example")
    assert stages(world) == []
    with begin(world.store) as tx:
        sign(tx, world.site.site_id, version, Side.MARKETING, by=ALICE, now=START + DAY)
        for side, by in ((Side.MARKETING, BOB), (Side.SALES, ALICE)):
            with pytest.raises(Conflict):
                sign(tx, world.site.site_id, version, side, by=by, now=START + DAY)
        restage(tx, world.site.site_id)
    count_anew(world, START + 2 * DAY)
    assert stages(world) == []
    with begin(world.store) as tx:
        signed = sign(tx, world.site.site_id, version, Side.SALES, by=BOB, now=START + 2 * DAY)
        assert signed.signed_at == START + 2 * DAY
        assert [one.side for one in signed.sign_offs] == [Side.MARKETING, Side.SALES]
        with pytest.raises(Conflict):
            withdraw(tx, world.site.site_id, version, now=START + 2 * DAY)
        restage(tx, world.site.site_id)
    count_anew(world, START + 2 * DAY)
    mql = "marketingqualifiedlead"
    assert stages(world) == [
        ("hana@kyoto.example", mql, START, version),
        ("ken@osaka.example", mql, START + DAY, version),
    ]
    asks(world, "x", START + 3 * DAY, "mari@nara.example")
    assert stages(world)[2:] == [("mari@nara.example", mql, START + 3 * DAY, version)]


def test_a_version_that_was_withdrawn_never_counts(world: World) -> None:
    version = save(world, MQL, START)
    with begin(world.store) as tx:
        withdraw(tx, world.site.site_id, version, now=START)
        assert saved_version(tx, world.site.site_id, version).withdrawn_at == START
        with pytest.raises(Conflict):
            sign(tx, world.site.site_id, version, Side.SALES, by=BOB, now=START)


def test_a_site_may_do_without_signatures(world: World) -> None:
    with begin(world.store) as tx:
        save_lifecycle(tx, world.site.site_id, Lifecycle(needs_sign_off=False))
    save(world, MQL, START)
    asks(world, "v", START, "hana@kyoto.example")
    assert [one[:2] for one in stages(world)] == [("hana@kyoto.example", "marketingqualifiedlead")]


def test_a_version_without_a_reason_or_with_an_error_is_not_saved(world: World) -> None:
    with begin(world.store) as tx:
        for text, reason, field in ((MQL, " ", "reason"), ("[[rule]]", "so", "text")):
            with pytest.raises(Invalid) as error:
                save_definition(tx, world.site.site_id, text, reason=reason, by=ALICE, now=START)
            assert error.value.field == field


def test_when_time_alone_moves_somebody_they_are_looked_at_again(world: World) -> None:
    quiet = '[[rule]]\nname = "quiet"\nstage = "lead"\nwhen = { not = { form = "*", within_days = 30 } }\n'
    points = '[[points]]\nname = "form"\npoints = 8\neach = { form = "*" }\nhalf_life_days = 10\n'
    asks(world, "v", START, "hana@kyoto.example")
    agree(world, save(world, quiet + points, START, from_at=START), START + DAY)
    seen = []
    for days in (5, 10, 20, 30, 40):
        now = START + timedelta(days=days)
        with begin(world.store) as tx:
            while has_due(tx, now):
                assert look_again(tx, 10, now) == 1
        with reading(world.store) as tx:
            row = tx.execute(select(contacts.c.points, contacts.c.stage)).one()
            seen.append((days, *row))
    assert seen == [(5, 8, None), (10, 4, None), (20, 2, None), (30, 1, "lead"), (40, 0, "lead")]
    with reading(world.store) as tx:
        assert tx.execute(select(due)).all() == []
        (change,) = tx.execute(select(stage_changes.c.occurred_at)).scalars()
    assert change == START + timedelta(days=30)


def test_a_company_moves_by_its_people_and_they_with_it(world: World) -> None:
    rule = (
        '[[rule]]\nname = "two of them"\nscope = "company"\nstage = "opportunity"\nwhen = { person = "*", times = 2 }\n'
    )
    with begin(world.store) as tx:
        save_lifecycle(tx, world.site.site_id, Lifecycle(people_follow_company=True))
    agree(world, save(world, rule, START, from_at=START), START)
    asks(world, "v", START, "hana@kyoto.example", "x")
    assert stages(world) == []
    asks(world, "w", START + DAY, "ken@kyoto.example", "x")
    with reading(world.store) as tx:
        rows = tx.execute(select(company_changes)).mappings().all()
        assert [(row["domain"], row["stage"], row["decided_by"]) for row in rows] == [
            ("kyoto.example", "opportunity", "two of them")
        ]
        assert [(from_ms(at), kind) for at, kind, _ in rows[0]["evidence"]] == [
            (START, "person"),
            (START + DAY, "person"),
        ]
        assert [one[:3] for one in moved(tx)] == [
            ("hana@kyoto.example", "opportunity", START + DAY),
            ("ken@kyoto.example", "opportunity", START + DAY),
        ]


def test_what_a_crm_tells_of_a_person_or_their_company_decides_too(world: World) -> None:
    title, size = (
        '{ attribute = "title", matches = "*manager*" }',
        '{ attribute = "company.employees", at_least = 100 }',
    )
    rule = f'[[rule]]\nname = "fit"\nstage = "marketingqualifiedlead"\nwhen.all = [ {title}, {size} ]\n'
    agree(world, save(world, rule, START, from_at=START), START)
    with begin(world.store) as tx:
        said = {"email": "hana@kyoto.example", "properties": {"title": "Marketing Manager"}}
        flow.contact_said(tx, world.site, said, START + DAY, START + DAY)
        known = {"properties": {"employees": "120"}}
        flow.company_said(tx, world.site, "kyoto.example", known, START + 2 * DAY, START + 2 * DAY)
    assert [one[:3] for one in stages(world)] == [("hana@kyoto.example", "marketingqualifiedlead", START + 2 * DAY)]


def test_who_becomes_a_target_account_may_move_its_people(world: World) -> None:
    rule = (
        '[[rule]]\nname = "wanted"\nstage = "marketingqualifiedlead"\nwhen = { attribute = "company.tier", is = "A" }\n'
    )
    asks(world, "v", START, "hana@kyoto.example", "x")
    agree(world, save(world, rule, START, from_at=START), START)
    with begin(world.store) as tx:
        accounts.save(tx, world.site.site_id, [accounts.Told("kyoto.example", "B")], ALICE, START + DAY)
        tiers_told(tx, world.site, ["kyoto.example"])
    assert stages(world) == []
    with begin(world.store) as tx:
        accounts.save(tx, world.site.site_id, [accounts.Told("kyoto.example", "A")], ALICE, START + 2 * DAY)
        tiers_told(tx, world.site, ["kyoto.example"])
    assert [one[:2] for one in stages(world)] == [("hana@kyoto.example", "marketingqualifiedlead")]
