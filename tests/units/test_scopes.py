"""Whose touches are on a deal's path, and which win of the customer came before it, on both stores."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from tests.walks import START, World
from tracker.attribution.touches import SCOPES
from tracker.clock import to_ms
from tracker.db.schema import conversions, deals, paths
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild

HANA, AKI, RIN = "hana@kyoto.example", "aki@kyoto.example", "rin@kyoto.example"


def day(n: int) -> datetime:
    return START + timedelta(days=n)


def named(*emails: str) -> list[dict[str, str]]:
    return [{"by": "email", "value": email} for email in emails]


def visit(world: World, visitor: str, n: int, campaign: str, email: str = "") -> None:
    """A visit on the n-th day, and a form in it where an address is given."""
    hits = [world.hit(day(n), f"/?utm_source=x&utm_medium=email&utm_campaign={campaign}")]
    if email:
        hits.append(world.hit(day(n) + timedelta(minutes=1), "/contact", kind="form", identifiers={"email": email}))
    world.send(visitor, hits)
    world.fold()


def scopes(world: World, reference: str) -> dict[str, str]:
    """By campaign whose touch it is on the path of a deal's creation."""
    query = (
        select(paths.c.campaign, paths.c.scope)
        .join(conversions, conversions.c.conversion_id == paths.c.conversion_id)
        .join(deals, deals.c.deal_id == conversions.c.deal_id)
        .where(deals.c.reference == reference, paths.c.kind == "deal_created")
    )
    with reading(world.store) as tx:
        return {campaign: SCOPES[scope].value for campaign, scope in tx.execute(query)}


def last_win(world: World, reference: str) -> int | None:
    """The day of the customer's last win before a deal."""
    query = (
        select(conversions.c.last_win_at)
        .join(deals, deals.c.deal_id == conversions.c.deal_id)
        .where(deals.c.reference == reference, conversions.c.kind == "deal_created")
    )
    with reading(world.store) as tx:
        found = tx.execute(query).scalar_one()
    return None if found is None else (to_ms(found) - to_ms(START)) // 86_400_000


def test_touches_are_the_oldest_contacts_another_contacts_or_a_colleagues(store: Engine) -> None:
    world = World(store)
    visit(world, "h", 1, "hana", HANA)
    visit(world, "a", 2, "aki", AKI)
    visit(world, "r", 3, "rin", RIN)
    world.deal("D", day(5), amount="10", company_domain="kyoto.example", contacts=named(AKI, HANA))
    assert scopes(world, "D") == {"hana": "contact", "aki": "deal", "rin": "company"}
    visit(world, "h2", 4, "late", RIN)
    assert scopes(world, "D")["late"] == "company"
    world.deal("D", day(6), contacts=named(RIN))
    assert scopes(world, "D") == {"hana": "company", "aki": "company", "rin": "contact", "late": "contact"}


def test_the_people_of_a_company_are_the_deals_own_where_it_names_nobody(store: Engine) -> None:
    world = World(store)
    visit(world, "h", 1, "hana", HANA)
    visit(world, "a", 2, "aki", AKI)
    world.deal("D", day(5), amount="10", company_domain="kyoto.example")
    assert scopes(world, "D") == {"hana": "contact", "aki": "deal"}


@pytest.mark.parametrize("bound", ["contact", "company"])
def test_an_upsell_knows_the_customers_last_win_before_it(store: Engine, bound: str) -> None:
    world = World(store)
    customer = {"contacts": named(HANA)} if bound == "contact" else {"company_domain": "kyoto.example"}
    world.deal("U", day(20), type="upsell", amount="5", **customer)
    assert last_win(world, "U") is None
    world.deal("A", day(1), amount="10", **customer)
    world.deal("A", day(3), status="won")
    assert last_win(world, "U") == 3
    world.deal("B", day(2), amount="10", **customer)
    world.deal("B", day(9), status="won")
    assert last_win(world, "U") == 9
    world.deal("C", day(2), amount="10", status="won", closed_at=day(25).isoformat(), **customer)
    assert last_win(world, "U") == 9
    world.deal("B", day(26), status="open")
    assert last_win(world, "U") == 3
    world.deal("A", day(27), **({"contacts": named(AKI)} if bound == "contact" else {"company_domain": None}))
    assert last_win(world, "U") is None
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 10)
    assert world.facts() == before


def test_a_new_deal_of_a_customer_has_no_last_win(store: Engine) -> None:
    world = World(store)
    world.deal("A", day(1), amount="10", status="won", contacts=named(HANA))
    world.deal("N", day(20), amount="5", contacts=named(HANA))
    assert last_win(world, "N") is None
