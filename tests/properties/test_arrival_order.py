"""The outcome depends on when things happened, not on when they arrived; a rebuild gives the same rows."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.walks import START, World
from tracker import clock
from tracker.db.schema import metadata
from tracker.db.store import begin, connect
from tracker.lifecycle.settled import Lifecycle, restage, save_lifecycle
from tracker.lifecycle.versions import save_definition
from tracker.rebuild import rebuild
from tracker.staging import restage_some
from tracker.vocabulary import Stage

PAGES = ("/", "/pricing", "/?utm_source=google&utm_medium=cpc&gclid=A1", "/?utm_source=news&utm_medium=email")
REFERRERS = ("", "https://www.google.com/", "https://note.com/x", "https://www.acme.example/")
WHO = ("hana@kyoto.example", "ken@osaka.example", "mari@gmail.com", "aki@kyoto.example")

minutes = st.integers(0, 600)
page = st.tuples(st.just("page"), st.sampled_from("ab"), minutes, st.sampled_from(PAGES), st.sampled_from(REFERRERS))
form = st.tuples(st.just("form"), st.sampled_from("ab"), minutes, st.sampled_from(WHO))
chat = st.tuples(
    st.just("chat"), st.sampled_from("ab"), minutes, st.sampled_from(("", *WHO)), st.sampled_from(["", "s-1", "s-2"])
)
leave = st.tuples(st.just("leave"), st.sampled_from("ab"), minutes, st.integers(0, 9), st.integers(0, 99))
deal = st.tuples(
    st.just("deal"),
    st.sampled_from(["D-1", "D-2"]),
    minutes,
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["open", "won", "lost"]),
            "amount": st.sampled_from(["100", "250.50"]),
            "type": st.sampled_from(["new", "upsell"]),
            "company_domain": st.sampled_from(["kyoto.example", "osaka.example", None]),
            "contacts": st.sampled_from(WHO).map(lambda email: [{"by": "email", "value": email}]),
        },
    ),
)
TRACED = (
    {"traced": "visitor"},
    {"traced": "unknown"},
    {"traced": "number", "origin": {"source": "brochure", "medium": "print", "campaign": None}},
    {"traced": "ambiguous", "candidates": [{"visitor": who, "url": PAGES[2], "referrer": None} for who in "ab"]},
)
call = st.tuples(
    st.just("call"), st.sampled_from("ab"), minutes, st.sampled_from(TRACED), st.sampled_from(("", "", *WHO))
)
stage = st.tuples(
    st.just("stage"), st.sampled_from(WHO), minutes, st.sampled_from([Stage.LEAD, Stage.MQL, Stage.SQL, Stage.CUSTOMER])
)
happenings = st.lists(st.one_of(page, page, form, chat, leave, call, deal, stage), min_size=1, max_size=16)


# Definitions of which each kind of fact decides something, the second version from the middle of the story on.
DEFINITIONS = (
    """
    [[rule]]
    name = "looked at prices"
    stage = "lead"
    when = { page = "/pricing", times = 2, within_days = 1 }

    [[rule]]
    name = "20 points"
    stage = "marketingqualifiedlead"
    when.all = [ { score = 20 }, { not = { touch = "email", within_days = 1 } } ]

    [[rule]]
    name = "two people"
    scope = "company"
    stage = "opportunity"
    when.any = [ { person = "*", times = 2 }, { deal = "created" } ]

    [[points]]
    name = "form"
    points = 20
    each = { form = "*" }
    half_life_days = 1

    [[points]]
    name = "chat"
    points = -5
    each = { chat = "*" }
    cap = 10
    """,
    """
    [[rule]]
    name = "came by an ad"
    stage = "salesqualifiedlead"
    when.all = [ { touch = "paid_search" }, { form = "*" } ]
    """,
)


def define(world: World) -> None:
    """Have the definitions count, and people go with their companies."""
    with begin(world.store) as tx:
        save_lifecycle(tx, world.site.site_id, Lifecycle(needs_sign_off=False, people_follow_company=True))
        for text, since in zip(DEFINITIONS, (START, START + timedelta(minutes=300)), strict=True):
            save_definition(tx, world.site.site_id, text, reason="so it is", by="ann", now=START, from_at=since)
        restage(tx, world.site.site_id)
    with begin(world.store) as tx:
        while restage_some(tx, 3, clock.now()):
            pass


def tell(world: World, order: list[tuple[Any, ...]], ids: dict[int, dict[str, Any]], batch: int) -> None:
    """Let these things arrive in this order, folding after each few."""
    for n, one in enumerate(order):
        at = START + timedelta(minutes=one[2])
        if one[0] == "deal":
            world.deal(one[1], at, **one[3])
        elif one[0] == "stage":
            world.stage(one[1], at, one[3])
        elif one[0] == "call":
            world.call(one[1], at, one[3], one[4], number=str(ids[id(one)]["id"]))
        else:
            world.send(one[1], [ids[id(one)]])
        if n % batch == 0:
            world.fold(batch)
    world.fold(batch)


def hit_of(world: World, one: tuple[Any, ...]) -> dict[str, Any]:
    """What a visitor's browser reports; nothing of a deal."""
    at = START + timedelta(minutes=one[2])
    if one[0] == "page":
        return world.hit(at, one[3], one[4])
    if one[0] == "form":
        return world.hit(at, "/contact", kind="form", identifiers={"email": one[3]}, fields={"name": one[3]})
    if one[0] == "chat":
        return world.hit(at, "/", kind="chat", chat={"provider": "p", "id": one[4]}, identifiers={"email": one[3]})
    if one[0] == "leave" and world.pages:
        page_id = world.pages[one[3] % len(world.pages)]
        return world.hit(at, "/", kind="leave", page=page_id, engaged=one[4], scroll=one[4])
    return world.hit(at, "/", kind="event", name="nothing")


