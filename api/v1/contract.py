"""The contract: how a route of the API is declared, and what stands in /api/openapi.json beside the models.

A view is declared once, by `operation`: its audience, its input, what it gives and what it refuses.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

from apiflask import APIBlueprint, APIFlask
from apiflask.schema_adapters import registry
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from pydantic import RootModel

from api.errors import PROBLEM, TITLES
from api.trust import Audience, audience
from api.v1.fields import Args, Body, Out, Path
from api.v1.reading import StrictAdapter

# Before any view is declared: how APIFlask reads a model's input.
registry.register("pydantic", StrictAdapter)
routes = APIBlueprint("v1", __name__, url_prefix="/api/v1", template_folder="templates")

BEARER = "token"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TAGS = {
    "Contacts": "People: told by the CRM, and given back with where they came from.",
    "Stages": "The stages of the life cycle, and words on many people at once.",
    "Deals": "Opportunities and their money. The same reference again is an amendment, never a second deal.",
    "Costs": "What sources were paid by day. The same day, source, medium and campaign is replaced.",
    "Events": "Hits from a server, and touches off the web: calls, chats, booths, seminars.",
    "Calls": "Phone calls, told by the telephone system, traced by the number that was called.",
    "Mail": "Programmes of mails: what became of each mail, and links that count their clicks.",
    "Surveys": "How likely people are to recommend the company: their answers, and invitations to a survey.",
    "Policy": "What the site settled about credit, version after version; tried on history before it is saved.",
    "Definitions": "What makes a lead, an MQL, an SQL: versions that people sign; tried on history before they count.",
    "Actions": "What is done on a change of stage, and the tasks that the CRM fetches.",
    "Reports": "Figures by source, the same as on the page and on the command line.",
}
ABOUT = (
    "Tell Minamoto what the CRM and the ad accounts know, and read back where people and money came from. "
    "Bodies and answers are JSON in UTF-8. Instants are RFC 3339 with an offset, days are YYYY-MM-DD in the "
    "site's time zone, amounts are decimal strings in major units beside integers in minor units. Every PUT "
    "can be sent again: the same words change nothing. Errors are problem documents (RFC 9457)."
)
ALWAYS = (400, 401, 404, 422, 429, 500, 503)
REFUSALS: Mapping[int, str] = {
    400: "The request cannot be read, or its body is no JSON.",
    401: "No token, or one that is unknown or revoked.",
    403: "The signature is not the telephone provider's.",
    404: "There is no such row in this site, or the token is for another site.",
    409: "This contradicts what is already known; nothing was written.",
    413: "The body is larger than 8 MB.",
    415: "The body is not application/json.",
    422: "Fields or parameters are not valid, each named under `errors`; nothing was written.",
    429: "Too many requests; wait, then send it again.",
    500: "A defect; nothing was written. `request_id` is in the server's log.",
    503: "The database is busy or away; nothing was written. Send it again.",
}
PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Where the error is described.",
            "examples": ["/api/docs#problem-422"],
        },
        "title": {
            "type": "string",
            "description": "What kind of error it is.",
            "examples": ["Something in it is not valid"],
        },
        "status": {"type": "integer", "description": "The HTTP status.", "examples": [422]},
        "detail": {
            "type": "string",
            "description": "What was wrong, with the value, and what to do.",
            "examples": ["currency: unknown currency 'YEN'; use an ISO 4217 code such as JPY"],
        },
        "errors": {
            "type": "array",
            "description": "The fields that were wrong, at most 100.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {
                        "type": "string",
                        "description": "The field's path; empty for the body as a whole.",
                        "examples": ["costs.3.amount"],
                    },
                    "message": {
                        "type": "string",
                        "description": "What is wrong with it.",
                        "examples": ["unknown currency 'YEN'; use an ISO 4217 code such as JPY"],
                    },
                },
            },
        },
        "request_id": {
            "type": "string",
            "description": "Of a defect: its number in the server's log.",
            "examples": ["9f1c2ab0"],
        },
    },
}
View = Callable[..., Any]


def operation(
    method: str,
    rule: str,
    *,
    tag: str,
    gives: type[Out],
    status: int = 200,
    also: Mapping[int, str] | None = None,
    args: type[Args] = Args,
    path: type[Path] | None = None,
    body: type[Body] | type[RootModel[Any]] | None = None,
    refuses: Iterable[int] = (),
    csv: bool = False,
    xlsx: bool = False,
    password: bool = False,
    sample: str,
    example: Mapping[str, Any] | Sequence[Any] | None = None,
) -> Callable[[View], View]:
    """Declare a view as an operation of the API; it is called with args=, body= and the path's values.

    also     other statuses with the same answer, and what they mean
    refuses  statuses besides ALWAYS
    csv, xlsx  whether it can also be given as CSV, as a workbook
    password whether the token may come as the password of HTTP Basic, too
    sample   path and query of the curl example; `example` is its body and the documented one
    """
    refusals = sorted({*ALWAYS, *refuses, *((413, 415) if body is not None else ())})
    responses: dict[int, Any] = {code: problem_response(code) for code in refusals}
    for code, meaning in (also or {}).items():
        reference = {"$ref": f"#/components/schemas/{gives.__name__}"}
        responses[code] = {"description": meaning, "content": {"application/json": {"schema": reference}}}

    if csv:
        responses[status] = {"content": {"text/csv": {"schema": {"type": "string"}}}}
    if xlsx:
        responses[status]["content"][XLSX] = {"schema": {"type": "string", "contentEncoding": "binary"}}

    def declare(view: View) -> View:
        declared = audience(Audience.CRM, password=password)(with_path(view))
        declared = routes.output(gives, status_code=status, description=meaning_of(gives))(declared)
        if body is not None:
            declared = routes.input(body, arg_name="body", example=example)(declared)
        declared = routes.input(args, location="query", arg_name="args")(declared)
        if path is not None:
            declared = routes.input(path, location="path", arg_name="path")(declared)
        declared = routes.doc(
            tags=[tag],
            operation_id=view.__name__,
            security=BEARER,
            responses=responses,
            extensions={"x-codeSamples": [{"lang": "Shell", "source": curl(method, sample, example)}]},
        )(declared)
        routes.route(rule, methods=[method])(declared)
        return view

    return declare


def with_path(view: View) -> View:
    """The view, called with the checked values of its path in the place of the raw ones."""

    @wraps(view)
    def called(path: Path | None = None, **given: Any) -> Any:
        return view(**{**given, **(path.model_dump() if path is not None else {})})

    return called


def meaning_of(gives: type[Out]) -> str:
    """What an answer is, in one line."""
    return (gives.__doc__ or "").strip().split("\n", 1)[0]


def problem_response(code: int) -> dict[str, Any]:
    """How a refusal is documented."""
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": REFUSALS[code], "content": {PROBLEM: {"schema": reference}}}


def curl(method: str, sample: str, example: Mapping[str, Any] | Sequence[Any] | None) -> str:
    """An example for the command line; $MINAMOTO is the server's address, $TOKEN the token."""
    verb = "" if method == "GET" else f" -X {method}"
    lines = [f'curl{verb} "$MINAMOTO/api/v1{sample}"', '  -H "Authorization: Bearer $TOKEN"']
    if example is not None:
        lines.append("  -H 'Content-Type: application/json'")
        lines.append(f"  -d {shlex.quote(json.dumps(example, ensure_ascii=False, indent=2))}")
    return " \\\n".join(lines)


