"""What mail services write: SendGrid's events and its signature, files in two languages, addresses of links."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.world import START
from tracker.errors import Invalid
from tracker.identity.normalise import email_of
from tracker.mailing.address import checked_url, tagged
from tracker.mailing.reading import COLUMNS, NEEDED, from_rows, from_sendgrid, is_signed
from tracker.sealed import seal, unseal
from tracker.survey import reading as answers
from tracker.uploaded import moment_of, read_rows
from tracker.urls import host_of
from tracker.vocabulary import MailKind

TOLD = {"email": "Hana@Kyoto.example", "timestamp": int(START.timestamp()), "sg_event_id": "e1", "category": "welcome"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("processed", MailKind.SENT),
        ("delivered", MailKind.DELIVERED),
        ("open", MailKind.OPEN),
        ("click", MailKind.CLICK),
        ("bounce", MailKind.BOUNCE),
        ("dropped", MailKind.BOUNCE),
        ("unsubscribe", MailKind.UNSUBSCRIBE),
        ("group_unsubscribe", MailKind.UNSUBSCRIBE),
        ("spamreport", MailKind.SPAM),
    ],
)
def test_sendgrids_events_are_ours(event: str, kind: MailKind) -> None:
    (one,) = from_sendgrid([{**TOLD, "event": event}], START, email_of).events
    assert (one.kind, one.email, one.programme, one.step) == (kind, "hana@kyoto.example", "welcome", "")
    assert (one.event_id, one.occurred_at, one.is_machine) == ("sendgrid e1", START, False)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"event": "deferred"}, "other_kind"),
        ({"event": "something new"}, "kind_unknown"),
        ({"event": ["open"]}, "kind_unknown"),
        ({"email": "nobody"}, "no_email"),
        ({"email": None}, "no_email"),
        ({"category": None}, "no_programme"),
        ({"category": []}, "no_programme"),
        ({"category": [{"a": 1}]}, "no_programme"),
        ({"timestamp": "soon"}, "no_time"),
        ({"timestamp": True}, "no_time"),
        ({"timestamp": -1}, "no_time"),
        ({"timestamp": 10**20}, "no_time"),
        ({"timestamp": int((START + timedelta(days=2)).timestamp())}, "ahead"),
    ],
)
def test_what_cannot_be_used_has_its_reason_and_stops_nothing(told: dict[str, object], reason: str) -> None:
    good = {**TOLD, "event": "open"}
    found = from_sendgrid([{**good, **told}, good], START, email_of)
    assert (dict(found.refused), len(found.events)) == ({reason: 1}, 1)


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"minamoto_programme": "tour", "minamoto_step": "2"}, ("tour", "2")),
        ({"unique_args": {"minamoto_programme": "tour", "minamoto_step": "2"}}, ("tour", "2")),
        ({"category": ["news", "april"], "marketing_campaign_name": "April"}, ("news", "April")),
        ({"category": None, "marketing_campaign_name": "April"}, ("April", "")),
    ],
)
def test_the_mails_own_arguments_name_it_then_its_category(told: dict[str, object], named: tuple[str, str]) -> None:
    (one,) = from_sendgrid([{**TOLD, "event": "open", **told}], START, email_of).events
    assert (one.programme, one.step) == named


def test_a_machines_open_is_said_by_sendgrid() -> None:
    found = from_sendgrid(
        [{**TOLD, "event": "open", "sg_machine_open": told} for told in (True, False)], START, email_of
    )
    assert [one.is_machine for one in found.events] == [True, False]


def test_only_who_has_the_key_signs() -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    public = base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    body, at = b'[{"event":"open"}]\r\n', "1776389400"
    signed = base64.b64encode(key.sign(at.encode() + body, ec.ECDSA(SHA256()))).decode()
    forged = base64.b64encode(other.sign(at.encode() + body, ec.ECDSA(SHA256()))).decode()
    assert is_signed(public, signed, at, body)
    for signature, when, what in (
        (forged, at, body),
        (signed, "1776389401", body),
        (signed, at, body + b" "),
        ("", at, body),
        ("é", at, body),
        ("AAAA", at, body),
    ):
        assert not is_signed(public, signature, when, what)
    for wrong in ("AAAA", "not base64!", ""):
        with pytest.raises(Invalid):
            is_signed(wrong, signed, at, body)


MAILS = """配信レポート

種別;シナリオ;件名;メールアドレス;日時
開封;歓迎;ようこそ;Hana@Kyoto.example;2026/4/1 9:30
クリック;歓迎;ようこそ;ken@kyoto.example;2026年4月1日
なに;歓迎;;ken@kyoto.example;2026/4/1
不達;;;ken@kyoto.example;2026/4/1
送信;歓迎;;誰か;2026/4/1
送信;歓迎;;ken@kyoto.example;いつか
送信;歓迎;;ken@kyoto.example;2027/4/1
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_a_japanese_file_is_read_and_its_faults_are_told_by_line(encoding: str) -> None:
    rows = read_rows(MAILS.encode(encoding), COLUMNS, NEEDED)
    found = from_rows(rows, "Asia/Tokyo", START, email_of)
    assert [(one.kind, one.email, one.step) for one in found.events] == [
        (MailKind.OPEN, "hana@kyoto.example", "ようこそ"),
        (MailKind.CLICK, "ken@kyoto.example", "ようこそ"),
    ]
    assert [one.occurred_at.isoformat() for one in found.events] == [
        "2026-04-01T00:30:00+00:00",
        "2026-04-01T03:00:00+00:00",
    ]
    assert found.lines == (
        (6, "kind_unknown"),
        (7, "no_programme"),
        (8, "no_email"),
        (9, "no_time"),
        (10, "ahead"),
    )


