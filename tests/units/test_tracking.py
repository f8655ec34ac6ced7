"""A site's settings for its snippet: what may stand there, and what an unknown word does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from tests.units.conftest import Command
from tests.world import START
from tracker.access.sites import add_site, find_site, set_tracking
from tracker.access.tracking import ADAPTERS, SHIPPED, Tracking, changed, read_tracking, written
from tracker.db.schema import sites
from tracker.db.store import begin, reading
from tracker.errors import Invalid


def test_a_new_site_waits_for_consent_and_sends_no_more_than_it_must() -> None:
    assert (
        Tracking(consent="opt-in", gpc=True, dnt=False, fields=("phone",), hash=False, clicks=(), parts=()) == SHIPPED
    )


CHANGES = [
    ({"consent": "none"}, Tracking(consent="none")),
    ({"gpc": False, "dnt": True, "hash": True}, Tracking(gpc=False, dnt=True, hash=True)),
    ({"fields": "company, phone,phone"}, Tracking(fields=("phone", "company"))),
    ({"fields": ""}, Tracking(fields=())),
    ({"clicks": ["download"]}, Tracking(clicks=("download",))),
    ({"parts": ["tcf", "hubspot"]}, Tracking(parts=("hubspot", "tcf"))),
    ({}, SHIPPED),
]


@pytest.mark.parametrize(("told", "expected"), CHANGES, ids=str)
def test_settings_are_changed_one_by_one(told: dict[str, object], expected: Tracking) -> None:
    assert changed(SHIPPED, told) == expected


WRONG = [
    ({"consent": "maybe"}, "consent", "'maybe' is not one of opt-in, opt-out, none"),
    ({"fields": "phone,password"}, "fields", "'password' is not one of phone, name, company"),
    ({"clicks": "all"}, "clicks", "'all' is not one of outbound, download"),
    ({"parts": ["hubspot", "../m"]}, "parts", "'../m' is not one of hubspot, marketo"),
    ({"gpc": "yes"}, "gpc", "'yes' is neither yes nor no"),
    ({"colour": "red"}, "colour", "there is no setting 'colour'"),
]


@pytest.mark.parametrize(("told", "field", "message"), WRONG, ids=str)
def test_a_wrong_setting_is_named_with_what_may_stand_there(told: dict[str, object], field: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        changed(SHIPPED, told)
    assert refused.value.field == field
    assert refused.value.message.startswith(message)


def test_a_word_of_a_newer_release_is_left_out_and_the_others_hold() -> None:
    stored = {"consent": "none", "parts": ["hubspot", "brandnew"], "gpc": "maybe", "colour": "red"}
    assert read_tracking(stored) == Tracking(consent="none", parts=("hubspot",))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Tracking.__struct_fields__, "x"]), inner),
    )
)
def test_whatever_is_stored_gives_settings(stored: object) -> None:
    assert isinstance(read_tracking(stored), Tracking)


@given(st.builds(Tracking))
def test_settings_are_read_as_they_were_written(tracking: Tracking) -> None:
    canonical = changed(SHIPPED, written(tracking))
    assert read_tracking(written(canonical)) == canonical


def test_a_site_keeps_its_settings(store: Engine) -> None:
    with begin(store) as tx:
        site = add_site(tx, "Acme", ["acme.example"], now=START, key="acmekey")
        assert site.tracking == SHIPPED
        set_tracking(tx, site, Tracking(consent="none", parts=ADAPTERS[:2]))  # type: ignore[arg-type]
    with reading(store) as tx:
        assert find_site(tx, "acmekey").tracking == Tracking(consent="none", parts=("hubspot", "marketo"))
    with begin(store) as tx:
        tx.execute(update(sites).values(tracking={}))
        assert find_site(tx, "acmekey").tracking == SHIPPED


def test_the_command_sets_what_is_given_and_prints_all(command: Command, store: Engine) -> None:
    added = command("site", "add", "Acme", "--host", "acme.example", "--consent", "none")
    assert added.exit_code == 0, added.output
    key = added.output.split()[1]
    assert f'/m.js?site={key}"></script>' in added.output
    done = command("site", "set", key, "--dnt", "--fields", "name,phone", "--parts", "calendly,hubspot")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "consent: none",
        "gpc: yes",
        "dnt: yes",
        "fields: phone,name",
        "hash: no",
        "clicks: ",
        "parts: hubspot,calendly",
    ]
    with reading(store) as tx:
        assert find_site(tx, key).tracking.dnt


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--parts", "nonsense"), "parts: 'nonsense' is not one of hubspot"),
        (("--consent", "yes"), "consent: 'yes' is not one of opt-in"),
    ],
)
def test_the_command_says_what_may_stand_there_and_changes_nothing(
    command: Command, store: Engine, words: tuple[str, ...], said: str
) -> None:
    with begin(store) as tx:
        add_site(tx, "Acme", ["acme.example"], now=START, key="acmekey")
    done = command("site", "set", "acmekey", "--dnt", *words)
    assert done.exit_code == 1
    assert said in done.output
    with reading(store) as tx:
        assert find_site(tx, "acmekey").tracking == SHIPPED
