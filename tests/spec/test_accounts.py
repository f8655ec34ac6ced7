"""Target accounts (accounts.md): titles, the list, the tiers, by source, over time, and lists of accounts."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from tests.walks import World
from tracker import flow
from tracker.access.sites import add_site, site_by_id
from tracker.accountfiles import understand
from tracker.companies.accounts import Told, read, save, save_roles
from tracker.companies.roles import SHIPPED, Role, checked, roles_in
from tracker.db.schema import contacts
from tracker.db.store import Tx, begin, reading
from tracker.deals.pipelines import StageTold, tell_pipeline
from tracker.errors import Invalid
from tracker.reports.account_facts import by_source, months_of
from tracker.reports.accounts import AccountRow, Accounts, TierLine, accounts_report, wanted_by, with_engagement
from tracker.reports.opportunity_facts import ask_opportunities

PAGE = (Path(__file__).parent / "accounts.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
START = datetime(2026, 5, 1, 3, tzinfo=UTC)
TODAY = datetime(2026, 6, 30, 3, tzinfo=UTC)
ROLES = (Role("Marketing", ("market*", "マーケ")), Role("Sales", ("sales", "営業")), Role("IT", ("CTO", "IT")))
Lines = list[dict[str, str]]


def lines(section: str) -> Lines:
    text = SECTIONS[section]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def tell(store: Engine) -> World:
    """The companies, people and deals of the page; Hana came by an ad."""
    world = World(store)
    form = {"form": {"id": "contact"}, "identifiers": {"email": "hana@kyoto.example"}}
    ad = "/?utm_source=google&utm_medium=cpc"
    world.send("hana", [world.hit(START, ad), world.hit(START + timedelta(minutes=1), "/contact", kind="form", **form)])
    world.send("hana", [world.hit(datetime(2026, 6, 20, 3, tzinfo=UTC), "/pricing")])
    world.fold()
    with begin(store) as tx:
        site = site_by_id(tx, world.site.site_id)
        for row in lines("The accounts"):
            save(tx, site.site_id, [Told(row["domain"], row["tier"])], "alice", START)
            if row["stage"]:
                flow.company_said(tx, site, row["domain"], {}, START, START, row["stage"])
        save_roles(tx, site.site_id, ROLES)
        for row in lines("The people"):
            told = {"properties": {row["told"]: row["title"]}} if row["told"] else {}
            score = {"score": int(row["score"])} if row["score"] else {}
            flow.contact_said(tx, site, {"email": row["e-mail"], **told, **score}, START, START)
        tell_pipeline(tx, site.site_id, "sales", [StageTold("offer", None, 9_000)], START)
        for row in lines("The deals"):
            tell_deal(tx, world, row)
    return world


def tell_deal(tx: Tx, world: World, row: dict[str, str]) -> None:
    at = START + timedelta(days=3)
    names = row["of"].split(", ")
    people = [{"by": "email", "value": name} for name in names if "@" in name]
    named = next((name for name in names if "@" not in name), None)
    company = {"company_domain": named} if named else {}
    told = {"probability": row["probability"]} if row["probability"] else {}
    stage = "closed" if row["status"] == "won" else "offer"
    fields = {"amount": row["amount"], "currency": "EUR", "pipeline": "sales", "stage": stage, "status": row["status"]}
    flow.deal_said(tx, world.site, row["deal"], {**fields, **told, **company, "contacts": people}, at, at)


def report(tx: Tx, world: World, **asked: str) -> Accounts:
    return accounts_report(tx, site_by_id(tx, world.site.site_id), wanted_by(asked), TODAY)


def row_shown(one: AccountRow) -> dict[str, str]:
    return {
        "domain": one.domain,
        "people": str(one.n_people),
        "roles": ", ".join(one.roles),
        "score": "" if one.score is None else str(one.score),
        "top": "" if one.top_score is None else str(one.top_score),
        "open": str(one.n_open),
        "expected": euros(one.expected_minor),
        "revenue": euros(one.revenue_minor),
    }


def tier_shown(one: TierLine) -> dict[str, str]:
    return {
        "tier": one.tier or "all",
        "accounts": str(one.n),
        "known": str(one.n_known),
        "roles": str(one.n_roles),
        "wanted": str(one.n_wanted),
        "open": str(one.n_open),
        "expected": euros(one.expected_minor),
        "revenue": euros(one.revenue_minor),
        "stages": ", ".join(f"{stage} {n}" for stage, n in one.stages),
    }


def euros(minor: int) -> str:
    return f"{minor / 100:g}"


def test_each_title_is_of_its_roles() -> None:
    told = lines("Titles and the roles that they are of")
    assert [{"title": row["title"], "roles": ", ".join(roles_named(row["title"]))} for row in told] == told


def roles_named(title: str) -> list[str]:
    return [one.name for one in ROLES if one.name in roles_in(title, ROLES)]


def test_the_list_the_tiers_and_the_sources_are_as_the_tables_say(store: Engine) -> None:
    world = tell(store)
    with reading(store) as tx:
        site = site_by_id(tx, world.site.site_id)
        found = report(tx, world, sort="name")
        assert [row_shown(one) for one in found.rows] == lines("What the list shows")
        assert [tier_shown(one) for one in (*found.tiers, found.total)] == lines("By tier")
        assert not found.by_points
        asked = ask_opportunities(tx, {"by": "channel"}, site, "2026-06-30")
        (ad,) = by_source(tx, asked, found.promised, ["A", "B"])
        assert (ad.source.value, ad.tiers, ad.total_minor) == ("paid_search", (97_000, 12_000), 107_000)
        kyoto = with_engagement(tx, site, [one for one in found.rows if one.domain == "kyoto.example"], TODAY)[0]
        assert kyoto.engaged is not None
        assert kyoto.engaged.weeks == (0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0)
        months = months_of(tx, site.site_id, "2026-06-30")
        assert (months.months[0], months.months[-1]) == ("2025-07", "2026-06")
        assert {stage: sum(counts) for stage, counts in months.stages.items()} == {"opportunity": 1, "customer": 1}
        assert months.stages["customer"][months.months.index("2026-05")] == 1
        narrowed = {
            "tier=B": report(tx, world, tier="B"),
            "stage=none": report(tx, world, stage="none"),
            "people=none": report(tx, world, people="none"),
            "q=KYO": report(tx, world, q="KYO"),
            "sort=expected": report(tx, world, sort="expected"),
        }
    domains = {asked: [one.domain.partition(".")[0] for one in of.rows] for asked, of in narrowed.items()}
    assert domains == {
        "tier=B": ["osaka", "uji"],
        "stage=none": ["nara", "uji"],
        "people=none": ["nara", "uji"],
        "q=KYO": ["kyoto"],
        "sort=expected": ["kyoto", "osaka", "nara", "uji"],
    }
    with begin(store) as tx:
        tx.execute(update(contacts).where(contacts.c.email == "ken@kyoto.example").values(points=7))
        by_points = report(tx, world)
    assert by_points.by_points
    assert {one.domain: one.score for one in by_points.rows if one.n_people} == {
        "kyoto.example": 7,
        "osaka.example": None,
    }


@pytest.mark.stores("sqlite")
def test_a_list_says_what_becomes_of_each_line(store: Engine) -> None:
    world, rows = World(store), lines("A list of accounts")
    cells = [[row[name].replace('"', '""') for name in ("domain", "name", "tier", "owner")] for row in rows]
    text = "\n".join(["ドメイン,会社名,Tier,担当者", *(",".join(f'"{cell}"' for cell in row) for row in cells)])
    with begin(store) as tx:
        save(tx, world.site.site_id, [Told("acme.example", "B", None, "Ken")], "alice", START)
        for content in (text.encode(), text.encode("cp932"), text.replace(",", "\t").encode("utf-16")):
            found = understand(tx, world.site.site_id, content, "C", "alice", TODAY)
            shown = [
                {
                    "becomes": f"{one.verdict}: {one.why}" if one.why else one.verdict,
                    "as": f"{one.after.domain} {one.after.tier}" if one.after else "",
                }
                for one in found.lines
            ]
            assert shown == [{"becomes": row["becomes"], "as": row["as"]} for row in rows]
        saved = save(tx, world.site.site_id, found.told, "alice", TODAY)
        assert [after.domain for _, after in saved] == ["kyoto.example", "uji.example"]
        again = understand(tx, world.site.site_id, text.encode(), "C", "alice", TODAY)
        assert {one.verdict for one in again.lines} == {"unchanged", "refused"}
        assert read(tx, world.site.site_id, ["acme.example"])["acme.example"].owner == "Ken"
        for wrong in (b"", b"name,tier\nx,A\n", b"domain\n" + b"a.example\n" * 5_001, b"\xff\x00\x00\x00" * 9):
            with pytest.raises(Invalid):
                understand(tx, world.site.site_id, wrong, "C", "alice", TODAY)


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        ([Role("", ("x",))], "name"),
        ([Role("A", ())], "no words"),
        ([Role("A", ("***",))], "no words"),
        ([Role("A", ("x",)), Role("A", ("y",))], "twice"),
        ([Role("A", ("x" * 61,))], "at most"),
        ([Role(str(n), ("x",)) for n in range(21)], "at most"),
    ],
)
def test_roles_that_nobody_could_use_are_refused(roles: list[Role], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        checked(roles)


@settings(max_examples=60)
@given(st.text(alphabet="aA 営業-*", max_size=12), st.text(alphabet="aA 営*", min_size=1, max_size=6))
def test_what_stands_alone_is_found_whatever_is_around_it(around: str, word: str) -> None:
    plain = word.replace("*", "").strip()
    if not plain:
        return
    role = (Role("R", (plain,)),)
    assert roles_in(f"{around} {plain} {around}", role) == {"R"}
    assert roles_in(f"{around} {plain} {around}".swapcase(), role) == {"R"}
    assert roles_in(around, (Role("R", (f"*{plain}*",)),)) == (
        {"R"} if plain.casefold() in around.casefold() else set()
    )


def test_the_shipped_roles_may_be_saved() -> None:
    assert checked(SHIPPED) == SHIPPED


@pytest.mark.stores("sqlite")
def test_another_sites_accounts_people_and_touches_are_not_seen(store: Engine) -> None:
    world = World(store)
    form = {"form": {"id": "contact"}, "identifiers": {"email": "hana@kyoto.example"}}
    world.send("hana", [world.hit(datetime(2026, 6, 20, 3, tzinfo=UTC), "/contact", kind="form", **form)])
    world.fold()
    with begin(store) as tx:
        flow.company_said(tx, world.site, "kyoto.example", {}, START, START, "lead")
        tell_deal(tx, world, lines("The deals")[0])
        other = world.site.site_id + 1
        added = add_site(tx, "Carol's", ["carol.example"], now=START, timezone="UTC", currency="EUR", key="carolkey")
        assert added.site_id == other
        save(tx, other, [Told("kyoto.example", "Z")], "carol", START)
        found = accounts_report(tx, added, wanted_by({}), TODAY)
        (row,) = with_engagement(tx, added, found.rows, TODAY)
    assert (row.n_people, row.stage, row.n_open, row.expected_minor) == (0, None, 0, 0)
    assert row.engaged is not None
    assert row.engaged.n == 0
