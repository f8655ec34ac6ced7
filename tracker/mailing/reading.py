"""(pure) What became of a mail, as services write it: SendGrid's event webhook, and files with columns by name.

Each word is read on its own: what cannot be read is refused with a reason and counted, the rest is taken.
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event, read 2026-11-22.
"""

import base64
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tracker.clock import from_ms
from tracker.errors import Invalid
from tracker.ids import derive
from tracker.uploaded import UploadedRow, moment_of
from tracker.urls import clean_text
from tracker.vocabulary import MailKind

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

MOST_NAME = 255
MOST_URL = 2_000
AHEAD = timedelta(days=1)
EmailOf = Callable[[str], str | None]


class Fault(StrEnum):
    """Why something that was told of a mail is not taken."""

    NO_EMAIL = "no_email"
    NO_PROGRAMME = "no_programme"
    NO_TIME = "no_time"
    AHEAD = "ahead"
    KIND_UNKNOWN = "kind_unknown"
    OTHER_KIND = "other_kind"


@dataclass(frozen=True, slots=True)
class MailEvent:
    """What became of one mail.

    event_id    the service's, or derived from what it says: the same is kept once
    email       lower-cased; '' of a link that nobody is known by
    contact_id  of a link that names a contact
    is_machine  opened by a machine, as the service says
    """

    event_id: str
    kind: MailKind
    programme: str
    step: str
    email: str
    occurred_at: datetime
    url: str | None = None
    is_machine: bool = False
    contact_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """What was read of a batch; `refused`: how many were not, by reason."""

    events: tuple[MailEvent, ...]
    refused: Mapping[str, int]
    lines: tuple[tuple[int, Fault], ...] = ()


SENDGRID = {
    "processed": MailKind.SENT,
    "delivered": MailKind.DELIVERED,
    "open": MailKind.OPEN,
    "click": MailKind.CLICK,
    "bounce": MailKind.BOUNCE,
    "dropped": MailKind.BOUNCE,  # not even tried, for the address is known not to take mails
    "unsubscribe": MailKind.UNSUBSCRIBE,
    "group_unsubscribe": MailKind.UNSUBSCRIBE,
    "spamreport": MailKind.SPAM,
}
# They say nothing that is counted.
LET_BE = frozenset(("deferred", "group_resubscribe", "account_status_change"))
# The words of files, beside those that are stored.
WORDS = {
    **SENDGRID,
    "opened": MailKind.OPEN,
    "clicked": MailKind.CLICK,
    "bounced": MailKind.BOUNCE,
    "unsubscribed": MailKind.UNSUBSCRIBE,
    "spam report": MailKind.SPAM,
    "complaint": MailKind.SPAM,
    "送信": MailKind.SENT,
    "送信済み": MailKind.SENT,
    "到達": MailKind.DELIVERED,
    "配信": MailKind.DELIVERED,
    "配信済み": MailKind.DELIVERED,
    "開封": MailKind.OPEN,
    "クリック": MailKind.CLICK,
    "不達": MailKind.BOUNCE,
    "バウンス": MailKind.BOUNCE,
    "エラー": MailKind.BOUNCE,
    "配信停止": MailKind.UNSUBSCRIBE,
    "購読解除": MailKind.UNSUBSCRIBE,
    "迷惑メール": MailKind.SPAM,
    "迷惑メール報告": MailKind.SPAM,
    **{kind.value: kind for kind in MailKind},
}
COLUMNS = {
    "event_id": ("id", "sg_event_id", "イベントID"),
    "kind": ("event", "event type", "type", "種別", "イベント", "結果"),
    "programme": ("program", "campaign", "campaign name", "プログラム", "キャンペーン", "キャンペーン名", "シナリオ"),
    "step": ("mail", "subject", "message", "ステップ", "メール名", "件名"),
    "email": ("e-mail", "email address", "mail address", "recipient", "to", "メールアドレス", "宛先", "Eメール"),
    "url": ("link", "clicked url", "リンク", "リンク先"),
    "occurred_at": ("date", "time", "timestamp", "datetime", "at", "日時", "日付", "発生日時"),
}
NEEDED = ("kind", "programme", "email", "occurred_at")


def from_sendgrid(events: Sequence[Mapping[str, Any]], now: datetime, email_of: EmailOf) -> ReadEvents:
    """What SendGrid posted: its events as ours. Programme: see named_by_sendgrid.

    email_of  an address in its one spelling, None for what is none
    """
    found: list[MailEvent] = []
    refused: Counter[str] = Counter()
    for one in events:
        read = sendgrid_event(one, now, email_of)
        if isinstance(read, Fault):
            refused[read.value] += 1
        else:
            found.append(read)
    return ReadEvents(tuple(found), dict(refused))


