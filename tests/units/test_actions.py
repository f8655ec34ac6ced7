"""What actions say and sign, and whom a webhook may be posted to."""

import base64
import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.receiver import receiving
from tracker.actions.messages import Subject, body_of, for_slack, slack_link, verdict_of
from tracker.actions.moved import StageMoved
from tracker.actions.signing import headers_of, secret_of
from tracker.connectors.guarded import Refused, connected, inner_of, is_public
from tracker.connectors.outgoing import Answer, check_url, may_ask, pause_of, post
from tracker.errors import Invalid, Unready
from tracker.secret import seal, unsealed
from tracker.vocabulary import Scope, StageCause

AT = datetime(2026, 4, 5, 1, tzinfo=UTC)
MOVED = StageMoved(Scope.CONTACT, "a" * 32, "lead", "customer", AT, StageCause.RULE, "Asked for a price", 3)
PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")
HERE, INSIDE = ("127.0.0.1", "::1"), ("10.0.0.1", "192.168.1.1", "172.16.5.4", "fc00::1", "::ffff:10.0.0.1")
NEVER = (
    "169.254.169.254",
    "fe80::1%eth0",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
)


def test_a_message_is_signed_as_the_scheme_has_it() -> None:
    """The example of github.com/standard-webhooks/standard-webhooks (libraries/python/tests), read 2026-11-22."""
    headers = headers_of(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_whoever_has_the_secret_can_check_the_signature(random: bytes, body: bytes) -> None:
    headers = headers_of(secret_of(random), "act_1", AT, body)
    signed = b"act_1." + str(int(AT.timestamp())).encode() + b"." + body
    ours = base64.b64encode(hmac.digest(random, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{ours}"


def test_a_body_tells_what_happened_to_whom() -> None:
    about = Subject(Scope.CONTACT, "a" * 32, "花 <b>", "hana@kyoto.example", "C-7")
    told = json.loads(body_of("act_1", "acmekey", MOVED, about, is_test=False))
    assert told == {
        "event": "stage.changed",
        "id": "act_1",
        "test": False,
        "site": "acmekey",
        "scope": "contact",
        "contact": {"id": "a" * 32, "email": "hana@kyoto.example", "crm_id": "C-7", "name": "花 <b>"},
        "from": "lead",
        "to": "customer",
        "at": "2026-04-05T01:00:00.000Z",
        "cause": "rule",
        "decided_by": "Asked for a price",
        "version": 3,
    }
    firm = json.loads(body_of("act_2", "acmekey", MOVED, Subject(Scope.COMPANY, "kyoto.example"), is_test=True))
    assert (firm["company"], firm["test"]) == ({"domain": "kyoto.example", "name": None}, True)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Hana Sato", "Hana Sato"),
        ("<!channel> & <https://evil.example|here>", "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;"),
        ("@all come", "@\u200ball come"),
        ("hana@kyoto.example", "hana@kyoto.example"),
        ("two\nlines\r\u2028more\u202e", "two lines more"),
        ("[here](https://evil.example)", "[here] (https://evil.example)"),
        ("x" * 500, "x" * 200),
    ],
)
def test_strangers_words_do_nothing_in_slack(said: str, shown: str) -> None:
    assert for_slack(said) == shown


@given(st.text())
def test_no_word_opens_or_ends_a_link_in_slack(text: str) -> None:
    link = slack_link("https://m.example/contacts/1?site=a", text)
    assert link.startswith("<https://m.example/contacts/1?site=a|")
    assert [link.count(one) for one in "<>|\n"] == [1, 1, 1, 0]


@pytest.mark.parametrize("may_be_private", [False, True])
def test_webhooks_go_to_the_internet_and_inside_only_where_allowed(may_be_private: bool) -> None:
    def allowed(address: str, is_encrypted: bool) -> bool:
        return all(may_ask(ip, is_encrypted, may_be_private=may_be_private) for ip in inner_of(address))

    assert {allowed(one, True) for one in PUBLIC} == {True}
    assert {allowed(one, False) for one in PUBLIC} == {False}
    assert {allowed(one, True) for one in HERE + INSIDE} == {may_be_private}
    assert {allowed(one, False) for one in HERE} == {may_be_private}
    assert {allowed(one, False) for one in INSIDE} == {False}
    assert {allowed(one, encrypted) for one in NEVER for encrypted in (True, False)} == {False}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/x",
        "ftp://hooks.example/",
        "javascript:alert(1)",
        "https://user:pass@hooks.example/",
        "https://hooks.example:99999/",
        "https://hooks.example/\nX: y",
        "https://good.example\\@evil.example/",
        "https://hooks.example/" + "x" * 2_000,
        "http://hooks.example/",
        "https://localhost/",
        "https://metadata.google.internal/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_an_address_that_cannot_be_one_is_refused_when_it_is_written(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url, may_be_private=False)
    assert post(url, b"{}", {}, may_be_private=False) == Answer(fault="no_address", is_final=True)


def test_a_name_that_leads_inside_is_refused_before_it_is_connected_to() -> None:
    with receiving() as receiver:
        port = int(receiver.origin.rpartition(":")[2])
        assert post(f"http://localhost:{port}/x", b"{}", {}, may_be_private=True).status == 204
        with pytest.raises(Refused) as refused:
            connected("localhost", port, 1, lambda ip, _: is_public(ip), is_encrypted=True)
        assert refused.value.key == "private_address"
        assert len(receiver.taken) == 1


def test_no_redirect_is_followed_and_a_mute_receiver_is_left() -> None:
    with receiving() as receiver:
        receiver.status, receiver.headers = 302, {"Location": f"{receiver.origin}/inside"}
        assert post(f"{receiver.origin}/out", b"{}", {}, may_be_private=True) == Answer(302)
        assert [path for path, _, _ in receiver.taken] == ["/out"]
        receiver.is_mute = True
        answer = post(f"{receiver.origin}/mute", b"{}", {}, may_be_private=True, within_s=0.2)
        assert (answer.status, answer.is_final) == (None, False)
    assert post(f"{receiver.origin}/gone", b"{}", {}, may_be_private=True).fault == "unreachable"


@pytest.mark.parametrize(
    ("status", "error", "is_final"),
    [
        (200, "", False),
        (204, "", False),
        (301, "HTTP 301", True),
        (404, "HTTP 404", False),
        (410, "HTTP 410", True),
        (429, "HTTP 429", False),
        (500, "HTTP 500", False),
        (None, "tls", False),
    ],
)
def test_an_answer_means_taken_or_later_or_never(status: int | None, error: str, is_final: bool) -> None:
    verdict = verdict_of(status, "tls", is_final=False, after_s=None)
    assert (verdict.error, verdict.is_final) == (error, is_final)


def test_a_receiver_may_ask_for_four_hours_and_no_more() -> None:
    said = ("120", "999999", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "٣", "")
    assert [pause_of(one) for one in said] == [120, 14_400, None, None, None, None, None]


def test_what_is_sealed_is_read_with_the_same_secret_only() -> None:
    sealed = seal("s" * 40, "whsec_abc")
    assert b"whsec" not in sealed
    assert unsealed("s" * 40, sealed) == "whsec_abc"
    with pytest.raises(Unready):
        unsealed("t" * 40, sealed)
