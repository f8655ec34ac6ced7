"""A change of stage in words: a line for Slack and a mail, in the language of whom it is for.

Names, addresses and what decided come from strangers: one line of plain text in the mail, escaped in Slack's line.
"""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from flask import url_for
from flask_babel import format_datetime as in_words
from flask_babel import gettext

from api.languages import chosen
from api.mail.compose import domain_of, origin_of
from api.pages.frame import address
from api.pages.shown import word
from tracker.access.sites import Site
from tracker.actions.messages import Subject, for_slack, one_line, slack_link
from tracker.actions.moved import StageMoved
from tracker.clock import zone
from tracker.config import Settings
from tracker.lifecycle.stages import Stages
from tracker.vocabulary import Scope

LONGEST_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class Told:
    """A change that is told to somebody. Call what takes it in surroundings that speak (compose.speaking)."""

    site: Site
    stages: Stages
    moved: StageMoved
    about: Subject
    is_test: bool


def slack_text(told: Told, settings: Settings) -> str:
    """One line: who came into which stage, from which; with a link where this installation has an address."""
    href = href_of(told, settings)
    who = slack_link(href, told.about.shown) if href else for_slack(told.about.shown)
    text = gettext("%(who)s came into %(stage)s", who=who, stage=for_slack(stage_of(told, told.moved.stage)))
    text += came_from(told)
    return f"{for_slack(test_mark())} {text}" if told.is_test else str(text)


def came_from(told: Told) -> str:
    """Where they were before, as the end of Slack's line."""
    if told.moved.before is None:
        return ""
    return str(gettext(" (before: %(stage)s)", stage=for_slack(stage_of(told, told.moved.before))))


def mail_of(told: Told, settings: Settings, to: str, message_id: str, now: datetime) -> EmailMessage:
    """The change as a mail."""
    stage, who = stage_of(told, told.moved.stage), told.about.shown
    title = gettext("%(site)s: %(who)s came into %(stage)s", site=one_line(told.site.name)[:40], who=who, stage=stage)
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"{test_mark()} {title}"[:LONGEST_SUBJECT] if told.is_test else title[:LONGEST_SUBJECT]
    mail["From"] = settings.mail_from
    mail["To"] = to
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message_id}@{domain_of(settings)}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join([*lines_of(told), "", *end_of(told, settings)]))
    mail["Content-Language"] = chosen()
    return mail


def lines_of(told: Told) -> list[str]:
    """What is known, a line each."""
    move, about = told.moved, told.about
    at = in_words(move.at.astimezone(zone(told.site.timezone)), "yyyy-MM-dd HH:mm", rebase=False)
    found = [
        (gettext("Company") if about.scope is Scope.COMPANY else gettext("Contact"), about.shown),
        (gettext("E-mail"), about.email),
        (gettext("Stage"), stage_of(told, move.stage)),
        (gettext("Stage before"), stage_of(told, move.before) if move.before else None),
        (gettext("When"), f"{at} ({told.site.timezone})"),
        (gettext("Why"), f"{word('stage_cause_word', move.cause.value)}: {move.decided_by}"),
    ]
    lines = [f"{label}: {one_line(value)}" for label, value in found if value]
    return [gettext("This is a test: nothing happened."), "", *lines] if told.is_test else lines


def end_of(told: Told, settings: Settings) -> list[str]:
    """Where to look, and where to stop it."""
    actions = origin_of(settings) + address(url_for("pages.actions"), {"site": told.site.key})
    stop = gettext("An owner of the site switches such mails off here:")
    return [*([href] if (href := href_of(told, settings)) else []), "", f"{stop} {actions}"]


def href_of(told: Told, settings: Settings) -> str:
    """The page of the person or the company; '' where there is none to lead to."""
    if not settings.base_url or told.is_test:
        return ""
    if told.about.scope is Scope.COMPANY:
        path = url_for("pages.company", domain=told.about.key)
    else:
        path = url_for("pages.contact", contact_id=told.about.key)
    return origin_of(settings) + address(path, {"site": told.site.key})


def stage_of(told: Told, name: str) -> str:
    """What the site calls a stage."""
    return told.stages.label(name) or word("stage_word", name)


def test_mark() -> str:
    """What a test begins with."""
    return str(gettext("[Test]"))
