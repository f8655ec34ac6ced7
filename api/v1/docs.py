"""GET /api/docs: the OpenAPI document as a page to read, made from it and so never behind it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import current_app, render_template
from flask.typing import ResponseReturnValue

from api.errors import PROBLEM
from api.trust import Audience, audience
from api.v1.contract import ALWAYS, REFUSALS

routes = APIBlueprint("api_docs", __name__, enable_openapi=False, template_folder="templates")
KEPT = "minamoto.api_docs"
DEEPEST = 4
TYPES = {"integer": "whole number", "boolean": "true or false", "string": "text"}

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field or parameter, flat: 'costs[].day'."""

    name: str
    type: str
    is_required: bool
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status of an operation."""

    status: int
    phrase: str
    description: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route and method as the page shows it. `answer` is an example of what it gives, as JSON."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[FieldRow, ...]
    body: tuple[FieldRow, ...]
    answer: str
    fields: tuple[FieldRow, ...]
    answers: tuple[Answer, ...]
    sample: str


@dataclass(frozen=True, slots=True)
class Section:
    """The operations of one tag."""

    name: str
    description: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Manual:
    """The whole page. `refusals` are the statuses that every operation may answer, `problem` an example of one."""

    about: str
    version: str
    sections: tuple[Section, ...]
    refusals: tuple[Answer, ...]
    problem: tuple[FieldRow, ...]
    problem_example: str


@routes.get("/api/docs")
@audience(Audience.ANYONE)
def show() -> ResponseReturnValue:
    """The API's documentation."""
    assert isinstance(current_app, APIFlask)
    kept: Manual | None = current_app.extensions.get(KEPT)
    if kept is None:
        spec = current_app.spec
        assert isinstance(spec, dict)
        kept = current_app.extensions[KEPT] = manual_of(spec)
    return render_template("api_docs.html", manual=kept)


def manual_of(spec: Schema) -> Manual:
    """The document as the page shows it."""
    schemas = spec["components"]["schemas"]
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in spec["tags"]}
    for path, operations in sorted(spec["paths"].items()):
        for method, one in operations.items():
            found[one["tags"][0]].append(operation_of(method.upper(), path, one, schemas))
    problem = schemas["Problem"]
    return Manual(
        about=spec["info"]["description"],
        version=spec["info"]["version"],
        sections=tuple(Section(tag["name"], tag["description"], tuple(found[tag["name"]])) for tag in spec["tags"]),
        refusals=tuple(Answer(code, HTTPStatus(code).phrase, text, (PROBLEM,)) for code, text in REFUSALS.items()),
        problem=tuple(rows_of(problem, schemas)),
        problem_example=as_json(example_of(problem, schemas)),
    )


def operation_of(method: str, path: str, one: Schema, schemas: Schema) -> Operation:
    """One operation."""
    content = one.get("requestBody", {}).get("content", {}).get("application/json", {})
    good = next(one["responses"][code] for code in sorted(one["responses"]) if code.startswith("2"))
    given = good["content"]["application/json"]["schema"]
    return Operation(
        anchor=one["operationId"],
        method=method,
        path=path,
        summary=one["summary"],
        description=one.get("description", ""),
        parameters=tuple(parameter_of(parameter) for parameter in one["parameters"]),
        body=tuple(rows_of(content["schema"], schemas)) if content else (),
        answer=as_json(example_of(given, schemas)),
        fields=tuple(rows_of(given, schemas)),
        answers=tuple(
            Answer(int(code), HTTPStatus(int(code)).phrase, answer["description"], tuple(answer["content"]))
            for code, answer in sorted(one["responses"].items())
            if int(code) not in ALWAYS
        ),
        sample=one["x-codeSamples"][0]["source"],
    )


def parameter_of(parameter: Schema) -> FieldRow:
    """A parameter of the path or the query."""
    schema = parameter["schema"]
    where = "in the path" if parameter["in"] == "path" else ""
    return FieldRow(
        name=parameter["name"],
        type=", ".join(part for part in (type_of(schema, {}), where) if part),
        is_required=parameter["required"],
        description=parameter.get("description", ""),
        example=shown(example_of(schema, {})) if "examples" in schema else "",
    )


def rows_of(schema: Schema, schemas: Schema, prefix: str = "", depth: int = 0) -> Iterator[FieldRow]:
    """The fields of an object and of what is inside it."""
    whole = resolved(schema, schemas)
    required = whole.get("required", [])
    for name, raw in whole.get("properties", {}).items():
        inner = resolved(raw, schemas)
        is_list = inner.get("type") == "array"
        yield FieldRow(
            name=prefix + name,
            type=type_of(inner, schemas),
            is_required=name in required,
            description=raw.get("description", inner.get("description", "")),
            example=shown(inner["examples"][0]) if "examples" in inner else "",
        )
        item = resolved(inner["items"], schemas) if is_list else inner
        if "properties" in item and depth < DEEPEST:
            yield from rows_of(item, schemas, f"{prefix}{name}{'[]' if is_list else ''}.", depth + 1)


def resolved(schema: Schema, schemas: Schema) -> Schema:
    """The schema behind a reference, and the one beside null; what stands beside the reference is kept."""
    options = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if options:
        beside = {name: value for name, value in schema.items() if name != "anyOf"}
        return {**resolved(options[0], schemas), **beside}
    if "$ref" in schema:
        found = schemas[schema["$ref"].rsplit("/", 1)[-1]]
        return {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def type_of(schema: Schema, schemas: Schema) -> str:
    """What kind of value it is, in words."""
    whole = resolved(schema, schemas)
    if "enum" in whole or "const" in whole:
        return " | ".join(str(word) for word in whole.get("enum", [whole.get("const")]))
    kind: Any = whole.get("type", "")
    if isinstance(kind, list):
        return " or ".join(str(TYPES.get(one, one)) for one in kind)
    if kind == "array":
        return f"list of {type_of(whole['items'], schemas)}"
    if kind == "string" and "format" in whole:
        return {"date-time": "instant", "date": "day", "email": "e-mail"}.get(whole["format"], "text")
    return str(TYPES.get(kind, kind))


def example_of(schema: Schema, schemas: Schema, depth: int = 0) -> Any:
    """An example: the schema's own, else one made of its parts."""
    whole = resolved(schema, schemas)
    if "examples" in whole:
        return whole["examples"][0]
    kind = whole.get("type")
    if "properties" in whole and depth <= DEEPEST:
        return {
            name: example_of(inner, schemas, depth + 1)
            for name, inner in whole["properties"].items()
            if name != "request_id"
        }
    if kind == "array":
        return [example_of(whole["items"], schemas, depth + 1)]
    words = whole.get("enum", [None])
    return words[0]


def shown(value: Any) -> str:
    """A value as it stands in JSON; a text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_json(value: Any) -> str:
    """A value to be read."""
    return json.dumps(value, ensure_ascii=False, indent=2)
