"""Import a file of costs: send it, see what it holds and how it is read, take it in; and take it back."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from api.context import here
from api.pages.costs import last_day_of, may_tell
from api.pages.frame import address, site_named
from api.pages.routes import routes
from api.pages.shown import count, money
from api.trust import Audience, actor, audience
from tracker.access.audit import note
from tracker.access.sites import Site, settle_currency
from tracker.costfiles import taken_back
from tracker.costs.amounts import NUMBERS, minor_units
from tracker.costs.choices import Choices, checked, guess, is_readable, names_of, written
from tracker.costs.days import ORDERS
from tracker.costs.importing import (
    Draft,
    Imported,
    Replaced,
    Undone,
    choose,
    draft_of,
    drop_draft,
    imports_of,
    keep_draft,
    take_in,
    to_replace,
)
from tracker.costs.platforms import BY_PLATFORM, NEEDED, ROLES
from tracker.costs.reading import DELIMITERS, ENCODINGS, MOST_BYTES, Sheet, read_sheet
from tracker.costs.understand import Understood, understand
from tracker.db.store import begin, reading
from tracker.errors import Conflict, Invalid
from tracker.ids import derive
from tracker.money import plain
from tracker.vocabulary import AdPlatform, Audited, CostLeftOut, Role

MOST_SHOWN = 10  # rows as understood
MOST_TOLD = 50  # rows that cannot be read, lines left out
MOST_IMPORTS = 20
SENDING = "pages.send_costs"


@dataclass(frozen=True, slots=True)
class ShownImport:
    """A file that was taken in; `name` and `imported_by` are people's words."""

    import_id: str
    name: str
    platform: str
    totals: tuple[str, ...]
    n_rows: int
    n_costs: int
    n_standing: int
    from_day: date
    to_day: date
    imported_by: str
    imported_at: datetime
    undone_by: str | None
    undone_at: datetime | None
    href: str


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row as understood; texts are the file's."""

    line: int
    day: date
    until: date | None
    source: str
    medium: str
    campaign: str
    amount: str
    clicks: str | None
    impressions: str | None


