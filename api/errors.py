"""One table from errors to statuses, and one place that tells them: to programs and to people.

Nothing of an unexpected error reaches the client, and its message not even the log: it may quote an address.
Problem documents: RFC 9457, application/problem+json, with the fields that were wrong under `errors`.
"""

import logging
import secrets
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apiflask import HTTPError
from flask import Flask, Response, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException

from api.languages import chosen
from api.trust import takes_password
from tracker.errors import Conflict, Denied, Invalid, Limited, MinamotoError, NotFound, Unready
from tracker.reports.catalogue import message

log = logging.getLogger("minamoto.http")

PROBLEM = "application/problem+json"
UNAUTHENTICATED = 401
SERVER_ERROR = 500
MOST_FIELDS = 100

# Denied is 401 while nobody is known, 403 where somebody is.
STATUS: Mapping[type[MinamotoError], int] = {
    Invalid: 422,
    Denied: 403,
    NotFound: 404,
    Conflict: 409,
    Limited: 429,
    Unready: 503,
}

TITLES: Mapping[int, str] = {
    400: message("The request cannot be read"),
    401: message("Please log in"),
    403: message("You may not do this"),
    404: message("There is nothing here"),
    405: message("This cannot be done here"),
    409: message("This contradicts what is already known"),
    413: message("This is too large"),
    415: message("This is not the expected format"),
    422: message("Something in it is not valid"),
    429: message("Too many requests"),
    500: message("Something went wrong here"),
    503: message("Not ready"),
}
HINTS: Mapping[int, str] = {
    400: message("Go back, load the page anew and try again."),
    401: message("Log in, then open this address again."),
    403: message("Your account does not have the right for it."),
    404: message("Check the address; what was here may have moved."),
    429: message("Wait a minute, then try again."),
    500: message("It was noted. Try again; if it stays, tell your administrator the number below."),
    503: message("The database is busy or away. Try again in a moment."),
}
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was wrong: its path ('costs.3.amount') and why."""

    field: str
    message: str


class InvalidFields(Invalid):
    """Several fields are not valid."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)[:MOST_FIELDS]
        first = self.errors[0]
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(f"{first.field}: {first.message}{more}", field=first.field)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is told of an error. `detail` is English and may be empty; `request_id` also stands in the log."""

    status: int
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    request_id: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def register(app: Flask) -> None:
    """Answer every error of the application; routes just raise."""
    app.register_error_handler(MinamotoError, on_told)
    app.register_error_handler(HTTPException, on_http)
    app.register_error_handler(HTTPError, on_apiflask)
    app.register_error_handler(DataError, on_unstorable)
    app.register_error_handler(OperationalError, on_unavailable)
    app.register_error_handler(Exception, on_unexpected)


def on_told(error: MinamotoError) -> ResponseReturnValue:
    """An error that names itself."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if isinstance(error, Denied) and not is_known():
        status = UNAUTHENTICATED
    if isinstance(error, InvalidFields):
        fields = error.errors
    else:
        fields = (FieldError(error.field, error.message),) if error.field else ()
    return answer(Problem(status, error.message, fields))


def on_http(error: HTTPException) -> ResponseReturnValue:
    """What Flask and Werkzeug refuse: unknown routes and methods, bodies too large or of another type."""
    if error.response is not None:
        return error
    status = error.code or SERVER_ERROR
    kept = tuple((name, value) for name, value in error.get_headers() if name in KEPT_HEADERS)
    return answer(Problem(status, error.description or "", headers=kept))


def on_apiflask(error: HTTPError) -> ResponseReturnValue:
    """What APIFlask itself refuses."""
    return answer(Problem(error.status_code, error.message or ""))


def on_unstorable(_: DataError) -> ResponseReturnValue:
    """A value slipped through that the database cannot hold, such as a NUL in a parameter."""
    return answer(Problem(STATUS[Invalid], "a value holds characters that cannot be stored"))


def on_unavailable(error: OperationalError) -> ResponseReturnValue:
    """The database is away or gave up on a lock; nothing was written."""
    return answer(Problem(STATUS[Unready], "the database is busy or away; try again", (), noted(error)))


def on_unexpected(error: Exception) -> ResponseReturnValue:
    """A defect: the log has where it happened, the client has its number."""
    return answer(Problem(SERVER_ERROR, "unexpected error; nothing was written", (), noted(error)))


def is_known() -> bool:
    """Whether the request came with a good token or from somebody who is logged in."""
    return "token" in g or bool(g.get("user"))


def noted(error: BaseException) -> str:
    """Log where an error happened, without its message and the address asked for; return its number."""
    request_id = secrets.token_hex(4)
    rule = request.url_rule.rule if request.url_rule else "(no route)"
    log.error("%s: %s on %s %s\n%s", request_id, type(error).__name__, request.method, rule, outline(error))
    return request_id


def outline(error: BaseException) -> str:
    """The classes and code lines of an error and of what caused it, deepest first, without their messages."""
    parts: list[str] = []
    each: BaseException | None = error
    while each is not None:
        frames = "".join(traceback.format_tb(each.__traceback__))
        parts.append(f"{frames}{type(each).__module__}.{type(each).__qualname__}")
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\n".join(reversed(parts))


def answer(problem: Problem) -> Response:
    """The answer in the form that whoever asked can read."""
    if request.path.startswith("/m/"):  # a visitor's page never sees an error
        told = Response(status=problem.status, headers={"X-Minamoto": "error"})
    elif request.path.startswith("/api/") or not wants_page():
        told = as_document(problem)
    else:
        told = as_page(problem)
    told.headers.extend(problem.headers)
    if problem.status == UNAUTHENTICATED and request.path.startswith("/api/"):
        told.headers["WWW-Authenticate"] = 'Bearer realm="Minamoto"'
        if takes_password(current_app, request.endpoint):
            told.headers.add("WWW-Authenticate", 'Basic realm="Minamoto"')
    return told


def wants_page() -> bool:
    """Whether the client would rather read HTML than JSON."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"], "text/html") == "text/html"


def as_document(problem: Problem) -> Response:
    """RFC 9457; the type is an address in the API's own documentation."""
    title = TITLES.get(problem.status, "Error") if problem.status != UNAUTHENTICATED else "Not authenticated"
    body = {
        "type": f"/api/docs#problem-{problem.status}",
        "title": title,
        "status": problem.status,
        "detail": problem.detail,
        "errors": [{"field": one.field, "message": one.message} for one in problem.errors],
    }
    if problem.request_id:
        body["request_id"] = problem.request_id
    return Response(current_app.json.dumps(body) + "\n", status=problem.status, mimetype=PROBLEM)


def as_page(problem: Problem) -> Response:
    """A page in the reader's language; messages that have no translation give way to what to do."""
    told = gettext(problem.detail) if problem.detail and problem.status < SERVER_ERROR else ""
    if chosen() != "en" and told == problem.detail:
        told = ""
    hint = HINTS.get(problem.status, "")
    page = render_template(
        "error.html",
        status=problem.status,
        title=gettext(TITLES.get(problem.status, TITLES[SERVER_ERROR])),
        detail=told or (gettext(hint) if hint else None),
        request_id=problem.request_id or None,
    )
    return Response(page, status=problem.status, mimetype="text/html")
