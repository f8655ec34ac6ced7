"""(pure) What is said of a change of stage: a webhook's body, a line for Slack, and what comes of an answer."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tracker.actions.moved import StageMoved
from tracker.clock import format_instant
from tracker.vocabulary import Scope

EVENT = "stage.changed"
LONGEST_SHOWN = 200
# A name with it would call people: '@channel', '@all'; an address in a text has something before it.
CALL = re.compile(r"(?<![\w.+-])@")
GONE = 410


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a change is about, as they are known when it is told. Everything but the id is a stranger's words.

    key  the contact's id, or the company's domain
    """

    scope: Scope
    key: str
    name: str | None = None
    email: str | None = None
    crm_id: str | None = None

    @property
    def shown(self) -> str:
        """What to call them: the name, else the address, else the key."""
        told = next((one for one in (self.name, self.email, self.crm_id) if one and one.strip()), self.key)
        return one_line(told)[:LONGEST_SHOWN]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of sending. error: a word, '' where it was taken.

    is_final     it will never be taken
    after_s      how long the receiver asks to be left alone
    is_everyones all that goes there would have failed alike now
    """

    error: str = ""
    is_final: bool = False
    after_s: int | None = None
    is_everyones: bool = False


def body_of(message_id: str, site_key: str, move: StageMoved, about: Subject, *, is_test: bool) -> bytes:
    """A webhook's body, JSON in UTF-8: the same words for the same message."""
    if about.scope is Scope.CONTACT:
        whom = {"contact": {"id": about.key, "email": about.email, "crm_id": about.crm_id, "name": about.name}}
    else:
        whom = {"company": {"domain": about.key, "name": about.name}}
    said: dict[str, Any] = {
        "event": EVENT,
        "id": message_id,
        "test": is_test,
        "site": site_key,
        "scope": about.scope.value,
        **whom,
        "from": move.before,
        "to": move.stage,
        "at": format_instant(move.at),
        "cause": move.cause.value,
        "decided_by": move.decided_by,
        "version": move.version,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def slack_body(text: str) -> bytes:
    """What a Slack-compatible address takes: one line that is escaped already."""
    return json.dumps({"text": text, "unfurl_links": False}, ensure_ascii=False).encode("utf-8", "replace")


def for_slack(text: str) -> str:
    """A stranger's words for Slack's text: they open nothing, lead nowhere and call nobody."""
    plain = one_line(text)[:LONGEST_SHOWN].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return CALL.sub("@\u200b", plain).replace("](", "] (")


def slack_link(url: str, text: str) -> str:
    """A link in Slack's text."""
    return f"<{url.replace('|', '%7C').replace('>', '%3E')}|{for_slack(text).replace('|', '/')}>"


def one_line(text: str) -> str:
    """A text without line breaks and what else steers a reader's program."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def verdict_of(status: int | None, fault: str, *, is_final: bool, after_s: int | None) -> Verdict:
    """What an answer to a POST means: 2xx took it; one that is gone or moved never will; all else may, later."""
    if status is None:
        return Verdict(fault or "unreachable", is_final, None, is_everyones=not is_final)
    if 200 <= status < 300:
        return Verdict()
    is_gone = status == GONE or 300 <= status < 400
    return Verdict(f"HTTP {status}", is_gone, after_s, is_everyones=status in {429, 502, 503, 504})