@dataclass(frozen=True, slots=True)
class ShownTotal:
    """A sum of the file: what its rows say, and what would be loaded. `told`: what its own line of totals says."""

    currency: str
    read: str
    loaded: str
    is_same: bool
    told: str | None
    agrees: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file holds, read as chosen."""

    n_rows: int
    n_costs: int
    totals: tuple[ShownTotal, ...]
    from_day: date | None
    to_day: date | None
    rows: tuple[ShownRow, ...]
    faulty: tuple[object, ...]
    n_faulty: int
    left_out: tuple[tuple[str, int, tuple[object, ...]], ...]
    shared_out: int
    numbers: str | None
    dates: str | None
    n_replaced: int
    replaced: tuple[str, ...]
    may_load: bool


@routes.url_value_preprocessor
def allow_files(endpoint: str | None, values: object) -> None:
    """Files of costs may be larger than what else is sent; said before anything of the request is read."""
    if endpoint == SENDING:
        request.max_content_length = MOST_BYTES + 65_536


@routes.get("/costs/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def costs_import() -> ResponseReturnValue:
    """Choose a file; and the files that were taken in."""
    return start_page(site_named())


@routes.post("/costs/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def send_costs() -> ResponseReturnValue:
    """Keep a file until it has been looked at."""
    site = site_named()
    sent = request.files.get("file")
    content = sent.read(MOST_BYTES + 1) if sent is not None else b""
    name = sent.filename or "" if sent is not None else ""
    try:
        choices = guess(read_sheet(content), site.currency)
        with begin(here().engine) as tx:
            draft_id = keep_draft(tx, site.site_id, name, content, choices, actor(), here().now())
    except Invalid as error:
        return start_page(site, file_error(error)), 422
    return redirect(url_for("pages.costs_draft", draft_id=draft_id, site=site.key))


@routes.get("/costs/import/<draft_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def costs_draft(draft_id: str) -> ResponseReturnValue:
    """What a file holds, and how it is read."""
    site = site_named()
    with reading(here().engine) as tx:
        draft = draft_of(tx, site.site_id, draft_id)
    return draft_page(site, draft)


@routes.post("/costs/import/<draft_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def read_otherwise(draft_id: str) -> ResponseReturnValue:
    """Have a file read otherwise."""
    site = site_named()
    with reading(here().engine) as tx:
        draft = draft_of(tx, site.site_id, draft_id)
    try:
        choices = chosen(draft, site)
    except Invalid as error:
        return draft_page(site, draft, error), 422
    with begin(here().engine) as tx:
        choose(tx, site.site_id, draft_id, choices)
    return redirect(url_for("pages.costs_draft", draft_id=draft_id, site=site.key))


@routes.post("/costs/import/<draft_id>/load")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def load_costs(draft_id: str) -> ResponseReturnValue:
    """Take a file in as it was shown."""
    site, now = site_named(), here().now()
    with reading(here().engine) as tx:
        draft = draft_of(tx, site.site_id, draft_id)
    if request.form.get("seen") != version_of(draft.choices):
        flash(gettext("The file is read otherwise since you looked. Look again."), "error")
        return redirect(url_for("pages.costs_draft", draft_id=draft_id, site=site.key))
    choices = replace(draft.choices, without_faulty=bool(request.form.get("without_faulty")))
    try:
        # Read before the transaction, which keeps others waiting.
        sheet = read_sheet(draft.content, choices.encoding, choices.delimiter)
        found = understand(sheet, choices, last_day_of(site))
        with begin(here().engine) as tx:
            import_id = take_in(tx, site.site_id, draft.name, choices, found, actor(), now, draft_id)
            drop_draft(tx, site.site_id, draft_id)
            settle_currency(tx, site, found.costs[0].currency)
            details = {
                "import": import_id,
                "platform": choices.platform.value,
                "rows": len(found.rows),
                "totals": [plain(minor, currency) + f" {currency}" for currency, _, minor in found.totals],
            }
            note(tx, site.site_id, actor(), Audited.COSTS, draft.name, now=now, details=details)
    except Invalid as error:
        return draft_page(site, draft, error), 422
    flash(loaded_text(found), "success")
    return redirect(url_for("pages.costs_import", site=site.key) + "#imports")


def loaded_text(found: Understood) -> str:
    """What was taken in, as one sentence."""
    sums = gettext(" and ").join(money(minor, currency) for currency, _, minor in found.totals)
    n = len(found.rows)
    return str(ngettext("%(n)s row imported: %(sums)s.", "%(n)s rows imported: %(sums)s.", n, n=count(n), sums=sums))


@routes.post("/costs/import/<draft_id>/drop")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def drop_costs(draft_id: str) -> ResponseReturnValue:
    """Forget a file that was sent."""
    site = site_named()
    with begin(here().engine) as tx:
        drop_draft(tx, site.site_id, draft_id)
    flash(gettext("The file was dropped; nothing was imported."), "info")
    return redirect(url_for("pages.costs_import", site=site.key))


@routes.post("/costs/imports/<import_id>/undo")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def undo_costs(import_id: str) -> ResponseReturnValue:
    """Take an import back."""
    site, now = site_named(), here().now()
    try:
        with begin(here().engine) as tx:
            done = taken_back(tx, site.site_id, import_id, actor(), now)
    except Conflict:
        flash(gettext("This import was taken back already."), "error")
    else:
        flash(undone_text(done), "success")
    return redirect(url_for("pages.costs_import", site=site.key) + "#imports")


def undone_text(done: Undone) -> str:
    """What became of an import's costs, as one sentence or two."""
    n, n_back = done.n_stood, done.n_back
    gone = ngettext(
        "The import was taken back: one cost is gone.",
        "The import was taken back: %(n)s costs are gone.",
        n,
        n=count(n),
    )
    if not n_back:
        return str(gone)
    back = ngettext(
        "What it had replaced stands again: one cost.",
        "What it had replaced stands again: %(n)s costs.",
        n_back,
        n=count(n_back),
    )
    return f"{gone} {back}"


# --- the pages ------------------------------------------------------------------------------------------------------


