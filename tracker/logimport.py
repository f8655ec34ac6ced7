"""Import a web server's access log: stream it into the journal, fold, and say what came of it.

Called by `minamoto import log` (docs/imports.md). A line gives the same hit whenever it is read, so importing
a file again, or a longer one with the same lines, adds nothing. Crawlers are refused and counted here instead
of being kept: they are most of a log, and the log is still there. What was refused is told, not stored.
"""

import gzip
import hmac
import io
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import ColumnElement, Engine, and_, func, select

from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.collect.address import country_of
from tracker.collect.journal import append
from tracker.collect.logfile import LINE_LIMIT, LogLine, page_hit, parse_line, refuse_line
from tracker.collect.payload import AGENT_LIMIT, Hit
from tracker.config import Settings
from tracker.db.schema import hits, touchpoints
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid
from tracker.jobs import drain
from tracker.retention import kept_since
from tracker.secret import secret_key
from tracker.urls import clean_text
from tracker.visits.agents import bot_name
from tracker.vocabulary import Origin, Refusal, TouchKind

FORMATS: dict[str, Callable[[bytes], LogLine | None]] = {"combined": parse_line}
LINES_AT_A_TIME = 4_000
HITS_AT_A_TIME = 2_000
SAME_LINES_KEPT = 20_000
TOP_SOURCES = 10
GZIP_MAGIC = b"\x1f\x8b"

# A log names few browsers, each very often.
which_bot = lru_cache(maxsize=65_536)(bot_name)


@dataclass(slots=True)
class Tally:
    """What has been read of a log so far."""

    n_lines: int = 0
    n_pages: int = 0
    n_new: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None

    def note(self, hit: Hit) -> None:
        """Count a page view."""
        self.n_pages += 1
        self.first_at = min(hit.occurred_at, self.first_at or hit.occurred_at)
        self.last_at = max(hit.occurred_at, self.last_at or hit.occurred_at)


def import_log(
    engine: Engine,
    settings: Settings,
    site: Site,
    file: Path,
    form: str,
    now: datetime,
    console: Console,
    echo: Callable[[str], Any],
) -> None:
    """Read an access log into the journal, fold what waits, and print what came of it.

    file     plain or gzip, told apart by its first bytes
    form     a key of FORMATS
    console  for the progress bar; echo takes the lines of the summary
    raises   Invalid: the file is damaged, or not one line of it is in that format; nothing is imported then
    """
    salt = hmac.digest(secret_key(settings).encode(), f"visitors of logs of {site.key}".encode(), "sha256")
    reader = Reader(engine, site, salt, now)
    tally = reader.tally
    try:
        with file.open("rb") as raw, progress_bar(console, file) as moved:
            reader.read(raw, FORMATS[form], moved)
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror or error}", field="file") from error
    if tally.n_lines and tally.refused[Refusal.MALFORMED] == tally.n_lines:
        raise Invalid(
            f"none of the {tally.n_lines} lines of {file.name} is in the {form} format "
            '(host - - [time] "request" status bytes "referrer" "user agent")',
            field="file",
        )
    with console.status("cutting visits"):
        drain(engine, settings)
    for line in summary(engine, site, tally):
        echo(line)


