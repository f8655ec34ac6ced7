"""Files of target accounts: a line each, with its domain, its name, its tier, its owner; and what they would change.

Whoever sends one sees what it holds before it counts. A domain may be written as an address of a page or of a mail;
the registrable one is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tracker.access.sites import clean_host
from tracker.companies.accounts import Account, Told, checked, read, with_word
from tracker.costs.reading import Line, read_sheet
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.identity.normalise import FREE_MAIL, SUFFIXES, company_domain_of

MOST_BYTES = 1024 * 1024
MOST_ROWS = 5_000
LONGEST_TEXT = 2_000
# How the columns may be called, in small letters without spaces, '_' and '-'.
COLUMNS: Mapping[str, frozenset[str]] = {
    "domain": frozenset(
        "domain companydomain website companydomainname url email emaildomain ドメイン ドメイン名 "
        "会社ドメイン 企業ドメイン サイト webサイト ウェブサイト メールアドレス".split()
    ),
    "name": frozenset("name company companyname account accountname 会社名 企業名 社名 名前 アカウント名".split()),
    "tier": frozenset("tier rank priority class accounttier ティア ランク 優先度 区分 レベル".split()),
    "owner": frozenset("owner accountowner salesrep assignee 担当 担当者 営業担当 所有者 オーナー".split()),
}
# What becomes of a line.
NEW, CHANGED, UNCHANGED, REFUSED = "new", "changed", "unchanged", "refused"
VERDICTS = (NEW, CHANGED, UNCHANGED, REFUSED)
# Why a line is refused.
NO_DOMAIN, NOT_A_DOMAIN, FREE, TWICE, NO_TIER, TOO_LONG = (
    "no_domain",
    "not_a_domain",
    "free_mail",
    "twice",
    "no_tier",
    "too_long",
)


@dataclass(frozen=True, slots=True)
class Read:
    """A line of a file. text: what stands as its domain; told: None where it is refused; why: '' or the reason."""

    number: int
    text: str
    verdict: str
    why: str
    told: Told | None
    before: Account | None
    after: Account | None


@dataclass(frozen=True, slots=True)
class Understood:
    """What a file holds, line by line."""

    lines: tuple[Read, ...]

    def n(self, verdict: str) -> int:
        """How many lines come to this."""
        return sum(one.verdict == verdict for one in self.lines)

    @property
    def told(self) -> list[Told]:
        """What is to be kept."""
        return [one.told for one in self.lines if one.told is not None and one.verdict in (NEW, CHANGED)]


def understand(tx: Tx, site_id: int, content: bytes, default_tier: str, by: str, now: datetime) -> Understood:
    """What a file would change; raises Invalid where it is no file of accounts.

    default_tier  of new accounts whose line gives none; '' for none
    """
    if len(content) > MOST_BYTES:
        raise Invalid("the file has more than 1 MB", field="file")
    sheet = read_sheet(content)
    columns = columns_of(sheet.lines[0].cells)
    if "domain" not in columns:
        raise Invalid("no column of the first line is called domain", field="columns")
    rows = sheet.lines[1:]
    if len(rows) > MOST_ROWS:
        raise Invalid(f"the file has more than {MOST_ROWS} rows", field="rows")
    named = [(line, cell(line, columns, "domain"), *domain_or_why(cell(line, columns, "domain"))) for line in rows]
    known = read(tx, site_id, [domain for _, _, domain, _ in named if domain])
    seen: set[str] = set()
    found = []
    for line, text, domain, wrong in named:
        why = wrong or (TWICE if domain in seen else "")
        if not why:
            seen.add(domain)
            told = Told(domain, *(cell(line, columns, name) or None for name in ("tier", "name", "owner")))
            found.append(judged(line, text, told, known.get(domain), default_tier, by, now))
        else:
            found.append(Read(line.number, text, REFUSED, why, None, None, None))
    return Understood(tuple(found))


def judged(
    line: Line, text: str, told: Told, before: Account | None, default_tier: str, by: str, now: datetime
) -> Read:
    """What a line with a domain comes to."""
    if before is None and told.tier is None and default_tier:
        told = Told(told.domain, default_tier, told.name, told.owner)
    try:
        told = checked(told)
        after = with_word(before, told, by, now)
    except Invalid as error:
        why = NO_TIER if "needs a tier" in error.message else TOO_LONG
        return Read(line.number, text, REFUSED, why, None, before, None)
    verdict = NEW if before is None else UNCHANGED if before == after else CHANGED
    return Read(line.number, text, verdict, "", told, before, after)


def columns_of(names: Sequence[str]) -> dict[str, int]:
    """Where each column is, by what it is called; of two that are called alike the first."""
    spelled = ["".join(letter for letter in name.casefold() if letter not in " _-　\ufeff") for name in names]
    return {
        role: place
        for role, known in COLUMNS.items()
        if (place := next((n for n, name in enumerate(spelled) if name in known), None)) is not None
    }


def cell(line: Line, columns: Mapping[str, int], name: str) -> str:
    """A cell of a line; '' where it has none."""
    place = columns.get(name, len(line.cells))
    return line.cells[place].strip()[:LONGEST_TEXT] if place < len(line.cells) else ""


def domain_or_why(text: str) -> tuple[str, str]:
    """The company's domain that a text names, and '', or '' and why there is none."""
    try:
        return domain_of(text), ""
    except Invalid as error:
        return "", error.field


def domain_of(text: str) -> str:
    """The registrable domain of a company, from a domain, the address of a page or of a mail.

    raises  Invalid, with the reason as its field: no_domain, not_a_domain, free_mail
    """
    plain = text.strip().lower()
    if not plain:
        raise Invalid("there is no domain", field=NO_DOMAIN)
    host = plain.split("://", 1)[-1].split("/", 1)[0].split("?", 1)[0].split("#", 1)[0].rpartition("@")[2]
    try:
        host = clean_host(host)
        ascii_host = host.encode("ascii").decode()
    except (Invalid, UnicodeError):
        raise Invalid(f"{text[:80]!r} is not a domain; write acme.co.jp", field=NOT_A_DOMAIN) from None
    parts = SUFFIXES(ascii_host)
    if not parts.domain or "." not in ascii_host or ascii_host.rpartition(".")[2].isdigit():
        raise Invalid(f"{text[:80]!r} is not a company's domain; write acme.co.jp", field=NOT_A_DOMAIN)
    domain = company_domain_of("@" + ascii_host)
    if domain is None or domain in FREE_MAIL:
        raise Invalid(f"{ascii_host[:80]!r} gives everybody an address; it is no company's domain", field=FREE)
    return domain
