"""Tables as downloads: the same sheet as CSV, XLSX or JSON, under a name that no file system minds."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, url_for
from flask_babel import gettext

from api.context import here
from api.pages.frame import address, kept_arguments
from api.trust import site_seen
from tracker.errors import NotFound
from tracker.reports.sheet import Sheet, to_csv, to_json, to_xlsx

# What a table can be taken as, in the order of the buttons.
FORMS = ("csv", "xlsx", "json")
MIME = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}


def answer_file(
    form: str,
    parts: Sequence[str],
    sheets: Callable[[], Sequence[Sheet]],
    *,
    as_csv: Callable[[], str] | None = None,
    as_json: Callable[[], Any] | None = None,
) -> Response:
    """A table as a file; raises NotFound for a form that there is not.

    form     csv, xlsx or json: the end of the address
    parts    what the file's name is made of, such as "source" and its days
    sheets   gives the tables; CSV has the first one only
    as_csv   gives the CSV where a report has its own, BOM and all; as_json likewise
    """
    if form not in FORMS:
        raise NotFound("no such kind of file; take csv, xlsx or json", field="form")
    site = site_seen()
    timezone = site.timezone if site else "UTC"
    body: str | bytes
    if form == "xlsx":
        body = to_xlsx(sheets(), made_at=here().now(), timezone=timezone, about_name=gettext("About"))
    elif form == "csv":
        body = as_csv() if as_csv else to_csv(sheets()[0], timezone)
    else:
        body = json.dumps(as_json() if as_json else to_json(sheets()[0]), ensure_ascii=False)
    answer = Response(body, mimetype=MIME[form])
    answer.headers["Content-Disposition"] = f"attachment; filename={file_name(parts, form)}"
    return answer


def files_of(endpoint: str, *without: str) -> dict[str, str]:
    """The addresses of this page's table as files, by form, with the page's own parameters but for these."""
    return {form: address(url_for(endpoint, form=form), kept_arguments(*without)) for form in FORMS}


def file_name(parts: Sequence[str], form: str) -> str:
    """A name of letters, digits, '.', '_' and '-' only: 'source-2026-01-01-2026-03-31.csv'."""
    kept = (re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip(".-_") for part in parts)
    return f"{'-'.join(part for part in kept if part)[:100] or 'table'}.{form}"
