"""Where beacons come in, whichever way the server calls us: limits, one queue, one transaction for many, the answer.

The visitor's page never sees an error: 204, or another status without a body whose header X-Minamoto names the reason.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection

from api.proxies import spoken_to
from tracker.access.sites import Site, all_sites
from tracker.checkhit import PARAMETER, nonce_of
from tracker.collect.accept import Arrived, SiteFacts, Taken, accept_all, read_beacon
from tracker.collect.address import client_of, is_trusted, networks_of, sender_of
from tracker.collect.checks import Heard, note
from tracker.collect.commit import Away, Bounds, GroupCommit, Waiting
from tracker.collect.cookie import answer_headers
from tracker.collect.journal import Refused, count_refusals
from tracker.collect.payload import WireBeacon, clean_agent
from tracker.collect.rate import RateLimit
from tracker.config import Settings
from tracker.db.store import Tx, begin
from tracker.urls import clean_text, host_of
from tracker.vocabulary import Refusal

log = logging.getLogger("minamoto.collect")
Headers = list[tuple[str, str]]

STATUS = {
    Refusal.TOO_LARGE: 413,
    Refusal.MALFORMED: 400,
    Refusal.UNKNOWN_SITE: 404,
    Refusal.FOREIGN_HOST: 403,
    Refusal.PREFETCH: 403,
    Refusal.OPTED_OUT: 403,
    Refusal.TOO_OLD: 400,
    Refusal.RATE_LIMITED: 429,
    Refusal.BUSY: 503,
}
# What is read of a beacon's request; everything else, cookies before all, is not looked at.
READ = frozenset(
    "user-agent purpose sec-purpose sec-gpc dnt content-length transfer-encoding origin host sec-fetch-site "
    "x-forwarded-for x-forwarded-proto x-forwarded-host".split()
)
AWAY = (DBAPIError, NoConnection, OSError)  # but for what the values themselves are to blame for
RETRY_AFTER_S = 5
SITES_FOR_S = 1.0  # so old may be what is known of the sites
COUNT_EVERY_S = 1.0
MOST_UNNOTED = 100


def facts_of(site: Site) -> SiteFacts:
    """What accept must know of a site."""
    told = site.tracking
    return SiteFacts(site.site_id, site.hosts, site.timezone, told.gpc, told.dnt, told.fields)


class Door:
    """One application's way in for beacons; `now` gives the present instant."""

    def __init__(self, engine: Engine, settings: Settings, now: Callable[[], datetime]) -> None:
        self.settings, self._engine, self._now = settings, engine, now
        self.trusted = networks_of(settings.trusted_proxies)
        self._max_age = timedelta(days=settings.max_hit_age_days)
        self._sites: dict[str, SiteFacts] = {}
        self._sites_at = 0.0
        self._by_address = RateLimit(settings.rate_per_address)
        self._by_site = RateLimit(settings.rate_per_site)
        self._guard = threading.Lock()
        self._uncounted: Counter[Refused] = Counter()
        self._unnoted: list[Heard] = []
        self._counted_at = 0.0
        self._away_since: float | None = None
        bounds = Bounds(
            settings.commit_hits,
            settings.commit_wait_ms / 1000,
            settings.queue_beacons,
            settings.queue_mb * 1024 * 1024,
        )
        self.commit: GroupCommit[Arrived, Taken] = GroupCommit(self._work, self._fail, bounds)

    def is_too_large(self, headers: Mapping[str, str]) -> bool:
        """Whether a body says that it is over the limit, or does not tell its length; browsers always tell."""
        length = headers.get("content-length", "0")
        return (
            "transfer-encoding" in headers
            or not (length.isascii() and length.isdecimal())
            or int(length[:20]) > self.settings.max_beacon_bytes
        )

    def arrive(self, body: bytes | Refusal, headers: dict[str, str], peer: str, scheme: str) -> Arrived:
        """A request's body, or why it was not read, with what its headers tell; `headers` are kept, and added to.

        headers  those named in READ, in lower case
        scheme   http or https, of the connection; of what a trusted proxy says, when there is one
        """
        if not isinstance(body, Refusal) and len(body) > self.settings.max_beacon_bytes:
            body = Refusal.TOO_LARGE
        return self.came(body if isinstance(body, Refusal) else read_beacon(body), headers, peer, scheme)

    def came(self, beacon: WireBeacon | Refusal, headers: dict[str, str], peer: str, scheme: str) -> Arrived:
        """A beacon that is read already, with what its request's headers tell; see arrive."""
        address = client_of(peer, headers.get("x-forwarded-for", ""), self.trusted)
        headers["scheme"] = scheme
        if self.trusted and is_trusted(peer, self.trusted):
            said = spoken_to(headers.get("x-forwarded-proto", ""), headers.get("x-forwarded-host", ""))
            headers["scheme"], headers["host"] = said[0] or scheme, said[1] or headers.get("host", "")
        return Arrived(beacon, headers, address, self._now())

    def wait_s(self, arrived: Arrived) -> float:
        """0 if sender and site are within their rates, else for how long they are not; then it is counted."""
        beacon, at = arrived.beacon, time.monotonic()
        wait = self._by_address.wait_s(sender_of(arrived.address), arrived.n_hits, at)
        if not wait and not isinstance(beacon, Refusal) and beacon.site in self._sites:
            wait = self._by_site.wait_s(beacon.site, arrived.n_hits, at)
        if wait:
            self.count(arrived, Refusal.RATE_LIMITED)
        return wait

    def enter(
        self, arrived: Arrived, n_bytes: int, told: Callable[[Taken | None], None]
    ) -> Waiting[Arrived, Taken] | None:
        """Queue a beacon; None when there is no room. `told` gets the outcome, or None if the store is away."""
        place: Waiting[Arrived, Taken] = Waiting(arrived, arrived.n_hits, n_bytes + 1_024, told)
        return place if self.commit.put(place) else None

    def take(self, body: bytes | Refusal, headers: dict[str, str], peer: str, scheme: str) -> tuple[int, Headers]:
        """Take one beacon and wait for its commit; for servers that give each request a thread."""
        arrived = self.arrive(body, headers, peer, scheme)
        if wait := self.wait_s(arrived):
            return self.answer(arrived, Taken(0, Refusal.RATE_LIMITED), wait)
        done = threading.Event()
        outcome: list[Taken | None] = [None]

        def told(taken: Taken | None) -> None:
            outcome[0] = taken
            done.set()

        place = self.enter(arrived, 0 if isinstance(body, Refusal) else len(body), told)
        if place is not None and not done.wait(self.settings.answer_within_s):
            place.given_up = True
        if outcome[0] is None:
            self.count(arrived, Refusal.BUSY)
        return self.answer(arrived, outcome[0])

    def answer(self, arrived: Arrived, taken: Taken | None, wait_s: float = RETRY_AFTER_S) -> tuple[int, Headers]:
        """Status and headers: 204 where the hits are in the journal, else the refusal's; None: 503, come again."""
        said, visitor, consent = arrived.headers, None, ""
        if taken is not None and taken.n_taken and not isinstance(arrived.beacon, Refusal):
            visitor, consent = arrived.beacon.visitor, arrived.beacon.consent
        headers = answer_headers(
            said.get("origin"),
            said.get("host", ""),
            said.get("sec-fetch-site"),
            visitor,
            consent,
            said.get("scheme") == "https",
        )
        headers.append(("Cache-Control", "no-store"))
        refusal = Refusal.BUSY if taken is None else taken.refusal
        if refusal is None:
            return 204, headers
        headers.append(("X-Minamoto", refusal.value))
        status = STATUS[refusal]
        if status in (429, 503):
            headers.append(("Retry-After", str(max(1, round(wait_s + 0.5)))))
        return (204 if taken is not None and taken.n_taken else status), headers

    def count(self, arrived: Arrived, reason: Refusal) -> None:
        """Count a beacon that is refused before it reaches the queue; the counter is written within a second or two."""
        beacon = arrived.beacon
        site = None if isinstance(beacon, Refusal) else self._sites.get(beacon.site)
        one = Refused.on(site.site_id if site else 0, reason, arrived.received_at, site.timezone if site else "UTC")
        with self._guard:
            self._uncounted[one] += arrived.n_hits
            self._unnoted = [*self._unnoted, *self._heard(arrived, Taken(0, reason))][:MOST_UNNOTED]
        self.tick()

    def tick(self) -> None:
        """Have refusals that are not written yet written, at most once a second."""
        if self._uncounted and time.monotonic() - self._counted_at > COUNT_EVERY_S:
            self._counted_at = time.monotonic()
            self.commit.kick()

    def close(self) -> None:
        """Commit what waits, with the last counters."""
        if self._uncounted:
            self.commit.kick()
        self.commit.close()

    def _work(self, arrived: Sequence[Arrived]) -> list[Taken]:
        """One transaction: the hits, and what was refused."""
        with self._guard:
            uncounted, self._uncounted = self._uncounted, Counter()
            unnoted, self._unnoted = self._unnoted, []
        try:
            with begin(self._engine) as tx:
                self._look_up_sites(tx, arrived)
                taken = accept_all(tx, arrived, sites=self._sites, max_age=self._max_age)
                count_refusals(tx, uncounted)
                heard = [one for came, what in zip(arrived, taken, strict=True) for one in self._heard(came, what)]
                note(tx, [*unnoted, *heard])
        except BaseException as error:
            with self._guard:
                self._uncounted.update(uncounted)
            if isinstance(error, DataError | IntegrityError) or not isinstance(error, AWAY):
                raise
            self._note_away(error)
            raise Away from error
        # A batch of counts alone tells nothing of whether hits are taken.
        if arrived and self._away_since is not None:
            log.warning("the store takes hits again after %.1f s", time.monotonic() - self._away_since)
            self._away_since = None
        return taken

    def _look_up_sites(self, tx: Tx, arrived: Sequence[Arrived]) -> None:
        """Read the sites again when what is known is old, or when somebody names one that is not known."""
        at = time.monotonic()
        named = {one.beacon.site for one in arrived if not isinstance(one.beacon, Refusal)}
        if at - self._sites_at > SITES_FOR_S or not named <= self._sites.keys():
            self._sites = {site.key: facts_of(site) for site in all_sites(tx)}
            self._sites_at = at

    def _heard(self, arrived: Arrived, taken: Taken) -> list[Heard]:
        """What the page that waits for a check hit is told of this beacon; empty for nearly all."""
        beacon = arrived.beacon
        if isinstance(beacon, Refusal):
            return []
        url = next((hit.url for hit in beacon.hits if PARAMETER in hit.url), "")
        nonce = nonce_of(url)
        if nonce is None:
            return []
        _, answered = self.answer(arrived, taken)
        return [
            Heard(
                nonce,
                arrived.received_at,
                clean_text(beacon.site, 40) or "",
                host_of(url),
                beacon.visitor,
                beacon.consent,
                clean_agent(arrived.headers.get("user-agent")) or "",
                taken.refusal.value if taken.refusal and not taken.n_taken else None,
                any(name == "Set-Cookie" for name, _ in answered),
            )
        ]

    def _fail(self, arrived: Arrived) -> Taken:
        """What cannot be written even alone was not as the wire format has it."""
        self.count(arrived, Refusal.MALFORMED)
        return Taken(0, Refusal.MALFORMED)

    def _note_away(self, error: Exception) -> None:
        """Say once that the store is away; not the error's message, which may quote values."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.error("the store takes no hits: %s", type(error).__name__)
