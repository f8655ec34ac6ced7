"""Of whom a condition holds now."""

from datetime import timedelta

from sqlalchemy import Engine, select

from tests.walks import START, World, walk
from tracker.db.schema import contacts
from tracker.db.store import begin, reading
from tracker.lifecycle.asking import holding
from tracker.lifecycle.definition import read_condition
from tracker.lifecycle.settled import Lifecycle, save_lifecycle
from tracker.lifecycle.versions import save_definition
from tracker.staging import own_ids_of
from tracker.vocabulary import Stage

DAY = timedelta(days=1)
POINTS = '[[points]]\nname = "pricing"\npoints = 8\neach = { page = "/pricing" }\nhalf_life_days = 10\n'


def test_a_condition_holds_of_those_whose_facts_say_so_now(store: Engine) -> None:
    world = World(store)
    with begin(store) as tx:
        save_lifecycle(tx, world.site.site_id, Lifecycle(needs_sign_off=False))
        save_definition(tx, world.site.site_id, POINTS, reason="so", by="ann", now=START)
    walk(world)
    world.stage("ken@osaka.example", START + DAY, Stage.MQL)
    with reading(store) as tx:
        named = {row.contact_id: row.email for row in tx.execute(select(contacts.c.contact_id, contacts.c.email))}
        records = own_ids_of(tx, set(named))

        def who(when: str, days: int = 3) -> set[str]:
            found = holding(
                tx, world.site.site_id, records, read_condition(f"when = {when}"), START + timedelta(days=days)
            )
            return {named[one].partition("@")[0] for one in found}

        assert who('{ page = "/pricing" }') == {"hana"}
        assert who('{ page = "/pricing", within_days = 5 }', 8) == set()
        assert who('{ form = "*" }', 2) == set()  # who is not known yet is nobody
        assert who('{ attribute = "stage", is = "marketingqualifiedlead" }') == {"ken"}
        assert who('{ attribute = "stage", known = false }') == {"hana"}
        assert who("{ score = 8 }") == {"hana"}
        assert who("{ score = 8 }", 12) == set()
        assert who('{ not = { page = "/pricing" } }') == {"ken"}
