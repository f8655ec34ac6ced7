"""What is told of companies and who follows them (company_stages.md): on both databases, and again after a rebuild."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tests.walks import World
from tracker import flow
from tracker.access.sites import Site
from tracker.companies.record import Known, known_of
from tracker.db.schema import companies, company_changes, contacts, crm_changes, stage_changes
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid
from tracker.lifecycle.settled import Lifecycle, save_lifecycle
from tracker.rebuild import rebuild
from tracker.vocabulary import StageCause

PAGE = (Path(__file__).parent / "company_stages.md").read_text(encoding="utf-8")
CASES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
START = datetime(2026, 4, 1, tzinfo=UTC)
OF = {"Hana": "kyoto", "Ken": "kyoto", "Mari": "nara"}
COMPANIES = ("Kyoto", "Nara")
USER = "user alice@acme.example"
Lines = list[dict[str, str]]


def lines(text: str) -> Lines:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def instant(day: str) -> datetime:
    return datetime.fromisoformat(f"2026-{day}T03:00:00").replace(tzinfo=UTC)


def domain(company: str, number: int) -> str:
    return f"{company.lower()}{number}.example"


def address(who: str, number: int) -> str:
    return f"{who.lower()}@{domain(OF[who], number)}"


def tell(world: World, number: int, line: dict[str, str], received_at: datetime) -> None:
    """One line of a case, by the doors that a CRM, a user and a browser come through."""
    at, who, said = instant(line["on"]), line["of"], line["told"].split()
    if said == ["form"]:
        form = {"form": {"id": "contact"}, "identifiers": {"email": address(who, number)}}
        world.send(f"{who}{number}", [world.hit(at, "/contact", kind="form", **form)])
        world.fold()
        return
    with begin(world.store) as tx:
        told_to(tx, world.site, number, who, said, at, received_at)


def told_to(tx: Tx, site: Site, number: int, who: str, said: list[str], at: datetime, received_at: datetime) -> None:
    if said[0] == "deal":
        whom = (
            {"company_domain": domain(who, number)}
            if who in COMPANIES
            else {"contacts": [{"by": "email", "value": address(who, number)}]}
        )
        fields = {"status": said[1], "amount": "100", "closed_at": at.isoformat(), **whom}
        flow.deal_said(tx, site, f"D-{number}", fields, at, received_at)
    elif who in COMPANIES:
        cause, by = (StageCause.USER, USER) if said[0] == "user" else (StageCause.CRM, "crm")
        fields = None if said[0] == "user" else {"name": who}
        flow.company_said(tx, site, domain(who, number), fields, at, received_at, said[1], cause, by)
    elif said[0] == "user":
        contact_id, _ = flow.contact_said(tx, site, {"email": address(who, number)}, at, received_at)
        flow.stage_said(tx, site, contact_id, said[1], USER, StageCause.USER, at, received_at)
    elif said[0] == "moves":
        fields = {"email": address(who, number), "company_domain": domain(said[2], number)}
        flow.contact_said(tx, site, fields, at, received_at)
    else:
        stage = said[1] if said[0] == "crm" else None
        flow.contact_said(tx, site, {"email": address(who, number)}, at, received_at, stage)


def derived(store: Engine) -> dict[str, Lines]:
    """Per case the changes of companies and of people; and all stand where their last change led."""
    found: dict[str, Lines] = {case: [] for case in CASES}
    cases = list(CASES)
    with reading(store) as tx:
        people = {row.contact_id: row for row in tx.execute(select(contacts))}
        own = {(row.domain): row for row in tx.execute(select(companies))}
        rows = [(row.domain.split(".")[0], row, own[row.domain]) for row in tx.execute(select(company_changes))]
        for row in tx.execute(select(stage_changes)):
            name, _, host = people[row.contact_id].email.partition("@")
            number = re.sub(r"\D", "", host)
            rows.append((f"{name}{number}", row, people[row.contact_id]))
    last: dict[str, tuple[int, str, str]] = {}
    for name, row, stands in rows:
        case = cases[int(re.sub(r"\D", "", name))]
        who = re.sub(r"\d", "", name).capitalize()
        on = f"{row.occurred_at:%m-%d}"
        found[case].append({"of": who, "on": on, "from": row.stage_before or "", "to": row.stage, "cause": row.cause})
        last[name] = max(last.get(name, (-1, "", "")), (row.position, row.stage, stands.stage))
    assert all(stage == stands for _, stage, stands in last.values())
    return {case: in_order(own) for case, own in found.items()}


def in_order(rows: Lines) -> Lines:
    return sorted(rows, key=lambda row: (row["of"], row["on"]))


def test_companies_change_and_their_people_follow(store: Engine) -> None:
    world = World(store)
    with begin(store) as tx:
        save_lifecycle(tx, world.site.site_id, Lifecycle(people_follow_company=True))
    expected = {}
    for number, case in enumerate(CASES):
        told, changes = CASES[case].split("Changes:")
        expected[case] = in_order(lines(changes))
        received_at = START
        for line in lines(told):
            received_at = max(received_at, instant(line["on"]))
            tell(world, number, line, received_at)
    assert derived(store) == expected
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == before


@pytest.mark.stores("sqlite")
def test_people_go_their_own_way_unless_the_site_wants_it_otherwise(store: Engine) -> None:
    world = World(store)
    with begin(store) as tx:
        flow.contact_said(tx, world.site, {"email": "hana@kyoto.example"}, START, START)
        flow.company_said(tx, world.site, "kyoto.example", {}, START, START, "customer")
        assert tx.execute(select(contacts.c.stage)).scalar_one() is None
        assert tx.execute(select(companies.c.stage)).scalar_one() == "customer"


@pytest.mark.stores("sqlite")
def test_what_is_told_of_a_company_is_kept_once_and_the_later_word_counts(store: Engine) -> None:
    world, later = World(store), START + timedelta(days=9)
    with begin(store) as tx:
        told = [
            flow.company_said(tx, world.site, "kyoto.example", fields, at, later, stage)
            for fields, at, stage in (
                ({}, START, None),
                ({}, START, None),
                ({"name": "Kyoto Tea", "properties": {"employees": 120, "industry": "food"}}, later, None),
                ({"name": "Kyoto Tea", "properties": {"employees": 120}}, later, None),
                ({"name": "Kyoto", "properties": {"employees": 50, "city": "Uji"}}, START, None),
                ({"name": None}, later, "lead"),
                ({"name": None}, later, "lead"),
            )
        ]
        row = tx.execute(select(companies)).one()
        n = len(tx.execute(select(crm_changes.c.seq)).all())
        with pytest.raises(Invalid):
            flow.company_said(tx, world.site, "kyoto.example", {}, later, later, "no stage")
    assert told == [True, False, True, False, True, True, False]
    assert (row.name, row.stage) == (None, "lead")
    assert row.properties == {"employees": 120, "industry": "food", "city": "Uji"}
    assert n == 5


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Kyoto", "Nara", None]),
        "properties": st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=2),
    },
)


@settings(max_examples=40)
@given(st.lists(FIELDS, max_size=6))
def test_a_word_that_is_repeated_makes_nothing_else_known(words: list[dict[str, object]]) -> None:
    known = known_of(words)
    assert known_of([*words, {}]) == known
    if words:
        assert known_of([*words, words[-1]]) == known
    assert known_of([*words, {"name": known.name, "properties": known.properties}]) == known
    assert known_of([]) == Known(None, {})
