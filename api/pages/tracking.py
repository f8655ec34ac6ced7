"""Is the tag in place, and what comes in: hits taken and refused by reason, crawlers among them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import render_template, request
from flask.typing import ResponseReturnValue

from api.context import here
from api.pages.frame import script_of
from api.pages.routes import routes
from api.trust import Audience, audience, site_seen
from tracker.clock import local_day
from tracker.collect.counts import Hit, count_intake, last_hit
from tracker.db.store import reading
from tracker.health import backlog
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


@routes.get("/tracking")
@audience(Audience.PEOPLE)
def tracking() -> ResponseReturnValue:
    """The tag to copy, and what came of it."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    today = local_day(now, site.timezone)
    week_ago = (date.fromisoformat(today) - timedelta(WEEK - 1)).isoformat()
    with reading(here().engine) as tx:
        taken, refused = count_intake(tx, site.site_id, site.timezone, week_ago, today)
        last = last_hit(tx, site.site_id)
        waits, aside = backlog(tx), parked(tx)
    reasons = [
        Reason(key, sum(n for day, n in by_day.items() if day == today), sum(by_day.values()))
        for key, by_day in refused.items()
    ]
    base = request.host_url.rstrip("/")
    return render_template(
        "tracking.html",
        tag=f'<script async src="{script_of(site, base)}"></script>',
        consent=site.tracking.consent,
        hosts=site.hosts,
        state=state_of(last, now),
        n_accepted=taken,
        n_refused=sum(reason.today for reason in reasons),
        reasons=sorted(reasons, key=lambda reason: (-reason.last_7_days, reason.key)),
        last_hit=last,
        fold=Fold(
            waits.n_waiting,
            timedelta(seconds=round(waits.lag_s(now))),
            aside.n,
            tuple(error for error, _ in aside.by_error),
        ),
    )


def state_of(last: Hit | None, now: datetime) -> str:
    """'waiting' for the first hit, 'quiet' since a day, or 'receiving'."""
    if last is None:
        return "waiting"
    return "quiet" if now - last.at > QUIET else "receiving"
