"""(pure) Target accounts as they are given: what the figures mean, and the list as a table.

Whoever may not see people gets it by `without_owners`: who looks after an account is a person.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from tracker.reports.accounts import AccountRow, Accounts
from tracker.reports.catalogue import Metric, Unit, message
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn

FIGURES = {
    metric.key: metric
    for metric in (
        Metric("accounts", Unit.COUNT, message("Accounts"), message("Companies that the site wants to win.")),
        Metric(
            "known",
            Unit.COUNT,
            message("With known people"),
            message("Accounts of which at least one person can be named."),
        ),
        Metric(
            "coverage",
            Unit.RATIO,
            message("Coverage"),
            message("Of the roles that the site wants to know at its accounts, the share in which somebody is known."),
        ),
        Metric(
            "active",
            Unit.COUNT,
            message("Active"),
            message("Accounts whose people had a touch in the last 12 weeks."),
        ),
        Metric(
            "people",
            Unit.COUNT,
            message("People"),
            message("People who can be named and are of the company's domain."),
        ),
        Metric(
            "score",
            Unit.COUNT,
            message("Account score"),
            message(
                "The sum of its people's points; while the site's definitions give nobody points, of the scores that "
                "the CRM tells. It has no cap: beside it stands the highest of one person."
            ),
        ),
        Metric(
            "touches",
            Unit.COUNT,
            message("Touches in 12 weeks"),
            message("Visits, calls, chats and events of its people, week by week; the last week ends today."),
        ),
        Metric("deals", Unit.COUNT, message("Open deals"), message("Deals of the company that stand open today.")),
        Metric(
            "expected",
            Unit.MONEY,
            message("Expected revenue"),
            message(
                "Each open deal's amount times its probability, as in the Opportunity report. A deal that is of "
                "several accounts stands at each, and once in the tier and in the total."
            ),
        ),
        Metric(
            "revenue",
            Unit.MONEY,
            message("Revenue"),
            message("What the company's deals have booked since ever, in the site's currency."),
        ),
    )
}

# The shipped roles; a site's own are shown as it wrote them.
ROLE_WORDS = {
    "Executive": message("Executive"),
    "Marketing": message("Marketing"),
    "Sales department": message("Sales department"),
    "IT": message("IT"),
    "Finance and purchasing": message("Finance and purchasing"),
}


def role_word(name: str, translate: Callable[[str], str] = str) -> str:
    """A role's name in the reader's language, if it is one that is shipped."""
    return translate(ROLE_WORDS[name]) if name in ROLE_WORDS else name


def without_owners(report: Accounts) -> Accounts:
    """The same for readers who may not see people."""
    rows = tuple(replace(one, account=replace(one.account, owner=None)) for one in report.rows)
    return replace(report, rows=rows, owners=())


def accounts_sheet(
    report: Accounts, rows: Iterable[AccountRow], currency: str | None, translate: Callable[[str], str] = str
) -> Sheet:
    """The accounts as a table."""

    def named(key: str) -> str:
        return translate(FIGURES[key].label)

    columns = [
        SheetColumn(translate(message("Company")), key="name"),
        SheetColumn(translate(message("Company’s domain")), key="domain"),
        SheetColumn(translate(message("Tier")), key="tier"),
        SheetColumn(translate(message("Account owner")), key="owner"),
        SheetColumn(translate(message("Stage")), key="stage"),
        SheetColumn(translate(message("In this stage since")), CellKind.INSTANT, "stage_at"),
        SheetColumn(named("people"), CellKind.COUNT, "people"),
        SheetColumn(translate(message("Roles known")), key="roles"),
        SheetColumn(named("coverage"), CellKind.PERCENT, "coverage"),
        SheetColumn(named("score"), CellKind.COUNT, "score"),
        SheetColumn(translate(message("Highest score of one person")), CellKind.COUNT, "top_score"),
        SheetColumn(named("touches"), CellKind.COUNT, "touches"),
        SheetColumn(translate(message("Latest touch")), CellKind.INSTANT, "last_at"),
        SheetColumn(named("deals"), CellKind.COUNT, "open_deals"),
        SheetColumn(named("expected"), CellKind.MONEY, "expected", currency=currency or ""),
        SheetColumn(named("revenue"), CellKind.MONEY, "revenue", currency=currency or ""),
    ]
    about = tuple((translate(one.label), translate(one.definition)) for one in FIGURES.values())
    cells = [list(cells_of(one, len(report.roles), currency, translate)) for one in rows]
    return Sheet(translate(message("Target accounts")), columns, cells, about=about)


def cells_of(
    one: AccountRow, n_roles: int, currency: str | None, translate: Callable[[str], str]
) -> Iterator[CellValue]:
    """One account's cells."""
    yield from (one.name, one.domain, one.account.tier, one.account.owner, one.stage, one.stage_at, one.n_people)
    yield from (
        ", ".join(role_word(name, translate) for name in one.roles),
        len(one.roles) / n_roles if n_roles else None,
    )
    yield from (one.score, one.top_score, one.engaged.n if one.engaged else None, one.last_at, one.n_open)
    yield from (one.expected_minor, one.revenue_minor) if currency else (None, None)
