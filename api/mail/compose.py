"""A report as a mail: subject, plain text and HTML, in the reader's language.

The figures are the overview's of the period. What strangers wrote (names of sites, sources, campaigns) is one line of
text in the subject and in the plain part, and escaped in the HTML, which holds no image and loads nothing.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from urllib.parse import urlsplit

from flask import Flask, current_app, render_template, url_for
from flask_babel import format_date, gettext
from markupsafe import Markup
from sqlalchemy import Engine

from api.context import here
from api.languages import chosen
from api.pages.frame import address
from api.pages.overviewwords import Linker, ShownPart, changed, rows_of, sign_of, tiles_of
from tracker.access.sites import Site
from tracker.access.users import User
from tracker.clock import local_day
from tracker.config import Settings
from tracker.db.store import reading
from tracker.digests.due import Period
from tracker.reports.catalogue import METRIC
from tracker.reports.overview import BY_CHANNEL, Overview, ask_overview, read_overview
from tracker.reports.table import UNATTRIBUTED
from tracker.vocabulary import NOT_SET, Every

MOST_CHANNELS = 10
MOST_PARTS = 3
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Letter:
    """Whom a report is for, and of what."""

    user: User
    site: Site
    every: Every
    period: Period


def compose(app: Flask, engine: Engine, settings: Settings, letter: Letter, *, is_once: bool = False) -> EmailMessage:
    """A report as a mail.

    is_once  it was asked for now, and is not the one that was ordered: so each has a name of its own
    """
    site, period = letter.site, letter.period
    with speaking(app, settings, letter.user.language):
        now = here().now()
        with reading(engine) as tx:
            asked = {"from": period.from_day, "to": period.to_day}
            query = ask_overview(tx, asked, site, local_day(now, site.timezone))
            found = read_overview(tx, query, now)
        name = one_line(site.name)[:LONGEST_NAME]
        days = days_of(period.from_day, period.to_day)
        given = words(found, letter, settings, name, days)
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = subject_of(letter.every, name, days)
        mail["From"] = settings.mail_from
        mail["To"] = letter.user.email
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = make_msgid(domain=domain_of(settings)) if is_once else name_of(letter, settings)
        mail["Auto-Submitted"] = "auto-generated"
        mail["List-Unsubscribe"] = f"<{given['stop_href']}>"
        mail.set_content(render_template("digest_plain.html", **given))
        mail.add_alternative(render_template("digest.html", **given), subtype="html")
        mail["Content-Language"] = chosen()
    return mail


@contextmanager
def speaking(app: Flask, settings: Settings, language: str) -> Iterator[None]:
    """Surroundings in which texts are in a language, and addresses are this installation's.

    They are their own even where a request is being answered: that one's user and language stay out, and stay.
    """
    asked = app.test_request_context(base_url=settings.base_url, headers={"Accept-Language": language})
    with app.app_context(), asked:
        yield


def words(found: Overview, letter: Letter, settings: Settings, name: str, days: str) -> dict[str, object]:
    """What the templates are given."""
    base, site = origin_of(settings), letter.site
    query, earlier = found.query, found.earlier
    links = Linker(found, base, site.key)
    asked = {"site": site.key, "period": "custom", "from": query.from_day, "to": query.to_day}
    return {
        "lang": chosen(),
        "site_name": name,
        "days": days,
        "days_before": days_of(earlier.from_day, earlier.to_day),
        "is_week": letter.every is Every.WEEK,
        "tiles": tiles_of(found, links),
        "rows": rows_of(found, links)[:MOST_CHANNELS],
        "changes": [changed(one, found, links) for one in found.changes if one.channels],
        "most_parts": MOST_PARTS,
        "signs": [sign_of(one, links) for one in found.signs],
        "is_empty": found.is_empty,
        "one_line": one_line,
        "channel_name": channel_name,
        "part_name": part_name,
        "label": {key: gettext(METRIC[key].label) for key in BY_CHANNEL},
        "page_href": base + address(url_for("pages.overview"), asked),
        "stop_href": base + address(url_for("pages.digests"), {"site": site.key}),
    }


def subject_of(every: Every, name: str, days: str) -> str:
    """What the inbox shows."""
    if every is Every.WEEK:
        return str(gettext("%(site)s: the week %(days)s", site=name, days=days))
    return str(gettext("%(site)s: the month %(days)s", site=name, days=days))


def days_of(from_day: str, to_day: str) -> str:
    """A period in words: '16 Nov 2026 – 22 Nov 2026'."""
    pattern = "y年M月d日" if chosen() == "ja" else "d MMM y"
    first, last = (format_date(date.fromisoformat(day), pattern) for day in (from_day, to_day))
    return f"{first}～{last}" if chosen() == "ja" else f"{first} – {last}"


def channel_name(key: str) -> str:
    """What the pages call a channel."""
    said = current_app.jinja_env.get_template("_words.html").make_module().channel_word(key)  # type: ignore[attr-defined]
    return str(Markup(said).unescape()).strip()  # noqa: S704 - to text, and not to markup


def part_name(part: ShownPart) -> str:
    """What made a change: a source with its campaign."""
    if part.is_unattributed:
        return channel_name(UNATTRIBUTED)
    return " · ".join(name for name in part.names if name != NOT_SET) or str(gettext("(not set)"))


def one_line(text: str) -> str:
    """A text without line breaks and what else steers a reader's program."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def origin_of(settings: Settings) -> str:
    """What stands before a path: the path of the installation itself is in url_for's."""
    parts = urlsplit(settings.base_url)
    return f"{parts.scheme}://{parts.netloc}"


def domain_of(settings: Settings) -> str:
    """The domain that mails are from."""
    return parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"


def name_of(letter: Letter, settings: Settings) -> str:
    """The mail's own name: the same for the same report, so that one that comes twice is known as one."""
    told = f"{letter.site.key} {letter.user.user_id} {letter.every.value} {letter.period.to_day}"
    return f"<{hashlib.sha256(told.encode()).hexdigest()[:32]}@{domain_of(settings)}>"