def seen(world: World) -> dict[str, list[Any]]:
    """The derived facts without what only numbers rows of the journal."""
    numbers = {"hit_seq", "visitor_no"}
    found: dict[str, list[Any]] = {}
    for name, rows in world.facts().items():
        columns = [column.name for column in metadata.tables[name].columns]
        found[name] = sorted(
            (tuple(value for column, value in zip(columns, row, strict=True) if column not in numbers) for row in rows),
            key=repr,
        )
    return found


@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(told=happenings, random=st.randoms(), batch=st.integers(1, 5))
def test_any_order_of_arrival_and_a_rebuild_give_the_same_facts(
    sqlite_template: Path, told: list[tuple[Any, ...]], random: Any, batch: int
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        worlds = []
        for name in ("in_order", "shuffled"):
            shutil.copy(sqlite_template, folder / name)
            worlds.append(World(connect(f"sqlite:///{folder / name}")))
            define(worlds[-1])
        ids = {id(one): hit_of(worlds[0], one) for one in sorted(told, key=lambda one: one[0] != "page")}
        deals = [one for one in told if one[0] == "deal"]
        tell(worlds[0], sorted(told, key=lambda one: one[2]), ids, batch)
        # Deal changes of one instant are told apart by arrival, so they keep their order; hits come in any.
        mixed = [one for one in told if one[0] != "deal"]
        random.shuffle(mixed)
        tell(worlds[1], sorted(deals, key=lambda one: one[2]) + mixed, ids, batch)
        assert seen(worlds[0]) == seen(worlds[1])
        before = worlds[1].facts()
        with begin(worlds[1].store) as tx:
            rebuild(tx, batch)
        assert worlds[1].facts() == before
        for world in worlds:
            world.store.dispose()
    finally:
        shutil.rmtree(folder)


@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(told=happenings, batch=st.integers(1, 5), n_before=st.integers(0, 16))
def test_a_whole_history_counted_anew_equals_a_run_from_nothing(
    sqlite_template: Path, told: list[tuple[Any, ...]], batch: int, n_before: int
) -> None:
    """Whenever the definitions come, and whatever counted before: everybody is where they would have been."""
    with tempfile.TemporaryDirectory() as folder:
        worlds = []
        for name in ("from nothing", "anew"):
            shutil.copy(sqlite_template, Path(folder) / name)
            worlds.append(World(connect(f"sqlite:///{Path(folder) / name}")))
        ids = {id(one): hit_of(worlds[0], one) for one in sorted(told, key=lambda one: one[0] != "page")}
        in_order = sorted(told, key=lambda one: one[2])
        define(worlds[0])
        tell(worlds[0], in_order, ids, batch)
        tell(worlds[1], in_order[:n_before], ids, batch)
        define(worlds[1])
        tell(worlds[1], in_order[n_before:], ids, batch)
        assert seen(worlds[0]) == seen(worlds[1])
        for world in worlds:
            world.store.dispose()
