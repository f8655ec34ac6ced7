"""GET /m.js: each site's own snippet in one file, and what a page gets whose key nobody knows."""

import json
from typing import Any

import pytest
from sqlalchemy import insert
from werkzeug.test import TestResponse

from api.website.script import composed, made_with
from api.website.snippet import compose
from tests.world import START, World
from tracker.access.sites import Site, add_site, set_tracking
from tracker.access.tracking import Tracking
from tracker.calls.numbers import shown_numbers
from tracker.db.schema import numbers
from tracker.db.store import begin, reading


def told(answer: TestResponse) -> dict[str, Any]:
    """The settings in a served script: the JSON with which it is called."""
    called = answer.text.rindex(")({") + 2
    settings, _ = json.JSONDecoder().raw_decode(answer.text[called:])
    assert isinstance(settings, dict)
    return settings


def made_of(world: World, settings: dict[str, Any], *parts: str) -> bytes:
    """The script of these settings and parts."""
    return compose(world.app.static_folder or "", settings, parts)


def get(world: World, query: str = "?site=acmekey", **headers: str) -> TestResponse:
    return world.app.test_client().get(f"/m.js{query}", headers=headers)


def test_a_sites_script_carries_its_settings_and_parts(world: World) -> None:
    chosen = Tracking(consent="opt-out", dnt=True, fields=("phone", "name"), parts=("calendly",))
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, chosen)
    answer = get(world)
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    settings = {
        "site": "acmekey",
        "consent": "opt-out",
        "gpc": True,
        "dnt": True,
        "fields": ["phone", "name"],
        "hash": False,
        "clicks": [],
    }
    assert told(answer) == settings
    assert answer.data == made_of(world, settings, "names", "calendly")


def test_a_new_site_asks_for_consent_and_an_old_tag_sets_nothing(world: World) -> None:
    assert told(get(world)) == {
        "site": "acmekey",
        "consent": "opt-in",
        "gpc": True,
        "dnt": False,
        "fields": ["phone"],
        "hash": False,
        "clicks": [],
    }
    assert get(world, "").data == made_of(world, {})


