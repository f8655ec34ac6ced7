"""What is told of people, and who is counted when (stages.md): on both databases, and again after a rebuild."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tests.walks import World
from tracker import flow
from tracker.access.sites import Site
from tracker.db.schema import contacts, conversions, crm_changes, stage_changes
from tracker.db.store import Tx, begin, connect, reading
from tracker.identity.merge import Decision
from tracker.identity.stitch import founded_id
from tracker.lifecycle.changes import Change, Win, Word, changes_of
from tracker.rebuild import rebuild
from tracker.vocabulary import IdentifierKind, Stage, StageCause

PAGE = (Path(__file__).parent / "stages.md").read_text(encoding="utf-8")
CASES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
START = datetime(2026, 4, 1, tzinfo=UTC)
Lines = list[dict[str, str]]


def lines(text: str) -> Lines:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def told_of(case: str) -> tuple[Lines, Lines, Lines]:
    """What is told in a case, the changes and who is counted."""
    told, rest = CASES[case].split("Changes:")
    changes, counted = rest.split("Counted:")
    return lines(told), lines(changes), lines(counted)


def instant(day: str) -> datetime:
    return datetime.fromisoformat(f"2026-{day}T03:00:00").replace(tzinfo=UTC)


def address(who: str, case: str) -> str:
    """Everybody's of a case."""
    return f"{who.lower()}@case{list(CASES).index(case)}.example"


def contact_id(site: Site, who: str, case: str) -> str:
    return founded_id(site.site_id, (IdentifierKind.EMAIL, address(who, case)))


def tell(tx: Tx, site: Site, case: str, line: dict[str, str], received_at: datetime) -> None:
    """One line of a case, by the doors that a CRM and a user come through."""
    at, people, said = instant(line["on"]), line["of"].split(", "), line["told"].split()
    own_id = contact_id(site, people[0], case)
    if said[0] == "crm":
        flow.contact_said(tx, site, {"email": address(people[0], case)}, at, received_at, Stage(said[1]))
    elif said[0] == "user":
        by = "user alice@acme.example"
        flow.stage_said(tx, site, own_id, Stage(said[1]), by, StageCause.USER, at, received_at)
    elif said[0] == "deal":
        named = [{"by": "email", "value": address(who, case)} for who in people]
        fields = {"status": said[1], "amount": "100", "contacts": named}
        flow.deal_said(tx, site, f"D-{list(CASES).index(case)}", fields, at, received_at)
    elif said[0] == "merge":
        into_id = contact_id(site, said[2], case)
        flow.contact_merged(tx, site, Decision(site.site_id, own_id, into_id, "alice", at), received_at)
    else:
        flow.contact_split(tx, site, Decision(site.site_id, own_id, None, "alice", at), received_at)


def derived(store: Engine, site: Site) -> dict[str, tuple[Lines, Lines]]:
    """Per case the changes and who is counted; and everybody stands where their last change led."""
    names = {contact_id(site, who, case): (case, who) for case in CASES for who in ("Hana", "Ken")}
    found: dict[str, tuple[Lines, Lines]] = {case: ([], []) for case in CASES}
    stands: dict[str, tuple[str, datetime]] = {}
    with reading(store) as tx:
        changes = stage_changes.c
        for row in tx.execute(
            select(stage_changes).order_by(changes.occurred_at, changes.contact_id, changes.position)
        ):
            case, who = names[row.contact_id]
            on, before = f"{row.occurred_at:%m-%d}", row.stage_before or ""
            found[case][0].append({"of": who, "on": on, "from": before, "to": row.stage, "cause": row.cause})
            stands[row.contact_id] = (row.stage, row.occurred_at)
        told = select(conversions).where(conversions.c.kind.in_(["mql", "sql", "customer"]))
        for row in tx.execute(told):
            case, who = names[row.contact_id]
            found[case][1].append({"of": who, "on": f"{row.occurred_at:%m-%d}", "as": row.kind})
        rows = tx.execute(select(contacts.c.contact_id, contacts.c.stage, contacts.c.stage_at))
        assert {row[0]: row[1:] for row in rows if row[1] is not None} == stands
    return {case: (in_order(changes), in_order(counted)) for case, (changes, counted) in found.items()}


def in_order(rows: Lines) -> Lines:
    return sorted(rows, key=lambda row: (row["of"], row["on"], row.get("as", "")))


def test_stages_change_and_people_are_counted(store: Engine) -> None:
    world = World(store)
    expected = {}
    for case in CASES:
        told, changes, counted = told_of(case)
        expected[case] = (in_order(changes), in_order(counted))
        received_at = START
        for line in told:
            received_at = max(received_at, instant(line["on"]))
            with begin(store) as tx:
                tell(tx, world.site, case, line, received_at)
    assert derived(store, world.site) == expected
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == before


def test_a_word_that_changes_nothing_now_is_not_kept(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "store")
    store = connect(f"sqlite:///{tmp_path / 'store'}")
    site, case = World(store).site, next(iter(CASES))
    kept = []
    with begin(store) as tx:
        flow.contact_said(tx, site, {"email": address("Hana", case)}, START, START)
        for n, (stage, cause, days_ago) in enumerate(
            (
                (Stage.LEAD, StageCause.CRM, 0),
                (Stage.LEAD, StageCause.CRM, 0),
                (Stage.LEAD, StageCause.USER, 0),
                (Stage.MQL, StageCause.USER, 0),
                (Stage.LEAD, StageCause.CRM, 0),
                (Stage.MQL, StageCause.CRM, 0),
                # Of the past: something may yet come that was in between. The same again is known.
                (Stage.MQL, StageCause.CRM, 0.5),
                (Stage.MQL, StageCause.CRM, 1.5),
            )
        ):
            now = START + timedelta(days=n + 1)
            at = now - timedelta(days=days_ago)
            kept.append(flow.stage_said(tx, site, contact_id(site, "Hana", case), stage, "x", cause, at, now))
        n_rows = len(tx.execute(select(crm_changes.c.seq).where(crm_changes.c.kind == "stage")).all())
    assert kept == [True, False, False, True, False, True, True, False]
    store.dispose()
    assert n_rows == sum(kept)


WORDS = st.builds(
    Word,
    st.integers(0, 5).map(lambda n: START + timedelta(days=n)),
    st.sampled_from(Stage),
    st.sampled_from([StageCause.CRM, StageCause.USER]),
    st.sampled_from(["crm", "alice"]),
    st.sampled_from("ab"),
)
WINS = st.builds(Win, st.integers(0, 5).map(lambda n: START + timedelta(days=n)), st.sampled_from(["D-1", "D-2"]))


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=8), st.lists(WINS, max_size=2), st.randoms())
def test_in_any_order_each_change_begins_where_the_one_before_ended(words, wins, random) -> None:  # type: ignore[no-untyped-def]
    found = changes_of(words, wins)
    mixed = list(words)
    random.shuffle(mixed)
    assert changes_of([*mixed, *words[:2]], wins[::-1]) == found
    befores: list[Stage | None] = [None, *(one.stage for one in found)]
    assert [one.before for one in found] == befores[:-1]
    assert all(one.before != one.stage for one in found)
    assert [one.at for one in found] == sorted(one.at for one in found)
    latest_win = max((win.at for win in wins), default=None)
    if latest_win is not None:
        assert standing(found, latest_win) in (Stage.CUSTOMER, Stage.EVANGELIST)


def standing(found: list[Change], at: datetime) -> Stage | None:
    return next((one.stage for one in reversed(found) if one.at <= at), None)
