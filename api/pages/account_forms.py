"""What analysts decide about target accounts: which they are, a list of them at once, and which roles are wanted."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from api.context import here
from api.pages.frame import address, site_named
from api.pages.routes import routes
from api.pages.shown import count
from api.trust import Audience, actor, audience
from tracker.access import audit
from tracker.access.sites import Site
from tracker.accountfiles import (
    CHANGED,
    FREE,
    MOST_BYTES,
    MOST_ROWS,
    NEW,
    NO_DOMAIN,
    NO_TIER,
    NOT_A_DOMAIN,
    REFUSED,
    TOO_LONG,
    TWICE,
    VERDICTS,
    Understood,
    domain_of,
    understand,
)
from tracker.companies.accounts import (
    LONGEST_NAME,
    LONGEST_TIER,
    MOST_ACCOUNTS,
    Account,
    Told,
    plain,
    read,
    remove,
    roles_of,
    save,
    save_roles,
)
from tracker.companies.roles import LONGEST_ROLE, MOST_PATTERNS, MOST_ROLES, SHIPPED, TITLES
from tracker.companies.roles import Role as WantedRole
from tracker.companies.roles import checked as checked_roles
from tracker.db.store import begin, reading
from tracker.errors import Invalid, NotFound
from tracker.reports.accounts_shown import role_word
from tracker.reports.companies import names_of
from tracker.staging import tiers_told
from tracker.urls import clean_text
from tracker.vocabulary import Audited, Role

SENDING = ("pages.preview_accounts", "pages.load_accounts")
MOST_SHOWN = 200
MOST_AUDITED = 200
BLANK_ROWS = 2


@routes.url_value_preprocessor
def allow_lists(endpoint: str | None, values: object) -> None:
    """A list that was looked at comes back in a field, which may be larger than others."""
    if endpoint in SENDING:
        request.max_content_length = 4 * MOST_BYTES
        request.max_form_memory_size = 4 * MOST_BYTES


# --- one account ----------------------------------------------------------------------------------------------------


@routes.get("/accounts/edit")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def account_form() -> ResponseReturnValue:
    """The form of an account, new or known (?domain=)."""
    site = site_named()
    domain = request.args.get("domain", "")[:253]
    with reading(here().engine) as tx:
        known = read(tx, site.site_id, [domain]).get(domain)
        name = names_of(tx, site, [domain]).get(domain, "") if domain and known is None else ""
    form = {"domain": domain, "name": name, "tier": "", "owner": ""}
    return form_shown(site, form | plain_words(known), known, {})


def plain_words(known: Account | None) -> dict[str, str]:
    """An account as the form has it."""
    return {name: value or "" for name, value in plain(known).items()}


def form_shown(site: Site, form: Mapping[str, str], known: Account | None, errors: Mapping[str, str]) -> str:
    """The form, with what is wrong beside its fields."""
    back = url_for("pages.company", domain=known.domain) if known else url_for("pages.accounts")
    return render_template("account_form.html", form=form, known=known, errors=errors, back_href=back)


@routes.post("/accounts/edit")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_account() -> ResponseReturnValue:
    """Make a company a target account, or change what was decided of one."""
    site = site_named()
    form = {name: request.form.get(name, "")[:2_000] for name in ("domain", "name", "tier", "owner")}
    try:
        domain = domain_of(form["domain"])
    except Invalid as error:
        return form_shown(site, form, None, {"domain": why_word(error.field)}), 422
    now = here().now()
    told = Told(domain, form["tier"], form["name"], form["owner"])
    try:
        if not form["tier"].strip():
            raise Invalid("needs a tier", field="tier")
        with begin(here().engine) as tx:
            for before, after in save(tx, site.site_id, [told], actor(), now):
                details = audit.difference(plain(before), plain(after))
                audit.note(tx, site.site_id, actor(), Audited.ACCOUNT, domain, now=now, details=details)
            tiers_told(tx, site, [domain])
    except Invalid as error:
        with reading(here().engine) as tx:
            known = read(tx, site.site_id, [domain]).get(domain)
        return form_shown(site, form, known, {error.field or "domain": form_error(error)}), 422
    flash(gettext("Saved: %(domain)s is a target account.", domain=domain), "success")
    return redirect(url_for("pages.company", domain=domain, site=site.key))


def form_error(error: Invalid) -> str:
    """What is wrong with a field, in the reader's language."""
    if error.field == "tier" and "needs" in error.message:
        return str(gettext("Give it a tier, such as A."))
    if error.field == "domain":
        return str(gettext("There are %(n)s accounts already; that is the most.", n=count(MOST_ACCOUNTS)))
    longest = LONGEST_TIER if error.field == "tier" else LONGEST_NAME
    return str(gettext("At most %(n)s characters.", n=longest))


