"""Is the tag in place, and what comes in: hits taken and refused by reason, crawlers among them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import answer_file, files_of
from api.pages.frame import script_of
from api.pages.routes import routes
from api.pages.shown import NOTHING, word
from api.trust import Audience, audience, site_seen
from tracker.access.sites import Site
from tracker.clock import local_day, zone
from tracker.collect.counts import Hit, count_intake, last_hit
from tracker.db.store import Tx, reading
from tracker.errors import NotFound
from tracker.health import backlog
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.visits.park import parked

QUIET = timedelta(days=1)
LATE = timedelta(minutes=1)  # hits are folded within a second or two, unless very many come at once
WEEK = 7


@dataclass(frozen=True, slots=True)
class Reason:
    """How many hits were refused, or flagged, for one reason."""

    key: str
    today: int
    last_7_days: int


@dataclass(frozen=True, slots=True)
class Fold:
    """How far the hits of all sites are on their way into the reports."""

    n_waiting: int
    lag: timedelta
    n_parked: int
    errors: tuple[str, ...]

    @property
    def is_late(self) -> bool:
        """Whether somebody should look."""
        return self.lag > LATE


@dataclass(frozen=True, slots=True)
class Intake:
    """What came in: hits taken today, refused ones by reason (largest first), the last one, and the fold."""

    n_accepted: int
    reasons: tuple[Reason, ...]
    last: Hit | None
    fold: Fold

    @property
    def n_refused(self) -> int:
        """Hits refused, or flagged, today."""
        return sum(reason.today for reason in self.reasons)


@routes.get("/tracking")
@audience(Audience.PEOPLE)
def tracking() -> ResponseReturnValue:
    """The tag to copy, and what came of it."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    with reading(here().engine) as tx:
        found = intake_of(tx, site, now)
    base = request.host_url.rstrip("/")
    return render_template(
        "tracking.html",
        tag=f'<script async src="{script_of(site, base)}"></script>',
        consent=site.tracking.consent,
        hosts=site.hosts,
        state=state_of(found.last, now),
        n_accepted=found.n_accepted,
        n_refused=found.n_refused,
        reasons=found.reasons,
        last_hit=found.last,
        fold=found.fold,
        downloads=files_of("pages.tracking_file"),
    )


@routes.get("/tracking.<form>")
@audience(Audience.PEOPLE)
def tracking_file(form: str) -> ResponseReturnValue:
    """The same figures as a file: csv, xlsx or json."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    now = here().now()
    with reading(here().engine) as tx:
        found = intake_of(tx, site, now)
    return answer_file(form, ("tracking", local_day(now, site.timezone)), lambda: [sheet_of(found, site)])


def intake_of(tx: Tx, site: Site, now: datetime) -> Intake:
    """What came in today and, refused, in the last seven days of the site."""
    today = local_day(now, site.timezone)
    week_ago = (date.fromisoformat(today) - timedelta(WEEK - 1)).isoformat()
    taken, refused = count_intake(tx, site.site_id, site.timezone, week_ago, today)
    reasons = [Reason(key, by_day.get(today, 0), sum(by_day.values())) for key, by_day in refused.items()]
    waits, aside = backlog(tx), parked(tx)
    lag, errors = timedelta(seconds=round(waits.lag_s(now))), tuple(error for error, _ in aside.by_error)
    return Intake(
        n_accepted=taken,
        reasons=tuple(sorted(reasons, key=lambda reason: (-reason.last_7_days, reason.key))),
        last=last_hit(tx, site.site_id),
        fold=Fold(waits.n_waiting, lag, aside.n, errors),
    )


def sheet_of(found: Intake, site: Site) -> Sheet:
    """The hits by what became of them; those taken are counted for today only, as on the page."""
    columns = [
        SheetColumn(gettext("Reason"), key="name"),
        SheetColumn(gettext("Today"), CellKind.COUNT, "today"),
        SheetColumn(gettext("Last 7 days"), CellKind.COUNT, "last_7_days"),
        SheetColumn(gettext("What it means"), key="text"),
        SheetColumn(gettext("Stored word"), key="reason"),
    ]
    rows: list[list[CellValue]] = [[gettext("Accepted"), found.n_accepted, None, "", "accepted"]]
    for one in found.reasons:
        advice = word("refusal_advice", one.key) or gettext("Nothing to do.")
        text = f"{word('refusal_text', one.key)} {advice}"
        rows.append([word("refusal_word", one.key), one.today, one.last_7_days, text, one.key])
    all_sites, last = gettext("Counted for all sites together."), found.last
    last_at = last.at.astimezone(zone(site.timezone)).isoformat(timespec="seconds") if last else NOTHING
    about = [
        (gettext("Last hit"), f"{last_at} {last.url if last else ''}".strip()),
        (gettext("Hits that wait"), f"{found.fold.n_waiting} ({all_sites})"),
        (gettext("Hits set aside"), f"{found.fold.n_parked} ({all_sites})"),
    ]
    return Sheet(gettext("Tracking"), columns, rows, about)


def state_of(last: Hit | None, now: datetime) -> str:
    """'waiting' for the first hit, 'quiet' since a day, or 'receiving'."""
    if last is None:
        return "waiting"
    return "quiet" if now - last.at > QUIET else "receiving"