def test_a_script_is_kept_for_an_hour_and_not_sent_again_unless_it_changed(world: World) -> None:
    answer = get(world)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    same = get(world, **{"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, Tracking(consent="none"))
    other = get(world, **{"If-None-Match": answer.headers["ETag"]})
    assert other.status_code == 200
    assert told(other)["consent"] == "none"


@pytest.mark.parametrize("key", ["nobody", "", "%00", "é", "x" * 500, "acmekey'"])
def test_a_key_that_no_site_has_gets_a_script_that_does_nothing_and_says_so(world: World, key: str) -> None:
    answer = get(world, f"?site={key}")
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    assert answer.headers["X-Minamoto"] == "unknown_site"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.text == "window.minamoto=window.minamoto||function(){};\n"


def test_a_store_that_is_away_breaks_no_page(world: World) -> None:
    with begin(world.store) as tx:
        tx.exec_driver_sql("ALTER TABLE sites RENAME TO elsewhere")
    answer = get(world)
    assert (answer.status_code, answer.headers["X-Minamoto"]) == (200, "busy")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text.startswith("window.minamoto=")


@pytest.mark.parametrize(
    ("hosts", "parts"),
    [
        (["www.acme.example"], ()),
        (["www.acme.example", "shop.acme.example"], ()),
        (["acme.example", "acme.test"], ("link",)),
        (["a.co.jp", "b.co.jp"], ("link",)),
        (["a.github.io", "b.github.io"], ("link",)),
        (["localhost", "127.0.0.1"], ("link",)),
    ],
)
def test_a_site_of_several_domains_hands_visitors_over(world: World, hosts: list[str], parts: tuple[str, ...]) -> None:
    with begin(world.store) as tx:
        site = add_site(tx, "Many", hosts, now=START)
    settings, carried = made_with(site)
    assert carried == parts
    assert json.loads(settings).get("hosts") == (sorted(hosts) if parts else None)


def test_parts_follow_from_settings_and_numbers_and_adapters_come_last(world: World) -> None:
    with begin(world.store) as tx:
        site = set_tracking(tx, world.acme, Tracking(clicks=("outbound",), parts=("hubspot", "tcf")))
    assert made_with(site, shown=[["03-1111-2222", "+81 3-1111-2222"]])[1] == ("clicks", "calls", "hubspot", "tcf")


@pytest.mark.parametrize(
    ("fields", "carried"), [((), ()), (("phone",), ()), (("name",), ("names",)), (("phone", "company"), ("names",))]
)
def test_names_are_read_only_where_they_are_allowed(
    world: World, fields: tuple[Any, ...], carried: tuple[str, ...]
) -> None:
    with begin(world.store) as tx:
        site = set_tracking(tx, world.acme, Tracking(fields=fields))
    assert made_with(site)[1] == carried


def test_clicks_know_which_hosts_are_the_sites(world: World) -> None:
    with begin(world.store) as tx:
        site = set_tracking(tx, world.acme, Tracking(clicks=("outbound",)))
    assert json.loads(made_with(site)[0])["hosts"] == list(site.hosts)


@pytest.mark.parametrize(
    ("facts", "shown"), [({}, True), ({"removed_at": START}, False), ({"source": "brochure"}, False)], ids=str
)
def test_only_numbers_that_visitors_are_shown_need_the_part_for_calls(
    world: World, facts: dict[str, Any], shown: bool
) -> None:
    add_number(world, world.acme, **facts)
    with reading(world.store) as tx:
        assert [bool(shown_numbers(tx, site.site_id)) for site in (world.acme, world.other)] == [shown, False]
    assert get(world).status_code == 200


def test_a_part_that_is_not_there_is_left_out_and_said_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    folder = world.app.static_folder or ""
    composed.cache_clear()
    assert composed(folder, "{}", ("calendly", "not-yet")) == compose(folder, {}, ["calendly"])
    assert "the snippet has no part not-yet" in caplog.text


def add_number(world: World, site: Site, **facts: Any) -> None:
    row = {"site_id": site.site_id, "number": "+81355556666", "shown": ["+81311112222"], "added_at": START}
    with begin(world.store) as tx:
        tx.execute(insert(numbers), [row | facts])


def test_a_beacon_can_come_as_an_image(world: World) -> None:
    beacon = {"v": 1, "site": "acmekey", "visitor": "v" * 22, "sent_at": 0, "hits": [world.hit("page", "/")]}
    beacon["sent_at"] = beacon["hits"][0]["at"]  # type: ignore[index]
    answer = world.app.test_client().get("/m/e", query_string={"b": json.dumps(beacon)})
    assert (answer.status_code, answer.mimetype, len(answer.data)) == (200, "image/gif", 43)
    assert answer.headers["Cache-Control"] == "no-store"
    assert world.fold() == 1


@pytest.mark.parametrize(
    ("beacon", "headers", "status", "reason"),
    [
        ("", {}, 400, "malformed"),
        ("{", {}, 400, "malformed"),
        ('{"v":1}', {}, 400, "malformed"),
        ("GOOD", {"Sec-GPC": "1"}, 403, "opted_out"),
        ("GOOD", {"Sec-Purpose": "prefetch"}, 403, "prefetch"),
        ("FOREIGN", {}, 403, "foreign_host"),
        ("UNKNOWN", {}, 404, "unknown_site"),
        ("x" * 70_000, {}, 413, "too_large"),
    ],
)
def test_an_image_that_is_no_good_beacon_is_refused_as_that_would_be(
    world: World, beacon: str, headers: dict[str, str], status: int, reason: str
) -> None:
    hit = world.hit("page", "/")
    good = {"v": 1, "site": "acmekey", "visitor": "v" * 22, "sent_at": hit["at"], "hits": [hit]}
    texts = {
        "GOOD": json.dumps(good),
        "FOREIGN": json.dumps(good | {"hits": [hit | {"url": "https://evil.example/"}]}),
        "UNKNOWN": json.dumps(good | {"site": "nobody"}),
    }
    query = {"b": texts.get(beacon, beacon)}
    answer = world.app.test_client().get("/m/e", query_string=query, headers=headers)
    assert (answer.status_code, answer.headers["X-Minamoto"], answer.data) == (status, reason, b"")
    assert world.fold() == 0


@pytest.mark.parametrize(
    ("host", "fetch_site", "sets"),
    [("www.acme.example", "same-origin", True), ("track.example.net", "cross-site", False)],
)
def test_an_images_answer_sets_the_cookie_only_on_the_pages_own_origin(
    world: World, host: str, fetch_site: str, sets: bool
) -> None:
    hit = world.hit("page", "/")
    beacon = {"v": 1, "site": "acmekey", "visitor": "v" * 22, "sent_at": hit["at"], "hits": [hit]}
    answer = world.app.test_client().get(
        "/m/e", query_string={"b": json.dumps(beacon)}, headers={"Host": host, "Sec-Fetch-Site": fetch_site}
    )
    assert ("Set-Cookie" in answer.headers) is sets