def start_page(site: Site, error: str | None = None) -> str:
    """Where a file is chosen."""
    with reading(here().engine) as tx:
        known = imports_of(tx, site.site_id, MOST_IMPORTS)
    return render_template(
        "costs_import.html",
        error=error,
        imports=[import_shown(one) for one in known],
        most_mb=MOST_BYTES // 1024 // 1024,
        may_tell=may_tell(),
    )


def import_shown(one: Imported) -> ShownImport:
    """An import in the reader's form."""
    return ShownImport(
        import_id=one.import_id,
        name=one.name,
        platform=one.platform.value,
        totals=tuple(money(minor, currency) for currency, minor in one.totals),
        n_rows=one.n_rows,
        n_costs=one.n_costs,
        n_standing=one.n_standing,
        from_day=date.fromisoformat(one.from_day),
        to_day=date.fromisoformat(one.to_day),
        imported_by=one.imported_by.removeprefix("user "),
        imported_at=one.imported_at,
        undone_by=one.undone_by.removeprefix("user ") if one.undone_by else None,
        undone_at=one.undone_at,
        href=address(url_for("pages.costs"), {"period": "custom", "from": one.from_day, "to": one.to_day}),
    )


def draft_page(site: Site, draft: Draft, error: Invalid | None = None) -> str:
    """The preview, with the form how the file is read."""
    choices, preview = draft.choices, None
    sheet: Sheet | None = None
    try:
        sheet = read_sheet(draft.content, choices.encoding, choices.delimiter)
        if is_readable(choices):
            preview = preview_of(site, sheet, choices)
    except Invalid as wrong:
        error = error or wrong
    names = names_of(sheet, choices.header) if sheet is not None and choices.header < len(sheet.lines) else ()
    return render_template(
        "costs_preview.html",
        draft=draft,
        choices=choices,
        seen=version_of(choices),
        names=[(n, name.strip()[:60]) for n, name in enumerate(names)],
        header_line=sheet.lines[choices.header].number if names and sheet is not None else 1,
        head=head_of(sheet, choices),
        roles=ROLES,
        needed=NEEDED,
        platforms=tuple(AdPlatform),
        encodings=tuple(ENCODINGS),
        delimiters=tuple(DELIMITERS),
        numbers=NUMBERS,
        orders=ORDERS,
        preview=preview,
        error=draft_error(error) if error is not None else None,
        error_field=error.field if error is not None else "",
    )


def head_of(sheet: Sheet | None, choices: Choices) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """The first lines of the file as they stand there, for whoever has to say which column is which."""
    if sheet is None:
        return ()
    return tuple((line.number, tuple(cell[:80] for cell in line.cells)) for line in sheet.lines[choices.header :][:4])


def preview_of(site: Site, sheet: Sheet, choices: Choices) -> Preview:
    """What a file holds, in the reader's form."""
    found = understand(sheet, choices, last_day_of(site))
    with reading(here().engine) as tx:
        known = to_replace(tx, site.site_id, found.costs)
    return preview_shown(found, known)


def preview_shown(found: Understood, known: Replaced) -> Preview:
    """What was understood, cut to what fits on a page."""
    period = found.period
    told = next((out.amount for out in found.left_out if out.why is CostLeftOut.TOTAL and out.amount is not None), None)
    groups = []
    for why in CostLeftOut:
        own = [out for out in found.left_out if out.why is why]
        if own:
            groups.append((why.value, len(own), tuple(own[:MOST_TOLD])))
    return Preview(
        n_rows=len(found.rows),
        n_costs=len(found.costs),
        totals=tuple(total_shown(*one, told if len(found.totals) == 1 else None) for one in found.totals),
        from_day=date.fromisoformat(period[0]) if period else None,
        to_day=date.fromisoformat(period[1]) if period else None,
        rows=tuple(
            ShownRow(
                line=row.line,
                day=date.fromisoformat(row.day),
                until=date.fromisoformat(row.until) if row.until != row.day else None,
                source=row.source,
                medium=row.medium,
                campaign=row.campaign,
                amount=exact_money(row.amount, row.currency),
                clicks=None if row.clicks is None else count(row.clicks),
                impressions=None if row.impressions is None else count(row.impressions),
            )
            for row in found.rows[:MOST_SHOWN]
        ),
        faulty=found.faulty[:MOST_TOLD],
        n_faulty=len(found.faulty),
        left_out=tuple(groups),
        shared_out=found.shared_out,
        numbers=found.numbers,
        dates=found.dates,
        n_replaced=known.n_costs,
        replaced=tuple(money(minor, currency) for currency, minor in known.totals),
        may_load=bool(found.costs),
    )