@routes.post("/accounts/remove")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def remove_account() -> ResponseReturnValue:
    """A company is no target any more."""
    site, domain, now = site_named(), request.form.get("domain", "")[:253], here().now()
    try:
        with begin(here().engine) as tx:
            before = remove(tx, site.site_id, domain)
            details = {"before": plain(before), "after": {}}
            audit.note(tx, site.site_id, actor(), Audited.ACCOUNT, domain, now=now, details=details)
            tiers_told(tx, site, [domain])
    except NotFound:
        flash(gettext("It is no target account."), "info")
    else:
        flash(
            gettext("%(domain)s is no target account any more; all that is known of it stays.", domain=domain), "info"
        )
    return redirect(url_for("pages.accounts", site=site.key))


# --- a list ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of the file. cells: (field, before, after), of those that change; texts are the file's."""

    number: int
    text: str
    verdict: str
    why: str
    domain: str
    cells: tuple[tuple[str, str, str], ...]


@routes.get("/accounts/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def accounts_import() -> ResponseReturnValue:
    """Choose a file, or paste a list."""
    return import_shown(site_named())


@routes.post("/accounts/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def preview_accounts() -> ResponseReturnValue:
    """What a file would change."""
    site = site_named()
    sent = request.files.get("file")
    content = sent.read(MOST_BYTES + 1) if sent is not None and sent.filename else b""
    content = content or request.form.get("list", "").encode()
    tier = clean_text(request.form.get("tier", ""), LONGEST_TIER) or ""
    try:
        text = decoded(content)
        found = understood(site, text, tier)
    except Invalid as error:
        return import_shown(site, file_error(error), request.form.get("list", "")[:MOST_BYTES], tier), 422
    return preview_shown(site, found, text, tier)


@routes.post("/accounts/import/load")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def load_accounts() -> ResponseReturnValue:
    """Take in a list that was looked at."""
    site, now = site_named(), here().now()
    tier = clean_text(request.form.get("tier", ""), LONGEST_TIER) or ""
    try:
        with begin(here().engine) as tx:
            content = request.form.get("list", "").encode()
            found = understand(tx, site.site_id, content, tier, actor(), now)
            saved = save(tx, site.site_id, found.told, actor(), now)
            if saved:
                details = {
                    "new": sum(before is None for before, _ in saved),
                    "changed": sum(before is not None for before, _ in saved),
                    "accounts": [f"{after.domain} {after.tier}" for _, after in saved[:MOST_AUDITED]],
                }
                audit.note(tx, site.site_id, actor(), Audited.ACCOUNT, "import", now=now, details=details)
                tiers_told(tx, site, [after.domain for _, after in saved])
    except Invalid as error:
        return import_shown(site, file_error(error), request.form.get("list", "")[:MOST_BYTES], tier), 422
    n = len(saved)
    text = ngettext("%(n)s account was added or changed.", "%(n)s accounts were added or changed.", n, n=count(n))
    flash(text, "success" if n else "info")
    return redirect(url_for("pages.accounts", site=site.key))


def decoded(content: bytes) -> str:
    """A file's text as UTF-8, whatever it was in; raises Invalid."""
    from tracker.costs.reading import ENCODINGS, encoding_of

    if not content.strip():
        raise Invalid("the file is empty", field="file")
    if len(content) > MOST_BYTES:
        raise Invalid("the file has more than 1 MB", field="file")
    return content.decode(ENCODINGS[encoding_of(content)])


def understood(site: Site, text: str, tier: str) -> Understood:
    """What a list would change."""
    with reading(here().engine) as tx:
        return understand(tx, site.site_id, text.encode(), tier, actor(), here().now())


def import_shown(site: Site, error: str = "", text: str = "", tier: str = "") -> str:
    """Where a list is chosen."""
    return render_template(
        "accounts_import.html", error=error, text=text, tier=tier, most_rows=MOST_ROWS, preview=None, lines=()
    )


def preview_shown(site: Site, found: Understood, text: str, tier: str) -> str:
    """What a list would change, the refused lines first."""
    order = {REFUSED: 0, CHANGED: 1, NEW: 2}
    lines = sorted(found.lines, key=lambda one: order.get(one.verdict, 3))
    shown = []
    for one in lines[:MOST_SHOWN]:
        before, after = plain(one.before), plain(one.after)
        cells = tuple(
            (field, before.get(field) or "", after.get(field) or "")
            for field in ("name", "tier", "owner")
            if one.after is not None and before.get(field) != after.get(field)
        )
        why = why_word(one.why) if one.why else ""
        shown.append(
            ShownLine(one.number, one.text[:120], one.verdict, why, one.told.domain if one.told else "", cells)
        )
    return render_template(
        "accounts_import.html",
        error="",
        text=text,
        tier=tier,
        most_rows=MOST_ROWS,
        preview={verdict: found.n(verdict) for verdict in VERDICTS},
        lines=shown,
        n_more=max(0, len(lines) - len(shown)),
    )


def why_word(why: str) -> str:
    """Why a line, or a domain, is refused, in the reader's language."""
    words = {
        NO_DOMAIN: gettext("There is no domain."),
        NOT_A_DOMAIN: gettext("This is no company’s domain. Write acme.co.jp."),
        FREE: gettext("Everybody can have an address there; it is no company’s domain."),
        TWICE: gettext("The same domain stands further above."),
        NO_TIER: gettext("A new account needs a tier."),
        TOO_LONG: gettext("A text is too long."),
    }
    return str(words.get(why, why))


def file_error(error: Invalid) -> str:
    """Why a file was refused, in the reader's language."""
    if "empty" in error.message:
        return str(gettext("Choose a file or paste a list; this one is empty."))
    if "MB" in error.message:
        return str(gettext("The file is larger than %(n)s MB.", n=1))
    if error.field == "columns":
        return str(gettext("The first line has to name the columns, and one of them has to be called domain."))
    if error.field == "rows" or "rows" in error.message:
        return str(gettext("The file has more than %(n)s rows.", n=count(MOST_ROWS)))
    if error.field == "encoding" or "NUL" in error.message:
        return str(gettext("This is no text file. Export as CSV, in UTF-8 or Shift_JIS."))
    if error.field == "domain":
        return str(gettext("There are %(n)s accounts already; that is the most.", n=count(MOST_ACCOUNTS)))
    return str(gettext("The file cannot be read as CSV: %(why)s", why=error.message))


# --- wanted roles ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A row of the form as it was filled in; error: what is wrong with it."""

    order: str
    name: str
    patterns: str
    error: str = ""


@routes.get("/accounts/roles")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def account_roles() -> ResponseReturnValue:
    """The roles that are wanted at an account."""
    site = site_named()
    with reading(here().engine) as tx:
        roles = roles_of(tx, site.site_id)
    return roles_shown(
        [RoleRow(str(10 * n), role_word(one.name, gettext), ", ".join(one.patterns)) for n, one in enumerate(roles, 1)]
    )


def roles_shown(rows: list[RoleRow], error: str = "") -> str:
    """The form, with empty rows at its end."""
    n_blank = min(BLANK_ROWS, MOST_ROLES - len(rows))
    return render_template(
        "account_roles.html", rows=[*rows, *[RoleRow("", "", "")] * max(0, n_blank)], error=error, titles=TITLES
    )


@routes.post("/accounts/roles")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_account_roles() -> ResponseReturnValue:
    """Settle which roles are wanted, or go back to those that are shipped."""
    site, now = site_named(), here().now()
    rows = [] if request.form.get("shipped") else rows_filled_in()
    wrong = [with_error(one) for one in rows]
    if any(one.error for one in wrong):
        return roles_shown(wrong), 422
    try:
        roles = checked_roles([role_of(one) for one in sorted(rows, key=lambda one: int(one.order or "9999"))])
    except Invalid as error:
        return roles_shown(rows, role_error(error)), 422
    with begin(here().engine) as tx:
        before = roles_of(tx, site.site_id)
        after = roles or SHIPPED
        if before != after or not roles:
            save_roles(tx, site.site_id, roles)
            words = [{one.name: list(one.patterns) for one in known} for known in (before, after)]
            details = {"before": words[0], "after": words[1]}
            audit.note(tx, site.site_id, actor(), Audited.ACCOUNT, "roles", now=now, details=details)
    flash(gettext("The wanted roles are saved."), "success")
    return redirect(address(url_for("pages.accounts"), {"site": site.key}))


def rows_filled_in() -> list[RoleRow]:
    """The rows of the form; those without a name and words are left out."""
    rows = []
    for n in range(MOST_ROLES + BLANK_ROWS):
        name = clean_text(request.form.get(f"name_{n}", ""), LONGEST_ROLE + 1) or ""
        patterns = request.form.get(f"patterns_{n}", "")[:5_000].strip()
        if name or patterns:
            rows.append(RoleRow(request.form.get(f"order_{n}", "").strip()[:6], name, patterns))
    return rows


def role_of(row: RoleRow) -> WantedRole:
    """A row as a role."""
    words = row.patterns.replace("、", ",").replace("\n", ",").replace("\r", ",").split(",")
    return WantedRole(row.name, tuple(text for word in words if (text := clean_text(word, 200))))


def with_error(row: RoleRow) -> RoleRow:
    """The same with what is wrong with it."""
    if row.order and not (row.order.isascii() and row.order.isdigit() and len(row.order) < 5):
        return RoleRow(row.order, row.name, row.patterns, gettext("The order is a whole number, or nothing."))
    try:
        checked_roles([role_of(row)])
    except Invalid as error:
        return RoleRow(row.order, row.name, row.patterns, role_error(error))
    return row


def role_error(error: Invalid) -> str:
    """What is wrong with roles, in the reader's language."""
    if "twice" in error.message:
        return str(gettext("Two roles have the same name."))
    if "no words" in error.message:
        return str(gettext("Say by which words in a title this role is known."))
    if error.field == "role":
        return str(gettext("A role needs a name of at most %(n)s characters.", n=LONGEST_ROLE))
    if error.field == "roles":
        return str(gettext("At most %(n)s roles.", n=MOST_ROLES))
    return str(gettext("At most %(n)s words of 60 characters each.", n=MOST_PATTERNS))
