"""Prepare the demo: its folder, its store with the history in it, a user and a token, and the links to begin with.

The history goes through the real pipeline in chapters of some days, a transaction each: beacons are accepted at their
own time and folded, then come the CRM and the costs. A chapter's first hit in the journal says that it was told; so a
second run tells nothing again, and one that was interrupted goes on where it stopped. Before them comes the past
(past.py): written into the journals, and derived from them all at once.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.engine import make_url

from tracker import flow
from tracker.access.sites import Site, add_site, find_site
from tracker.access.tokens import add_token, find_token, revoke_token
from tracker.access.tracking import Tracking
from tracker.access.users import STRONG, add_user, check_password
from tracker.collect.accept import SiteFacts, accept
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.config import Settings, settings
from tracker.costs.load import load
from tracker.db.schema import crm_changes, hits, sites, users
from tracker.db.store import Tx, begin, connect, reading
from tracker.db.upgrade import upgrade
from tracker.deals.pipelines import StageTold, tell_pipeline
from tracker.demo.agreed import agree
from tracker.demo.past import CUSTOMERS, MONTHS, NEWSLETTER, STEPS, TARGETS, WELCOME, Past, Word, recall
from tracker.demo.story import (
    CURRENCY,
    DAYS,
    PIPELINE,
    PIPELINE_STAGES,
    SITE_KEY,
    TIMEZONE,
    Beacon,
    Day,
    Meeting,
    tell,
)
from tracker.errors import Invalid, NotFound
from tracker.identity.stitch import founded_id
from tracker.lifecycle.targets import TargetTold, tell_target
from tracker.mailing import events as mails
from tracker.mailing.programmes import MailProgramme, tell_programme
from tracker.rebuild import rebuild
from tracker.survey import answers
from tracker.vocabulary import Consent, IdentifierKind, Origin, Programme

Progress = Callable[[int], None]

SITE_NAME = "Hinode Systems (demo)"
HOSTS = ["127.0.0.1", "localhost"]
USER = "demo@minamoto.example"
TOKEN_NAME = "demo CRM"  # noqa: S105
STORE = "demo.sqlite3"
LOGIN_FILE = "demo-login.txt"
TOKEN_FILE = "demo-token.txt"  # noqa: S105
TOLD_FILE = "demo-history.txt"
CHAPTER_DAYS = 3
FOLD_BATCH = 1_000
MAX_AGE = timedelta(days=7)
BY = "user demo@minamoto.example"
PROGRAMMES = (
    (WELCOME, Programme.NURTURE, "ウェルカムメール (welcome)", tuple(step for step, *_ in STEPS)),
    (NEWSLETTER, Programme.NURTURE, "メルマガ (newsletter)", ()),
    (CUSTOMERS, Programme.CUSTOMER, "お客様通信 (customer news)", ()),
)


def prepare(
    folder: Path, port: int, now: datetime, progress: Progress, *, days: int = DAYS, months: int = MONTHS
) -> tuple[Settings, list[tuple[str, str]]]:
    """The demo's settings, for this process and those it starts, and (label, link) to print.

    folder    where its store, its password and its token are kept; made if it is not there
    progress  is called with the number of hits folded so far
    days, months  of the story, and of the past before it
    Safe to run again: what is there already stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    os.environ["MINAMOTO_DATABASE_URL"] = f"sqlite:///{folder / STORE}"
    os.environ["MINAMOTO_DEMO"] = "true"
    settings.cache_clear()
    own = settings()
    base = f"http://127.0.0.1:{port}"
    # A history that can be told again need not survive a power cut.
    engine = connect(own.database_url, synchronous="NORMAL")
    upgrade(engine)
    if not is_whole(engine, folder):
        seed(engine, now, base, progress, days=days, months=months)
        keep(folder / TOLD_FILE, "The demo's history is told wholly; a newer release tells no other one into it.")
    password, token = log_in(engine, folder, now), let_in(engine, folder, now)
    engine.dispose()
    return own, links(base, password, token)


