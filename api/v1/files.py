"""A report as a file that a program downloads."""

from flask import Response

from api.v1.contract import XLSX

MIME = {"csv": "text/csv", "xlsx": XLSX}


def as_file(body: str | bytes, name: str, form: str) -> Response:
    """An answer that is kept under a name; form: csv or xlsx, the name's end."""
    answer = Response(body, mimetype=MIME[form])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return answer
