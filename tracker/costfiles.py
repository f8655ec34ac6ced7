"""A file of costs from the command line: read it, say what it holds, take it in as a whole; and take it back."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from tracker.access.audit import COMMAND_LINE, note
from tracker.access.sites import Site, settle_currency
from tracker.clock import format_instant, local_day
from tracker.costs.choices import Choices, checked, guess
from tracker.costs.importing import Undone, imports_of, take_in, to_replace, undo
from tracker.costs.reading import MOST_BYTES, read_sheet
from tracker.costs.understand import Faulty, Understood, understand
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.money import plain
from tracker.vocabulary import AdPlatform, Audited

MOST_TOLD = 10
MOST_LISTED = 50


def import_file(tx: Tx, site: Site, file: Path, said: Mapping[str, str | None], now: datetime) -> Iterator[str]:
    """Take a file in, and say what came of it, line by line.

    said    platform, source, medium, currency, dates, numbers; None: as the file tells
    raises  Invalid: it cannot be read, or rows of it cannot; nothing is written
            Conflict: this very file was imported at this very instant
    """
    if file.stat().st_size > MOST_BYTES:
        raise Invalid(f"the file has more than {MOST_BYTES // 1024 // 1024} MB", field="file")
    content = file.read_bytes()
    sheet = read_sheet(content)
    platform = AdPlatform(name) if (name := said.get("platform")) else None
    choices = checked(chosen(guess(sheet, site.currency, platform), said), sheet)
    today = date.fromisoformat(local_day(now, site.timezone))
    found = understand(sheet, choices, (today + timedelta(days=1)).isoformat())
    if found.faulty:
        raise Invalid(told(found.faulty), field="file")
    known = to_replace(tx, site.site_id, found.costs)
    key = sha256(content).hexdigest() + now.isoformat()
    import_id = take_in(tx, site.site_id, file.name, choices, found, COMMAND_LINE, now, key)
    settle_currency(tx, site, found.costs[0].currency)
    sums = [f"{plain(minor, currency)} {currency}" for currency, _, minor in found.totals]
    details = {"import": import_id, "platform": choices.platform.value, "rows": len(found.rows), "totals": sums}
    note(tx, site.site_id, COMMAND_LINE, Audited.COSTS, file.name, now=now, details=details)
    yield from summary(choices, found)
    yield f"replaced: {known.n_costs}"
    yield from (f"sum: {one}" for one in sums)
    yield f"import: {import_id}"


def taken_back(tx: Tx, site_id: int, import_id: str, by: str, now: datetime, reason: str | None = None) -> Undone:
    """Take an import back, and write down who did; raises NotFound, and Conflict where it was already."""
    done = undo(tx, site_id, import_id, by, now)
    details: dict[str, int | str] = {
        "undone": import_id,
        "rows": done.n_stood,
        "of": done.imported.n_costs,
        "back": done.n_back,
    }
    if reason:
        details["reason"] = reason
    note(tx, site_id, by, Audited.COSTS, done.imported.name, now=now, details=details)
    return done


def listed(tx: Tx, site: Site) -> Iterator[str]:
    """A site's last imports, the newest first: id, instant, state, days, sums, name; with tabs between."""
    for one in imports_of(tx, site.site_id, MOST_LISTED):
        state = "taken back" if one.undone_at is not None else f"{one.n_standing} of {one.n_costs} stand"
        sums = ", ".join(f"{plain(minor, currency)} {currency}" for currency, minor in one.totals)
        words = [one.import_id, format_instant(one.imported_at), state, f"{one.from_day} to {one.to_day}", sums]
        yield "\t".join([*words, one.name])


def chosen(choices: Choices, said: Mapping[str, str | None]) -> Choices:
    """The choices with what was said in place of what was guessed."""
    own = {name: word for name in ("source", "medium", "dates", "numbers") if (word := said.get(name))}
    currency = (said.get("currency") or choices.currency or "").upper() or None
    return replace(choices, **own, currency=currency)  # type: ignore[arg-type]


def summary(choices: Choices, found: Understood) -> Iterator[str]:
    """What a file holds."""
    yield f"platform: {choices.platform.value}"
    yield f"rows: {len(found.rows)}"
    yield f"left out: {len(found.left_out)}"
    yield f"costs: {len(found.costs)}"
    if found.period is not None:
        yield f"days: {found.period[0]} to {found.period[1]}"


def told(faulty: tuple[Faulty, ...]) -> str:
    """The rows that cannot be read, the first of them with the reason."""
    shown = "; ".join(f"line {one.line}: {one.fault.value} {one.text[:40]}".rstrip() for one in faulty[:MOST_TOLD])
    more = f"; and {len(faulty) - MOST_TOLD} more" if len(faulty) > MOST_TOLD else ""
    return f"{len(faulty)} rows cannot be read, so nothing was imported: {shown}{more}"