def is_whole(engine: Engine, folder: Path) -> bool:
    """Whether the history in this folder was told to its end, perhaps by an older release with another story."""
    with reading(engine) as tx:
        has_site = tx.execute(select(sites.c.site_id).where(sites.c.key == SITE_KEY)).first() is not None
    return has_site and (folder / TOLD_FILE).is_file()


def links(base: str, password: str, token: str) -> list[tuple[str, str]]:
    """What a newcomer needs, in the order in which it is needed."""
    return [
        ("Start here", f"{base}/demo/arrive"),
        ("Demo site", f"{base}/demo/"),
        ("Demo CRM", f"{base}/demo/crm"),
        ("Source report", f"{base}/reports/source"),
        ("API docs", f"{base}/api/docs"),
        ("Log in", f"{base}/login"),
        ("User", USER),
        ("Password", password),
        ("API token", token),
        ("Site key", SITE_KEY),
    ]


def seed(engine: Engine, now: datetime, base: str, progress: Progress, *, days: int = DAYS, months: int = 0) -> None:
    """Tell the history up to the first seeding, as far as it is not told yet. months: of the past before the days."""
    with begin(engine) as tx:
        site = demo_site(tx, now)
    story = tell(site.created_at, base, days)
    chapters = [story[start : start + CHAPTER_DAYS] for start in range(0, len(story), CHAPTER_DAYS)]
    with reading(engine) as tx:
        if is_told(tx, site, chapters[-1]):
            return
    done = 0
    if months:
        past = recall(site.created_at, base, story, months)
        with begin(engine) as tx:
            if not is_told(tx, site, [past]):
                done = tell_past(tx, site, past)
        progress(done)
    for chapter in chapters:
        with begin(engine) as tx:
            if not is_told(tx, site, chapter):
                done += tell_chapter(tx, site, chapter)
        progress(done)
    if months:
        with begin(engine) as tx:
            agree(tx, site, site.created_at - timedelta(days=days), site.created_at)


def demo_site(tx: Tx, now: datetime) -> Site:
    """The demo company's site, made at the first seeding; that moment is the end of its history.

    raises  Invalid: the store has another site, so it is not the demo's
    """
    try:
        return find_site(tx, SITE_KEY)
    except NotFound:
        if tx.execute(select(sites.c.site_id)).first():
            raise Invalid("this store has other sites; give the demo a folder of its own", field="folder") from None
        site = add_site(
            tx,
            SITE_NAME,
            HOSTS,
            now=now,
            timezone=TIMEZONE,
            currency=CURRENCY,
            key=SITE_KEY,
            is_demo=True,
            tracking=Tracking(consent="none"),  # a newcomer's first click must be seen
        )
        tell_pipeline(tx, site.site_id, PIPELINE, [StageTold(*one) for one in PIPELINE_STAGES], now)
        return site


def is_told(tx: Tx, site: Site, chapter: Sequence[Day | Past]) -> bool:
    """Whether a chapter of the history is in the store; the journal is asked for the first hit of its first day."""
    first = chapter[0].first_hit_id
    query = select(hits.c.seq).where(hits.c.site_id == site.site_id, hits.c.hit_id == first)
    return first is not None and tx.execute(query).first() is not None


def tell_past(tx: Tx, site: Site, past: Past) -> int:
    """Write the past into the journals and derive all of it at once; returns how many hits were folded."""
    send_beacons(tx, site, past.beacons)
    tx.execute(insert(crm_changes), [row_of(site, word) for word in past.words])
    for name, audience, label, steps in PROGRAMMES:
        tell_programme(tx, site.site_id, MailProgramme(name, audience, label, steps))
    mails.keep(tx, site.site_id, site.timezone, past.mails, site.created_at)
    answers.keep(tx, site.site_id, site.timezone, past.answers, Origin.DEMO, site.created_at)
    for metric, value in TARGETS.items():
        tell_target(tx, site.site_id, TargetTold(metric, past.from_month, value), BY, site.created_at)
    done = rebuild(tx, FOLD_BATCH)
    load(tx, site.site_id, past.costs, site.created_at)
    return done