class Occurrences:
    """Counts lines with the same content, such as two reloads within a second; remembers the latest only."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def before(self, content: bytes) -> int:
        """How many times this content was asked for before."""
        known = self._seen.pop(content, 0)
        self._seen[content] = known + 1
        if len(self._seen) > SAME_LINES_KEPT:
            self._seen.popitem(last=False)
        return known


class Reader:
    """Reads one log of a site into the journal, a few thousand page views to a transaction."""

    def __init__(self, engine: Engine, site: Site, salt: bytes, now: datetime) -> None:
        self.tally = Tally()
        self._engine, self._site, self._salt, self._now = engine, site, salt, now
        self._same = Occurrences()
        self._waiting: list[Hit] = []

    def read(self, raw: IO[bytes], parse: Callable[[bytes], LogLine | None], moved: Callable[[int], None]) -> None:
        """Take every line of a file; `moved` is told the position reached."""
        for text in lines_of(raw):
            self.tally.n_lines += 1
            self.take(parse(text))
            if len(self._waiting) >= HITS_AT_A_TIME or self.tally.n_lines % LINES_AT_A_TIME == 0:
                self.write()
                moved(raw.tell())
        self.write()

    def take(self, line: LogLine | None) -> None:
        """Count a line under the reason that refuses it, or keep its page view for the journal."""
        reason = outcome(line, self._site, self._now)
        if line is None or reason is not None:
            self.tally.refused[reason or Refusal.MALFORMED] += 1
            return
        hit = page_hit(
            line,
            self._same.before(line.content),
            site_hosts=self._site.hosts,
            salt=self._salt,
            country=country_of(line.address),
            received_at=self._now,
        )
        self._waiting.append(hit)

    def write(self) -> None:
        """Append what was kept to the journal, in one transaction, but for what is from before its horizon."""
        if self._waiting:
            with begin(self._engine) as tx:
                since = kept_since(tx, self._site.site_id)
                young = [hit for hit in self._waiting if since is None or hit.occurred_at >= since]
                self.tally.n_new += append(tx, self._site.site_id, young)
            for hit in young:
                self.tally.note(hit)
            if len(young) < len(self._waiting):
                self.tally.refused[Refusal.TOO_OLD] += len(self._waiting) - len(young)
            self._waiting.clear()


def outcome(line: LogLine | None, site: Site, now: datetime) -> Refusal | None:
    """Why a line is no page view of a person on the site, or None."""
    if line is None:
        return Refusal.MALFORMED
    reason = refuse_line(line, site.hosts, now)
    if reason is None and which_bot(clean_text(line.user_agent, AGENT_LIMIT) or ""):
        return Refusal.BOT
    return reason


def lines_of(raw: IO[bytes]) -> Iterator[bytes]:
    """The lines of a log, unpacked if need be. Of a line over the limit only the beginning is given.

    raises  Invalid: a packed file that is damaged or cut short, before the first line is given
    """
    packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    raw.seek(0)
    if packed:
        check_packed(raw)
        raw.seek(0)
    file: IO[bytes] = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw
    while line := file.readline(LINE_LIMIT + 1):
        rest = line
        while len(rest) > LINE_LIMIT and not rest.endswith(b"\n"):
            rest = file.readline(LINE_LIMIT + 1)
        yield line


def check_packed(raw: IO[bytes]) -> None:
    """Unpack a file to its end once: its check sum stands there, and damaged lines could look like real ones."""
    try:
        with gzip.GzipFile(fileobj=raw) as file:
            while file.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Invalid(f"the gzip file is damaged or cut short ({error})", field="file") from error


@contextmanager
def progress_bar(console: Console, file: Path) -> Iterator[Callable[[int], None]]:
    """A bar over the bytes of a file; the function it gives takes the position reached."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(file.name.replace("[", "("), total=file.stat().st_size)
        yield lambda position: progress.update(task, completed=position)


def summary(engine: Engine, site: Site, tally: Tally) -> Iterator[str]:
    """What an import did, and what the visits of the log's time are, line by line."""
    yield f"lines read: {tally.n_lines}"
    yield f"page views: {tally.n_pages}"
    yield f"new: {tally.n_new}"
    yield f"known before: {tally.n_pages - tally.n_new}"
    yield f"refused: {tally.refused.total()}"
    for reason, n in tally.refused.most_common():
        yield f"  {reason.value}: {n}"
    if tally.first_at is None or tally.last_at is None:
        return
    with reading(engine) as tx:
        n_visits, n_visitors, sources = visits_of_logs(tx, site, tally.first_at, tally.last_at)
    first_day, last_day = local_day(tally.first_at, site.timezone), local_day(tally.last_at, site.timezone)
    yield f"days: {first_day} to {last_day}"
    yield f"visits: {n_visits}"
    yield f"visitors: {n_visitors}"
    yield "top sources (visits, channel, source / medium):"
    for n, channel, source, medium in sources:
        yield f"  {n:6} {channel:15} {source} / {medium}"


def visits_of_logs(
    tx: Tx, site: Site, first_at: datetime, last_at: datetime
) -> tuple[int, int, list[tuple[int, str, str, str]]]:
    """Visits and visitors that logs tell of between two instants, and the sources of most of them."""
    within: ColumnElement[bool] = and_(
        touchpoints.c.site_id == site.site_id,
        touchpoints.c.day >= local_day(first_at, site.timezone),  # there is an index by day
        touchpoints.c.day <= local_day(last_at, site.timezone),
        touchpoints.c.occurred_at.between(first_at, last_at),
        touchpoints.c.kind == TouchKind.VISIT.value,
        hits.c.origin == Origin.LOG.value,
    )
    visits = touchpoints.join(hits, hits.c.seq == touchpoints.c.hit_seq)
    n = func.count()
    totals = select(n, func.count(touchpoints.c.visitor_no.distinct())).select_from(visits).where(within)
    n_visits, n_visitors = tx.execute(totals).one()
    names = (touchpoints.c.channel, touchpoints.c.source, touchpoints.c.medium)
    top = select(n, *names).select_from(visits).where(within).group_by(*names).order_by(n.desc(), *names)
    return n_visits, n_visitors, [tuple(row) for row in tx.execute(top.limit(TOP_SOURCES))]