def test_columns_are_found_by_english_names_in_any_order_and_with_any_delimiter() -> None:
    lines = ["E-Mail,Event Type,Campaign,Timestamp,Other", "a@b.example,Opened,News,2026-04-01T09:00:00+09:00,x"]
    for delimiter in (",", ";", "\t"):
        content = "\r\n".join(lines).replace(",", delimiter).encode()
        (one,) = from_rows(read_rows(content, COLUMNS, NEEDED), "UTC", START, email_of).events
        assert (one.kind, one.programme, one.occurred_at.hour) == (MailKind.OPEN, "News", 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n",
        b"a,b\n1,2\n",
        b"\x00\x01\x02",
        b"kind,programme,email\nopen,a,b\n",
        b'kind,"programme',
        b"x" * 11_000_000,
    ],
    ids=["empty", "blank", "other columns", "no text", "one is missing", "cut off", "large"],
)
def test_what_is_no_such_file_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(Invalid):
        read_rows(content, COLUMNS, NEEDED)


def test_a_file_of_answers_is_read() -> None:
    head, first = "回答日,点数,メールアドレス,コメント", '2026/3/1,１０,,"=1+1\n二行"'
    content = f"{head}\n{first}\n2026/3/1,11,,\n2026/3/1,5,x,\n,5,,".encode()
    found = answers.from_rows(read_rows(content, answers.COLUMNS, answers.NEEDED), "Asia/Tokyo", START, email_of)
    assert [(one.score, one.email, one.comment) for one in found.answers] == [(10, "", "=1+1\n二行")]
    assert dict(found.refused) == {"no_score": 1, "email_unreadable": 1, "no_time": 1}


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-04-01T09:00:00+09:00", "2026-04-01T00:00:00+00:00"),
        ("2026-04-01 09:00:30", "2026-04-01T00:00:30+00:00"),
        ("２０２６／４／１　９：０５", "2026-04-01T00:05:00+00:00"),
        ("2026年4月1日 9時30分", "2026-04-01T00:30:00+00:00"),
        ("2026-04-01", "2026-04-01T03:00:00+00:00"),
        ("1775001600", "2026-04-01T00:00:00+00:00"),
    ],
)
def test_times_are_read_as_files_write_them(text: str, instant: str) -> None:
    assert moment_of(text, "Asia/Tokyo").isoformat() == instant


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-04-01 25:00", "01/04/2026", "99999999999999999999"])
def test_a_time_that_is_none_or_unclear_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        moment_of(text, "Asia/Tokyo")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://x.example",
        "data:text/html,x",
        "//evil.example/",
        "/path",
        "https://",
        "https:///path",
        "ftp://x.example/",
        "https://x.example/\r\nSet-Cookie: a=b",
        "https://x.example/ y",
        "https://x.example\\@evil.example/",
        "https://bank.example@evil.example/",
        "https://x.example:99999/",
        "https://[::1/",
        "https://x.example/" + "a" * 2_000,
        "",
    ],
)
def test_a_link_leads_to_the_web_and_nowhere_else(url: str) -> None:
    with pytest.raises(Invalid):
        checked_url(url)


@pytest.mark.parametrize(
    ("url", "to"),
    [
        (
            "https://x.example/a",
            "https://x.example/a?utm_source=email&utm_medium=email&utm_campaign=spring%20%26%20co&utm_content=1",
        ),
        (
            "https://x.example/a?b=1&UTM_Source=news#c?utm_medium=x",
            "https://x.example/a?b=1&UTM_Source=news&utm_medium=email&utm_campaign=spring%20%26%20co&utm_content=1#c?utm_medium=x",
        ),
        (
            "https://x.example?",
            "https://x.example?utm_source=email&utm_medium=email&utm_campaign=spring%20%26%20co&utm_content=1",
        ),
    ],
)
def test_a_link_says_its_source_where_the_address_does_not(url: str, to: str) -> None:
    assert tagged(url, "spring & co", "1") == to


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(max_size=60), st.text("ab/?#&=;%:@", max_size=30))
def test_no_name_of_a_programme_changes_where_a_link_leads(programme: str, step: str, rest: str) -> None:
    try:
        url = checked_url(f"https://x.example/{rest}")
        to = tagged(url, programme, step)
    except (Invalid, UnicodeEncodeError):
        return
    assert host_of(to) == "x.example"
    assert to.partition("?")[0].partition("#")[0] == url.partition("?")[0].partition("#")[0]
    assert to.partition("#")[2] == url.partition("#")[2]
    assert not set(to) & set("\r\n\t ")


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=80), st.text(max_size=20))
def test_what_is_sealed_opens_for_its_own_thing_only(words: str, about: str) -> None:
    try:
        words.encode(), about.encode()
    except UnicodeEncodeError:
        return
    text = seal("s" * 40, "mail link", about, words)
    assert unseal("s" * 40, "mail link", about, text) == words
    assert words not in text or len(words) < 3
    for other in (
        ("t" * 40, "mail link", about),
        ("s" * 40, "invitation", about),
        ("s" * 40, "mail link", about + "x"),
    ):
        assert unseal(*other, text) is None
    for forged in (text[:-1], text + "A", "A" + text[1:] if text[0] != "A" else "B" + text[1:], text + "=", ""):
        assert unseal("s" * 40, "mail link", about, forged) is None
