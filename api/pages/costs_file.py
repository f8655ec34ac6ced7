"""The list of costs as a file: every line that the page's filters leave, not a page of them."""

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.costs import asked_by
from api.pages.files import answer_file
from api.pages.frame import site_named
from api.pages.routes import routes
from api.trust import Audience, audience
from tracker.costs.listing import CostLine, CostsAsked, cost_lines
from tracker.db.store import reading
from tracker.errors import Invalid
from tracker.reports.sheet import Amount, CellKind, CellValue, Sheet, SheetColumn

MOST_LINES = 100_000


@routes.get("/costs.<form>")
@audience(Audience.PEOPLE)
def costs_file(form: str) -> ResponseReturnValue:
    """The costs of a period as csv, xlsx or json; raises Invalid where they are too many for a file."""
    site = site_named()
    with reading(here().engine) as tx:
        _, asked = asked_by(tx, site, dict(request.args.items()))
        found = cost_lines(tx, site.site_id, asked, 0, MOST_LINES + 1)
    if len(found) > MOST_LINES:
        raise Invalid(f"more than {MOST_LINES:,} lines; take a shorter period", field="period")
    parts = ["costs", asked.view, asked.from_day, asked.to_day]
    return answer_file(form, parts, lambda: [sheet_of(asked, found)])


def sheet_of(asked: CostsAsked, found: list[CostLine]) -> Sheet:
    """The lines as a table; what a sum adds up over is empty."""
    columns = [
        SheetColumn(gettext("Day"), CellKind.DAY, "day"),
        SheetColumn(gettext("Channel"), key="channel"),
        SheetColumn(gettext("Source"), key="source"),
        SheetColumn(gettext("Medium"), key="medium"),
        SheetColumn(gettext("Campaign"), key="campaign"),
        SheetColumn(gettext("Cost"), CellKind.MONEY, "amount"),
        SheetColumn(gettext("Clicks"), CellKind.COUNT, "clicks"),
        SheetColumn(gettext("Impressions"), CellKind.COUNT, "impressions"),
    ]
    about = [(gettext("Period"), f"{asked.from_day} – {asked.to_day}")]
    return Sheet(gettext("Costs"), columns, [cells_of(line) for line in found], about)


def cells_of(line: CostLine) -> list[CellValue]:
    """One line's cells."""
    names = [line.day, line.channel, line.source, line.medium, line.campaign]
    return [*names, Amount(line.amount_minor, line.currency), line.clicks, line.impressions]