def row_of(site: Site, word: Word) -> dict[str, Any]:
    """A word as a row of the CRM's journal, which knows people by their contacts' ids."""
    key = founded_id(site.site_id, (IdentifierKind.EMAIL, word.key)) if "@" in word.key else word.key
    return {
        "site_id": site.site_id,
        "kind": word.kind.value,
        "key": key,
        "payload": dict(word.payload),
        "changed_at": word.at,
        "received_at": word.at,
    }


def send_beacons(tx: Tx, site: Site, beacons: Iterable[Beacon]) -> None:
    """Let each beacon be accepted when it came."""
    facts = {site.key: SiteFacts(site.site_id, site.hosts, site.timezone)}
    for beacon in beacons:
        accept(
            tx,
            beacon.body,
            headers={"user-agent": beacon.agent},
            address=beacon.address,
            sites=facts,
            now=beacon.at,
            max_age=MAX_AGE,
        )


def tell_chapter(tx: Tx, site: Site, chapter: Sequence[Day]) -> int:
    """Put some days through the pipeline; returns how many hits were folded."""
    send_beacons(tx, site, (beacon for day in chapter for beacon in day.beacons))
    append(tx, site.site_id, [hit_of(meeting) for day in chapter for meeting in day.meetings])
    done = 0
    while folded := flow.hits_arrived(tx, FOLD_BATCH):
        done += folded
    for said in (said for day in chapter for said in day.said):
        if said.reference is None:
            fields = {name: value for name, value in said.fields.items() if name != "stage"}
            flow.contact_said(tx, site, fields, said.at, said.at, said.fields.get("stage"))
        else:
            flow.deal_said(tx, site, said.reference, said.fields, said.at, said.at)
    load(tx, site.site_id, [cost for day in chapter for cost in day.costs], site.created_at)
    return done


def hit_of(meeting: Meeting) -> Hit:
    """A call or a meeting as a hit that an API client sends."""
    return Hit(
        hit_id=meeting.hit_id,
        visitor_id=None,
        kind=meeting.kind,
        origin=Origin.DEMO,
        occurred_at=meeting.at,
        received_at=meeting.at,
        url="",
        referrer=None,
        title=None,
        user_agent=None,
        country=None,
        consent=Consent.NONE.value,
        details=dict(meeting.details),
    )


def log_in(engine: Engine, folder: Path, now: datetime) -> str:
    """The demo user's password, kept in the folder; the user is made, or given this password, if need be."""
    known = password_of(folder)
    password = known or secrets.token_urlsafe(12)
    if not known:
        keep(folder / LOGIN_FILE, f"{USER} {password}\n")
    with begin(engine) as tx:
        if check_password(tx, USER, password) is not None:
            return password
        if tx.execute(select(users.c.user_id).where(users.c.email == USER)).first():
            hashed = STRONG.hash(password)
            tx.execute(update(users).where(users.c.email == USER).values(password_hash=hashed))
        else:
            add_user(tx, USER, password, now=now)
    return password


def let_in(engine: Engine, folder: Path, now: datetime) -> str:
    """The demo CRM's API token, kept in the folder; a new one takes the place of one that was lost."""
    with begin(engine) as tx:
        known = token_of(folder)
        if known and find_token(tx, known) is not None:
            return known
        with suppress(NotFound):  # the first one
            revoke_token(tx, TOKEN_NAME, now=now)
        token = add_token(tx, TOKEN_NAME, site_id=find_site(tx, SITE_KEY).site_id, now=now)
        keep(folder / TOKEN_FILE, token + "\n")
    return token


def folder_of(own: Settings) -> Path:
    """The folder of the demo that these settings are for."""
    return Path(make_url(own.database_url).database or "").parent


def password_of(folder: Path) -> str | None:
    """The demo user's password that is kept in a demo's folder; None if there is none."""
    path = folder / LOGIN_FILE
    return next(reversed(path.read_text("utf-8").split()), None) if path.is_file() else None


def token_of(folder: Path) -> str | None:
    """The token that is kept in a demo's folder; None if there is none."""
    path = folder / TOKEN_FILE
    return path.read_text("utf-8").strip() or None if path.is_file() else None


def keep(path: Path, text: str) -> None:
    """Write a file for the owner's eyes only."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
