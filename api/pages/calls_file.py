"""The calls as a file: it names people, so it is for analysts, and who took it is written down."""

from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import answer_file
from api.pages.frame import site_named
from api.pages.routes import routes
from api.pages.shown import count, word
from api.trust import Audience, actor, audience
from tracker.access import audit
from tracker.db.store import begin
from tracker.reports.calls import Call, list_calls
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.vocabulary import Audited, Role

MOST_ROWS = 50_000


@routes.get("/calls.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def calls_file(form: str) -> ResponseReturnValue:
    """The newest calls as a file: csv, xlsx or json."""
    site = site_named()
    with begin(here().engine) as tx:
        found, n = list_calls(tx, site.site_id, 0, MOST_ROWS)
        answer = answer_file(form, ("calls", site.key), lambda: [calls_sheet(found, n)])
        details = {"form": form, "n_rows": len(found)}
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, "calls", now=here().now(), details=details)
    return answer


def calls_sheet(found: list[Call], n: int) -> Sheet:
    """Calls as a table; what is left out is said."""
    columns = [
        SheetColumn(gettext("Date"), CellKind.INSTANT, "started_at"),
        SheetColumn(gettext("Caller"), key="caller"),
        SheetColumn(gettext("Contact"), key="contact"),
        SheetColumn(gettext("Number called"), key="number"),
        SheetColumn(gettext("Traced"), key="traced"),
        SheetColumn(gettext("Length in seconds"), CellKind.COUNT, "duration_s"),
        SheetColumn(gettext("Answered"), key="answered"),
        SheetColumn(gettext("Channel"), key="channel"),
        SheetColumn(gettext("Source"), key="source"),
        SheetColumn(gettext("Medium"), key="medium"),
        SheetColumn(gettext("Campaign"), key="campaign"),
    ]
    about = [(gettext("Calls"), count(n))]
    if n > len(found):
        about.append((gettext("In this file"), gettext("only the newest %(n)s", n=count(len(found)))))
    return Sheet(gettext("Calls"), columns, [cells_of(one) for one in found], about)


def cells_of(one: Call) -> list[CellValue]:
    """A call's cells, in the columns' order."""
    answered = None if one.answered is None else gettext("Yes") if one.answered else gettext("No")
    return [
        one.started_at,
        one.caller,
        one.contact_name,
        one.number,
        word("traced_word", one.traced.value),
        one.duration_s,
        answered,
        one.channel,
        one.source,
        one.medium,
        one.campaign,
    ]
