"""Contacts merged and split, with anything in between: a rebuild gives the same rows, a split those there would be."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.properties.test_arrival_order import call, chat, deal, form, hit_of, page, seen
from tests.walks import START, World
from tracker import flow
from tracker.access.sites import site_by_id
from tracker.db.store import begin, connect
from tracker.errors import Conflict, Invalid, NotFound
from tracker.identity.merge import Decision
from tracker.identity.stitch import find_contact
from tracker.ids import derive
from tracker.rebuild import rebuild
from tracker.vocabulary import Stage

WHO = ("hana@kyoto.example", "ken@osaka.example", "mari@gmail.com")
CRM_IDS = ("C-1", "C-2")

who = st.sampled_from(WHO)
minutes = st.integers(0, 600)
word = st.tuples(
    st.just("word"),
    st.just(""),
    minutes,
    st.one_of(
        st.fixed_dictionaries({"email": who}),
        st.fixed_dictionaries({"crm_id": st.sampled_from(CRM_IDS)}),
        st.fixed_dictionaries({"email": who, "crm_id": st.sampled_from(CRM_IDS)}),
    ),
    st.sampled_from([None, None, Stage.LEAD, Stage.MQL, Stage.CUSTOMER]),
)
named_deal = st.tuples(
    st.just("deal"),
    st.sampled_from(["D-3", "D-4"]),
    minutes,
    st.fixed_dictionaries(
        {"amount": st.sampled_from(["100", "250.50"])},
        optional={
            "status": st.sampled_from(["open", "won", "lost"]),
            "company_domain": st.just("kyoto.example"),
            "type": st.sampled_from(["new", "upsell"]),
            "contacts": st.lists(
                st.one_of(
                    who.map(lambda email: {"by": "email", "value": email}),
                    st.sampled_from(CRM_IDS).map(lambda crm_id: {"by": "crm_id", "value": crm_id}),
                ),
                max_size=2,
            ),
        },
    ),
)
merged = st.tuples(st.just("merge"), who, minutes, who)
split = st.tuples(st.just("split"), who, minutes)
told = st.one_of(page, form, form, chat, call, deal, named_deal, word, word)
happenings = st.lists(st.one_of(told, told, told, merged, split), min_size=2, max_size=24)
PROPERTY = settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@contextmanager
def worlds(template: Path, *names: str) -> Iterator[list[World]]:
    """Worlds on stores of their own."""
    folder = Path(tempfile.mkdtemp())
    found = []
    try:
        for name in names:
            shutil.copy(template, folder / name)
            found.append(World(connect(f"sqlite:///{folder / name}")))
        yield found
    finally:
        for world in found:
            world.store.dispose()
        shutil.rmtree(folder)


def happen(world: World, one: tuple[Any, ...], hits: dict[int, dict[str, Any]], n: int) -> None:
    """Let one thing reach the world; what is refused leaves nothing."""
    kind, at = one[0], START + timedelta(minutes=one[2])
    if kind == "deal":
        with suppress(Invalid):  # told late, it may contradict what came after it
            world.deal(one[1], at, **one[3])
    elif kind == "call":
        world.call(one[1], at, one[3], one[4], number=str(hits[id(one)]["id"]))
    elif kind in ("merge", "split"):
        decide(world, kind, one, n)
    elif kind == "word":
        say(world, {**one[3], "name": f"name {n}", "properties": {f"p{n % 3}": n}}, one[4], at, n)
    else:
        world.send(one[1], [hits[id(one)]])


def say(world: World, fields: dict[str, Any], stage: Stage | None, at: Any, n: int) -> None:
    """A CRM tells of a person."""
    try:
        with begin(world.store) as tx:
            site, now = site_by_id(tx, world.site.site_id), START + timedelta(days=1, minutes=n)
            flow.contact_said(tx, site, fields, at, now, stage)
    except Conflict:
        pass


def decide(world: World, kind: str, one: tuple[Any, ...], n: int) -> None:
    """Somebody merges or splits; by address, whoever that names now, or by its own id."""
    now = START + timedelta(days=1, minutes=n)
    site_id = world.site.site_id
    own = [derive("contact", site_id, "email", email) for email in (one[1], *one[3:])]
    try:
        with begin(world.store) as tx:
            site = site_by_id(tx, site_id)
            for contact_id in own:
                find_contact(tx, site_id, contact_id=contact_id)
            decision = Decision(site_id, own[0], own[1] if kind == "merge" else None, "alice@acme.example", now)
            (flow.contact_merged if kind == "merge" else flow.contact_split)(tx, site, decision, now)
    except (Conflict, Invalid, NotFound):
        pass


def hits_of(world: World, told: list[tuple[Any, ...]]) -> dict[int, dict[str, Any]]:
    """The hits of what happens, made once."""
    ordered = sorted(told, key=lambda one: one[0] != "page")
    return {id(one): hit_of(world, one) for one in ordered if one[0] not in ("deal", "word", "merge", "split")}


@PROPERTY
@given(told=happenings, batch=st.integers(1, 4))
def test_a_rebuild_gives_the_same_people_deals_and_credit(
    sqlite_template: Path, told: list[tuple[Any, ...]], batch: int
) -> None:
    with worlds(sqlite_template, "one") as (world,):
        hits = hits_of(world, told)
        for n, one in enumerate(told):
            happen(world, one, hits, n)
            if n % batch == 0:
                world.fold(batch)
        world.fold()
        before = world.facts()
        with begin(world.store) as tx:
            rebuild(tx, batch)
        assert world.facts() == before


@PROPERTY
@given(before=st.lists(told, max_size=12), meanwhile=st.lists(told, max_size=8), pairs=st.lists(merged, max_size=3))
def test_what_is_merged_and_split_is_as_if_it_never_was(
    sqlite_template: Path, before: list[Any], meanwhile: list[Any], pairs: list[Any]
) -> None:
    # A word with two names may be taken while they are one person's, and only then.
    meanwhile = [one for one in meanwhile if not (one[0] == "word" and len(one[3]) == 2)]
    with worlds(sqlite_template, "merged", "never") as both:
        hits = hits_of(both[0], before + meanwhile)
        for n, one in enumerate(before):
            for world in both:
                happen(world, one, hits, n)
                world.fold()
        untouched = both[0].facts()
        for n, one in enumerate(pairs):
            decide(both[0], "merge", one, 100 + n)
        for n, one in enumerate(meanwhile, 200):
            for world in both:
                happen(world, one, hits, n)
                world.fold()
        for n, one in enumerate(reversed(pairs)):
            decide(both[0], "split", one, 300 + n)
        assert both[0].facts() == both[1].facts()
        assert meanwhile or both[0].facts() == untouched


@PROPERTY
@given(told=happenings, random=st.randoms(), batch=st.integers(1, 4))
def test_hits_may_come_before_or_after_a_merge(
    sqlite_template: Path, told: list[tuple[Any, ...]], random: Any, batch: int
) -> None:
    with worlds(sqlite_template, "in order", "mixed") as both:
        hits = hits_of(both[0], told)
        said = [one for one in told if id(one) not in hits]
        for world in both:
            for n, email in enumerate(WHO):
                say(world, {"email": email}, None, START, -9 + n)
        mixed = [one for one in told if id(one) in hits]
        random.shuffle(mixed)
        places = sorted(random.randrange(len(mixed) + 1) for _ in said)
        for place, one in zip(reversed(places), reversed(said), strict=True):
            mixed.insert(place, one)
        for world, order in zip(both, (told, mixed), strict=True):
            numbers = {id(one): n for n, one in enumerate(said)}
            for n, one in enumerate(order):
                happen(world, one, hits, numbers.get(id(one), 0))
                if n % batch == 0:
                    world.fold(batch)
            world.fold()
        assert seen(both[0]) == seen(both[1])