def publish(app: Flask) -> None:
    """Describe the API in the application's OpenAPI document, and write JSON in order and unescaped."""
    assert isinstance(app, APIFlask)
    assert isinstance(app.json, DefaultJSONProvider)
    app.json.sort_keys = False
    app.json.ensure_ascii = False
    app.config.update(
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_SERVERS=False,
        SECURITY_SCHEMES={
            BEARER: {
                "type": "http",
                "scheme": "bearer",
                "description": "A token made by `minamoto token add NAME`, for one site or for all.",
            }
        },
    )
    app.description = ABOUT
    app.license = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    app.servers = [{"url": "/", "description": "This server"}]
    app.tags = [{"name": name, "description": text} for name, text in TAGS.items()]
    app.spec_processor(finish)


def finish(spec: dict[str, Any] | str) -> dict[str, Any] | str:
    """The document in its last form: plain schema names, the problem's schema, described parameters."""
    assert isinstance(spec, dict)
    schemas = spec["components"]["schemas"]
    renamed = {name: name.rsplit(".", 1)[-1] for name in schemas}
    spec["components"]["schemas"] = {
        **{renamed[name]: schema for name, schema in sorted(schemas.items())},
        "Problem": PROBLEM_SCHEMA,
    }
    for operations in spec["paths"].values():
        for one in operations.values():
            parameters = [parameter_of(parameter) for parameter in one["parameters"]]
            one["parameters"] = sorted(parameters, key=lambda one: (one["in"] != "path", one["name"] == "site"))
            if "requestBody" in one:
                one["requestBody"]["required"] = True
    prefix = "#/components/schemas/"
    return dict(tidied(spec, {prefix + name: prefix + short for name, short in renamed.items()}))


def parameter_of(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter with its description in its place; what may be left out of a query is not null there."""
    schema = parameter["schema"]
    options = [one for one in schema.pop("anyOf", []) if one.get("type") != "null"]
    schema = {**(options[0] if options else {}), **schema}
    described = {"description": schema.pop("description")} if "description" in schema else {}
    return {**parameter, **described, "schema": schema}


def tidied(value: Any, renamed: Mapping[str, str], is_names: bool = False) -> Any:
    """The same document with references to the new names, without titles that repeat names, without null defaults.

    is_names  the keys are fields' names, not words of JSON Schema
    """
    if isinstance(value, list):
        return [tidied(inner, renamed) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {name: tidied(inner, renamed, name == "properties" and not is_names) for name, inner in value.items()}
    if is_names:
        return found
    if isinstance(found.get("$ref"), str):
        found["$ref"] = renamed.get(found["$ref"], found["$ref"])
    if "type" in found or "anyOf" in found:
        found.pop("title", None)
    if found.get("default", 0) is None:
        del found["default"]
    return found


assert set(REFUSALS) <= set(TITLES)
