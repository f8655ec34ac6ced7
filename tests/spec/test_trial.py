"""A definition tried on history (trial.md): who would change, both funnels side by side, and the drift of a count."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.walks import World
from tracker import flow
from tracker.db.schema import contacts, stage_changes
from tracker.db.store import begin, reading
from tracker.lifecycle.definition import read_definition
from tracker.lifecycle.settled import restage
from tracker.lifecycle.versions import save_definition, sign
from tracker.reports.trial import UNSAVED, Ask, Reading, Sample, Tried, drift_of, people_of, sample_of, try_definition
from tracker.reports.trial_sums import Result
from tracker.staging import restage_some
from tracker.vocabulary import Side, Stage

PAGE = (Path(__file__).parent / "trial.md").read_text(encoding="utf-8")
IN_FORCE, TRIED = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
FROM = datetime(2026, 3, 15, tzinfo=UTC)
FIRST = datetime(2020, 1, 1, tzinfo=UTC)


def part(heading: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def lines(heading: str) -> list[list[str]]:
    rows = [line for line in part(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows[2:]]


def otherwise(heading: str) -> int:
    found = re.search(r"same stage: (\d+)", part(heading))
    assert found
    return int(found[1])


def live(world: World) -> None:
    """Let people do what the page says."""
    for who, on, what in lines("What people did"):
        at = datetime.fromisoformat(f"2026-{on}T03:00:00").replace(tzinfo=UTC)
        email = f"{who.lower()}@{who.lower()}.example"
        if what.startswith("the CRM"):
            with begin(world.store) as tx:
                flow.contact_said(tx, world.site, {"email": email}, at, at, Stage(what.split()[-1]))
            continue
        form = re.fullmatch(r"form (\w+)(?:, (\d+) employees)?", what)
        assert form
        more: dict[str, object] = {"form": {"id": form[1]}, "identifiers": {"email": email}}
        world.send(who, [world.hit(at, "/x", kind="form", **more)])
        if form[2]:
            with begin(world.store) as tx:
                told = {"email": email, "properties": {"employees": int(form[2])}}
                flow.contact_said(tx, world.site, told, at, at)
    world.fold()


def put_in_force(world: World, text: str, from_at: datetime) -> int:
    """Save a version and let both sides sign it; everybody is derived anew."""
    with begin(world.store) as tx:
        site_id = world.site.site_id
        version = save_definition(tx, site_id, text, reason="spec", by="user a", now=NOW, from_at=from_at).version
        sign(tx, site_id, version, Side.MARKETING, by="user a", now=NOW)
        sign(tx, site_id, version, Side.SALES, by="user b", now=NOW)
    return version


@pytest.fixture
def world(store: Engine) -> World:
    found = World(store)
    live(found)
    put_in_force(found, IN_FORCE, FIRST)
    return found


def names(world: World) -> dict[str, str]:
    with reading(world.store) as tx:
        rows = tx.execute(select(contacts.c.contact_id, contacts.c.email)).all()
    return {contact_id: email.partition("@")[0].capitalize() for contact_id, email in rows}


def moves(world: World, found: Result) -> list[list[str]]:
    known = names(world)
    rows = [[str(one.before), str(one.after), known[one.contact_id]] for one in found.movers]
    assert sorted((one.before, one.after, one.n) for one in found.moves) == sorted(
        (before, after, sum(row[:2] == [before, after] for row in rows))
        for before, after in {(r[0], r[1]) for r in rows}
    )
    return sorted(rows)


def test_who_would_stand_elsewhere_and_both_funnels_side_by_side(world: World) -> None:
    tried = Tried(UNSAVED, read_definition(TRIED, None), NOW)
    with reading(world.store) as tx:
        trial = try_definition(tx, world.site, tried, Ask(), NOW)
    found = trial.result
    assert (trial.against, trial.sample, found.n_people) == (1, Sample(5, 1), 5)
    assert moves(world, found) == sorted(lines("Who would stand elsewhere"))
    assert found.n_otherwise - found.n_elsewhere == otherwise("Who would stand elsewhere")
    assert [[one.stage, *map(str, one.reached), *map(str, one.entered)] for one in found.stages] == lines(
        "The funnel under A and B"
    )
    assert [[one.month, *map(str, one.n)] for one in found.months] == lines("MQL by month")


def test_beside_the_versions_that_count_only_what_comes_later_changes(world: World) -> None:
    tried = Tried(UNSAVED, read_definition(TRIED, None), FROM)
    with reading(world.store) as tx:
        found = try_definition(tx, world.site, tried, Ask(Reading.AS_DATED), NOW).result
    assert moves(world, found) == lines("As dated")
    assert found.n_otherwise - found.n_elsewhere == otherwise("As dated")


def test_a_count_drifts_from_version_to_version_and_the_stored_rows_are_as_counted(world: World) -> None:
    version = put_in_force(world, TRIED, FROM)
    with reading(world.store) as tx:
        drift = drift_of(tx, world.site, Stage.MQL, NOW)
    assert drift.versions == (1, version)
    assert [[one.month, *map(str, one.n)] for one in drift.months] == lines("Drift")
    # What the trial foretold is what the derivation then stores.
    with begin(world.store) as tx:
        tried = try_definition(
            tx, world.site, Tried(version, read_definition(TRIED, None), FROM), Ask(Reading.AS_DATED), NOW
        ).result
        restage(tx, world.site.site_id)
        while restage_some(tx, 100, NOW):
            pass
        stored = tx.execute(select(stage_changes.c.stage).where(stage_changes.c.stage == Stage.MQL)).all()
        rows = tx.execute(select(contacts.c.contact_id, contacts.c.stage)).all()
        stands = {row.contact_id: row.stage for row in rows}
    assert len(stored) == next(one.entered[1] for one in tried.stages if one.stage == Stage.MQL)
    assert {one.contact_id: stands[one.contact_id] for one in tried.movers} == {
        one.contact_id: one.after for one in tried.movers
    }


def test_of_a_large_site_every_nth_is_looked_at_and_everybody_if_asked_for(world: World) -> None:
    site_id = world.site.site_id
    with reading(world.store) as tx:
        assert sample_of(tx, site_id, 2) == Sample(5, 3)
        assert sample_of(tx, site_id, None) == Sample(5, 1)
        every = [one for records in people_of(tx, site_id, Sample(5, 1)) for one in sorted(records)]
        some = [one for records in people_of(tx, site_id, Sample(5, 3)) for one in sorted(records)]
    assert every == sorted(names(world))
    assert some == every[::3]


def test_a_version_that_is_not_in_force_yet_is_tried_as_if_it_were(world: World) -> None:
    with begin(world.store) as tx:
        saved = save_definition(
            tx, world.site.site_id, TRIED, reason="next", by="user a", now=NOW, from_at=NOW + timedelta(days=30)
        )
        trial = try_definition(
            tx, world.site, Tried(saved.version, read_definition(TRIED, None), saved.from_at), Ask(against=1), NOW
        )
    assert moves(world, trial.result) == sorted(lines("Who would stand elsewhere"))