def sendgrid_event(told: Mapping[str, Any], now: datetime, email_of: EmailOf) -> MailEvent | Fault:
    """One event of SendGrid's, or why it is none of ours."""
    word = str(told.get("event", ""))
    kind = SENDGRID.get(word)
    if kind is None:
        return Fault.OTHER_KIND if word in LET_BE else Fault.KIND_UNKNOWN
    email = email_of(str(told.get("email", ""))[:320])
    if email is None:
        return Fault.NO_EMAIL
    programme, step = named_by_sendgrid(told)
    if programme is None:
        return Fault.NO_PROGRAMME
    seconds = told.get("timestamp")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds < 10**11:
        return Fault.NO_TIME
    at = from_ms(seconds * 1000)
    if at > now + AHEAD:
        return Fault.AHEAD
    url = clean_text(str(told.get("url") or ""), MOST_URL)
    own = clean_text(str(told.get("sg_event_id") or ""), 200)
    event_id = f"sendgrid {own}" if own else derived(kind, programme, step, email, at, url or "")
    return MailEvent(event_id, kind, programme, step, email, at, url, is_machine=told.get("sg_machine_open") is True)


def named_by_sendgrid(told: Mapping[str, Any]) -> tuple[str | None, str]:
    """Programme and step of an event: the mail's own arguments, else its first category, else its campaign's name.

    The step is `minamoto_step`; without it the campaign's name, where something else names the programme.
    """
    unique = told.get("unique_args")
    more = unique if isinstance(unique, dict) else {}

    def argument(name: str) -> str | None:
        value = told.get(name, more.get(name))
        return clean_text(value, MOST_NAME) if isinstance(value, str) else None

    category = told.get("category")
    first = category[0] if isinstance(category, list) and category else category
    campaign = argument("marketing_campaign_name")
    named = argument("minamoto_programme") or (clean_text(first, MOST_NAME) if isinstance(first, str) else None)
    return named or campaign, argument("minamoto_step") or (campaign if named and campaign else "")


def from_rows(rows: Iterable[UploadedRow], timezone: str, now: datetime, email_of: EmailOf) -> ReadEvents:
    """The rows of a file (COLUMNS) as events; days and times without an offset are in the site's zone."""
    found: list[MailEvent] = []
    refused: Counter[str] = Counter()
    lines: list[tuple[int, Fault]] = []
    for row in rows:
        read = row_event(row, timezone, now, email_of)
        if isinstance(read, Fault):
            refused[read.value] += 1
            lines.append((row.line, read))
        else:
            found.append(read)
    return ReadEvents(tuple(found), dict(refused), tuple(lines))


def row_event(row: UploadedRow, timezone: str, now: datetime, email_of: EmailOf) -> MailEvent | Fault:
    """One row as an event, or why it is none."""
    word = unicodedata.normalize("NFKC", row.get("kind")).casefold().strip()
    kind = WORDS.get(word)
    if kind is None:
        return Fault.OTHER_KIND if word in LET_BE else Fault.KIND_UNKNOWN
    email = email_of(row.get("email")[:320])
    if email is None:
        return Fault.NO_EMAIL
    programme = clean_text(row.get("programme"), MOST_NAME)
    if programme is None:
        return Fault.NO_PROGRAMME
    try:
        at = moment_of(row.get("occurred_at"), timezone)
    except Invalid:
        return Fault.NO_TIME
    if at > now + AHEAD:
        return Fault.AHEAD
    step, url = clean_text(row.get("step"), MOST_NAME) or "", clean_text(row.get("url"), MOST_URL)
    own = clean_text(row.get("event_id"), 200)
    event_id = own or derived(kind, programme, step, email, at, url or "")
    return MailEvent(event_id, kind, programme, step, email, at, url)


def derived(kind: MailKind, programme: str, step: str, email: str, at: datetime, url: str) -> str:
    """The id of an event that has none: what it says."""
    return derive("mail event", kind.value, programme, step, email, at.isoformat(), url)


def is_signed(public_key: str, signature: str, timestamp: str, body: bytes) -> bool:
    """Whether SendGrid signed a body: ECDSA over SHA-256 of its timestamp and the body as it came.

    public_key  as SendGrid shows it: DER in base64; raises Invalid for what is none
    signature   of the header X-Twilio-Email-Event-Webhook-Signature, in base64
    timestamp   of the header X-Twilio-Email-Event-Webhook-Timestamp
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    key = key_of(public_key)
    try:
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + body, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return bool(timestamp)


def key_of(public_key: str) -> "EllipticCurvePublicKey":
    """A public key; raises Invalid."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid("this is no public key as SendGrid shows it", field="sendgrid_public_key") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise Invalid("this is no public key of an elliptic curve", field="sendgrid_public_key")
    return key