def total_shown(currency: str, exact: Decimal, minor: int, told: Decimal | None) -> ShownTotal:
    """A sum, beside the file's own."""
    major = exact / minor_units(Decimal(1), currency)
    return ShownTotal(
        currency=currency,
        read=exact_money(major, currency),
        loaded=money(minor, currency),
        is_same=exact == minor,
        told=None if told is None else exact_money(told, currency),
        agrees=told is not None and told == major,
    )


def exact_money(amount: Decimal, currency: str) -> str:
    """An amount that may be finer than its currency is: then as it was written."""
    minor = minor_units(amount, currency)
    if minor == minor.to_integral_value():
        return money(int(minor), currency)
    return f"{amount.normalize():f} {currency}"


def version_of(choices: Choices) -> str:
    """What tells these choices from others."""
    return derive("choices", current_app.json.dumps(written(choices), sort_keys=True))


def chosen(draft: Draft, site: Site) -> Choices:
    """How the form says that the file is read; raises Invalid."""
    form, old = request.form, draft.choices
    platform = AdPlatform(form["platform"]) if form.get("platform") in set(AdPlatform) else old.platform
    encoding, delimiter = form.get("encoding", old.encoding), form.get("delimiter", old.delimiter)
    sheet = read_sheet(draft.content, encoding, delimiter)
    line = form.get("header", "")[:7]
    header = next((n for n, one in enumerate(sheet.lines) if line.isdecimal() and one.number == int(line)), None)
    if header is None:
        raise Invalid("the file has no such line", field="header")
    if (platform, encoding, delimiter, header) != (old.platform, old.encoding, old.delimiter, old.header):
        new = guess(sheet, site.currency, platform, None if header == old.header else header)
        return replace(new, source=new.source or old.source, medium=new.medium or old.medium)
    layout = BY_PLATFORM[platform]
    columns = {role: int(place) for role in ROLES if (place := form.get(f"column_{role}", "")[:4]).isdecimal()}
    return checked(
        replace(
            old,
            columns=columns,
            numbers=form.get("numbers") or None,
            dates=form.get("dates") or None,
            currency=form.get("currency", "").strip().upper() or None,
            source=form.get("source", "").strip() or layout.source,
            medium=form.get("medium", "").strip() or layout.medium,
        ),
        sheet,
    )


def file_error(error: Invalid) -> str:
    """Why a file was refused, in the reader's language."""
    text = error.message
    if "empty" in text:
        return str(gettext("Choose a file; this one is empty."))
    if "MB" in text:
        return str(gettext("The file is larger than %(n)s MB. Export a shorter period.", n=MOST_BYTES // 1024 // 1024))
    if "rows" in text:
        return str(gettext("The file has more than 200,000 rows. Export a shorter period."))
    if error.field == "encoding" or "NUL" in text:
        return str(gettext("This is no text file. Export as CSV, in UTF-8 or Shift_JIS."))
    return str(gettext("The file cannot be read as CSV: %(why)s", why=text))


def draft_error(error: Invalid) -> str:
    """Why a file cannot be read or taken in so, in the reader's language."""
    if error.field in (*ROLES, "header", "numbers", "dates"):
        needed = gettext("Say which column holds the day and which the cost, each another one.")
        return str(
            {
                "source": gettext("Say which source and medium these costs are of."),
                "medium": gettext("Say which source and medium these costs are of."),
                "currency": gettext("Unknown currency. Use a code of three letters, such as JPY."),
                "header": gettext("There is no such line in the file."),
            }.get(error.field, needed)
        )
    if "cannot be read" in error.message:
        return str(gettext("Some rows cannot be read. Mend them, or go on without them."))
    if "no costs" in error.message:
        return str(gettext("No row of this file is a cost, read like this."))
    return file_error(error)
